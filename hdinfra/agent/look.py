"""What a machine can say of itself without any daemon."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import disks, quota
from .applier import Applier
from .dns_policy import DnsPolicy
from .fields import PolicyError
from .haproxy import most_connections, statistics
from .paths import BEHIND, PROFILE, SYSCTLS, TENANT_FOLDERS, TENANTS_IN_FORCE
from .policy import ControlPolicy, Document, LoadBalancerPolicy, WafPolicy
from .services import MANAGEMENT

_CONTROLLERS = Path("/sys/fs/cgroup/cgroup.controllers")
"""The kernel's list of what it can limit; an old (v1) hierarchy has no such file."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_WATCH_SECONDS = 0.1
_LIMITED = {"cpu", "io", "memory", "pids"}


def status(applier: Applier) -> dict[str, Any]:
    """Which policy is in force, whether it serves, and what this machine has of its own."""
    document, local = current(applier), applier.local()
    report: dict[str, Any] = {
        "app": document.app if document else None,
        "digest": document.digest if document else None,
        "serving": bool(document) and serving(applier, document),
        "sysctls_denied": _sysctls_denied(),
        "limits_unenforced": limits_unenforced(document),
        "drained": local.drained,
        "overrides": dict(local.modes),
    }
    if document and isinstance(document.policy, LoadBalancerPolicy):
        from .shop_window import certificates  # noqa: PLC0415  edges alone have certificates, and that code

        report["servers"] = servers(document.policy)
        report["certificates"] = certificates(site.host for site in document.policy.sites)
    if document and isinstance(document.policy, DnsPolicy):
        from .gdnsd import answers  # noqa: PLC0415  as above, of name servers

        report["answers"] = answers(document.policy)
    return report


def current(applier: Applier) -> Document | None:
    """The policy in force, None when there is none or none that this agent can read."""
    try:
        return applier.current()
    except (PolicyError, OSError):
        return None


def profile(root: Path) -> str:
    """The description that a server of one's own was installed from, as 64 hex digits; empty elsewhere."""
    try:
        found = root.joinpath(PROFILE.lstrip("/")).read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
    return found if _DIGEST.fullmatch(found) else ""


def serving(applier: Applier, document: Document | None) -> bool:
    """Whether every program answers as it should, and is of use to others."""
    try:
        return document is not None and applier.serving(document) and _ready(document)
    except PolicyError:
        return False


def _ready(document: Document) -> bool:
    return not isinstance(document.policy, ControlPolicy) or MANAGEMENT.ready()


def behind(root: Path = Path("/")) -> dict[str, str]:
    """Keys of tenants whose own programs did not take their files, each with the reason."""
    found = {}
    for path in sorted(root.joinpath(TENANTS_IN_FORCE.lstrip("/")).glob("*")):
        with suppress(OSError):  # taken away meanwhile
            noted = path.read_text()
            if noted.startswith(BEHIND):
                found[path.name] = noted.removeprefix(BEHIND)
    return found


def servers(policy: LoadBalancerPolicy) -> list[dict[str, Any]]:
    """What HAProxy holds of each server, in both families; down when HAProxy does not answer."""
    return _servers(policy, _rows() or [])


def views(applier: Applier, seconds: float) -> Iterator[list[dict[str, Any]]]:
    """The servers of a load balancer for so long: at once, and whenever one is another, or other ones have come into
    force. PolicyError when this machine is none."""
    # The mark comes first: what comes into force between the two is read again.
    mark, policy, seen = applier.mark(), _balancing(applier), None
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (newer := applier.mark()) != mark:
            mark, policy = newer, _balancing(applier)
        if (now := servers(policy)) != seen:
            seen = now
            yield now
        time.sleep(_WATCH_SECONDS)  # HAProxy tells nobody of a change by itself


def _balancing(applier: Applier) -> LoadBalancerPolicy:
    """What a load balancer holds to; PolicyError on any other machine."""
    document = applier.current()
    if not document or not isinstance(document.policy, LoadBalancerPolicy):
        raise PolicyError("only a load balancer with a policy has servers to watch")
    return document.policy


def _rows() -> list[dict[str, str]] | None:
    try:
        return statistics()
    except OSError:
        return None


def _servers(policy: LoadBalancerPolicy, rows: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    up = {(row["pxname"], row["svname"]) for row in rows if row["status"].startswith("UP")}
    return [
        {
            "instance": instance.name,
            "name": backend.name,
            "cluster": backend.cluster,
            "family": family,
            "up": (f"{group}-read", f"{backend.name}.{family}") in up,
        }
        for instance in policy.instances
        for group, backends in instance.groups(policy.failover).items()
        for backend in backends
        for family in (("ipv4", "ipv6") if backend.ipv6 else ("ipv4",))
    ]


def unserved(policy: LoadBalancerPolicy) -> tuple[str, ...]:
    """Instances of which no server is up."""
    served = {server["instance"] for server in servers(policy) if server["up"]}
    return tuple(instance.name for instance in policy.instances if instance.name not in served)


def clusters(document: Document | None) -> dict[str, dict[str, int]]:
    """Of each Cluster that this machine sends requests to, how many of its servers there are and are up, over every
    family; nothing where none are sent, and while HAProxy does not say, for who is blind has not seen anybody die."""
    found: dict[str, dict[str, int]] = {}
    if document is None or not isinstance(document.policy, LoadBalancerPolicy):
        return found
    rows = _rows()
    for server in _servers(document.policy, rows) if rows is not None else ():
        counts = found.setdefault(server["cluster"], {"up": 0, "all": 0})
        counts["up"] += server["up"]
        counts["all"] += 1
    return found


def limits_unenforced(
    document: Document | None, controllers: Path = _CONTROLLERS, folders: Sequence[str] = TENANT_FOLDERS
) -> list[str]:
    """What of tenants' limits this place cannot hold: on an old cgroup hierarchy, or in a container, slices may be
    names only, not every file system keeps quotas, not every disk knows weights, and HAProxy may be granted too few
    descriptors for all that the router lets through. Nothing where no tenant has limits."""
    if document is None or not isinstance(document.policy, WafPolicy) or not document.policy.tenants:
        return []
    held = controllers.read_text().split() if controllers.exists() else []
    missing = _LIMITED - set(held)
    if not all(map(quota.enforced, folders)):
        missing.add("disk")
    if not all(map(disks.weighted, folders)):
        missing.add("io")
    if _is_cramped():
        missing.add("connections")
    return sorted(missing)


def _is_cramped() -> bool:
    from .router import CONNECTIONS, OF_ALL  # noqa: PLC0415  WAF machines alone have tenants, and that code

    try:
        return most_connections() < CONNECTIONS + OF_ALL
    except OSError:  # it does not run, which is said elsewhere
        return False


def _sysctls_denied() -> list[str]:
    """Settings of the base that this place does not have: a container's kernel is not its own."""
    path = Path(SYSCTLS)
    lines = path.read_text().splitlines() if path.exists() else []
    pairs = [(key.strip(), value.split()) for key, sign, value in (line.partition("=") for line in lines) if sign]
    return [key for key, value in pairs if _sysctl(key) != value]


def _sysctl(key: str) -> list[str] | None:
    try:
        return (Path("/proc/sys") / key.replace(".", "/")).read_text().split()
    except OSError:
        return None
