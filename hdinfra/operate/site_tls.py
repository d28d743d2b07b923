"""Sites over HTTPS: what every edge shows of their certificates, and how to ask from here."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hdinfra.operate.workspace import Workspace, write_atomically

if TYPE_CHECKING:  # a certificate is judged without the extra that looking at machines needs
    from hdinfra.operate.status import Declared

Json = dict[str, Any]
WARN_DAYS = 21
"""Left of a certificate when status warns: a renewal is due at 30 of 90 days, so nine days of `up` were missed."""


def keep_authority(workspace: Workspace, known: "Declared") -> Path | None:
    """Write the certificate that visitors from here have to believe; None where the issuer is known to all."""
    if not known.authority:
        return None
    path = workspace.state / f"{workspace.stack}-authority.pem"
    write_atomically(path, known.authority)
    return path.relative_to(workspace.root)


def curl_lines(known: "Declared", authority: Path | None) -> list[str]:
    """Lines to paste in the project's folder: every site over HTTPS through the first edge."""
    if not known.https_urls:
        return []
    url = urlsplit(known.https_urls[0])
    believing = f"--cacert {authority} " if authority else ""
    port = url.port or 443
    return [f"curl {believing}--resolve {host}:{port}:{url.hostname} https://{host}:{port}/" for host in known.hosts]


def certificates(
    hosts: Sequence[str], told: Sequence[Mapping[str, Any] | None], now: float | None = None
) -> list[Json]:
    """Of each site the certificate that ends first among the edges that answer; `well` is whether all of these show
    one that holds. `told`: what each edge says of itself, None where it says nothing."""
    shown = [_by_host(edge) for edge in told if edge and "certificates" in edge]
    return [_of_site(host, shown, time.time() if now is None else now) for host in hosts]


def words(certificate: Json) -> str:
    """For people."""
    if certificate["ends_at"] is None:
        return "no certificate" if certificate["issuer"] is not None else "certificate unknown, as no edge answers"
    end = datetime.fromtimestamp(certificate["ends_at"], UTC).strftime("%Y-%m-%d")
    days = certificate["days"]
    return f"certificate of {certificate['issuer']} " + (
        f"until {end} ({days} days)" if days >= 0 else f"ENDED on {end}"
    )


def _by_host(edge: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {str(one["host"]): one for one in edge["certificates"]}


def _of_site(host: str, edges: Sequence[Mapping[str, Mapping[str, Any]]], now: float) -> Json:
    found = [edge.get(host, {}) for edge in edges]
    ends = [one.get("ends_at") for one in found]
    known = [float(end) for end in ends if end is not None]
    missing = len(known) < len(ends)
    first = min(known, default=None) if not missing else None
    days = None if first is None else int((first - now) // 86_400)
    return {
        "host": host,
        "ends_at": first,
        "days": days,
        "issuer": next((str(one["issuer"]) for one in found if one.get("issuer")), "") if edges else None,
        # Where no edge answers, that is what is wrong, and it is told of the edges.
        "well": not edges or (first is not None and first > now),
        "ends_soon": days is not None and days < WARN_DAYS,
    }
