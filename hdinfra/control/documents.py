"""As much of a policy document as the API must understand: the sites of a WAF, and what may be set for them."""

from collections.abc import Mapping
from typing import Any

from hdinfra.protocol.merge import MODES
from hdinfra.protocol.seal import ProtocolError

MOST_SITES = 2_000
_SITE: dict[str, type] = {
    "host": str,
    "tenant": str,
    "mode": str,
    "paranoia": int,
    "exclusions": list,
    "lowest_mode": str,
    "highest_paranoia": int,
    "most_exclusions": int,
}


def check_document(document: Mapping[str, Any]) -> None:
    """ProtocolError `policy.shape` for a WAF's document that the API cannot read; it reads no other App's."""
    if document.get("app") != "waf":
        return
    sites = document.get("sites")
    if not isinstance(sites, list) or len(sites) > MOST_SITES:
        raise ProtocolError("policy.shape", f"a WAF's document has a list of at most {MOST_SITES:,} sites")
    for number, site in enumerate(sites):
        if not _readable(site):
            raise ProtocolError("policy.shape", f"sites[{number}] lacks one of {', '.join(_SITE)}, or has it wrong")


def _readable(site: object) -> bool:
    if not isinstance(site, dict) or not all(isinstance(site.get(name), kind) for name, kind in _SITE.items()):
        return False
    return site["mode"] in MODES and site["lowest_mode"] in MODES


def sites_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The sites whose settings the API may own."""
    return list(document["sites"]) if document.get("app") == "waf" else []
