"""What a machine can say of itself without any daemon."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import quota
from .applier import Applier
from .fields import PolicyError
from .haproxy import statistics
from .paths import SYSCTLS, TENANT_FOLDERS
from .policy import ControlPolicy, Document, LoadBalancerPolicy, WafPolicy
from .services import MANAGEMENT

_CONTROLLERS = Path("/sys/fs/cgroup/cgroup.controllers")
"""The kernel's list of what it can limit; an old (v1) hierarchy has no such file."""
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
    return report


def current(applier: Applier) -> Document | None:
    """The policy in force, None when there is none or none that this agent can read."""
    try:
        return applier.current()
    except (PolicyError, OSError):
        return None


def serving(applier: Applier, document: Document | None) -> bool:
    """Whether every program answers as it should, and is of use to others."""
    try:
        return document is not None and applier.serving(document) and _ready(document)
    except PolicyError:
        return False


def _ready(document: Document) -> bool:
    return not isinstance(document.policy, ControlPolicy) or MANAGEMENT.ready()


def servers(policy: LoadBalancerPolicy) -> list[dict[str, Any]]:
    """What HAProxy holds of each server, in both families; down when HAProxy does not answer."""
    try:
        rows = statistics()
    except OSError:
        rows = []
    up = {(row["pxname"], row["svname"]) for row in rows if row["status"].startswith("UP")}
    return [
        {
            "instance": instance.name,
            "name": backend.name,
            "cluster": backend.cluster,
            "family": family,
            "up": (f"{instance.name}-read", f"{backend.name}.{family}") in up,
        }
        for instance in policy.instances
        for backend in instance.backends
        for family in ("ipv4", "ipv6")
    ]


def limits_unenforced(
    document: Document | None, controllers: Path = _CONTROLLERS, folders: Sequence[str] = TENANT_FOLDERS
) -> list[str]:
    """What of tenants' limits this place cannot hold: on an old cgroup hierarchy, or in a container, slices may be
    names only, and not every file system keeps quotas. Nothing where no tenant has limits."""
    if document is None or not isinstance(document.policy, WafPolicy) or not document.policy.tenants:
        return []
    held = controllers.read_text().split() if controllers.exists() else []
    counted = [] if all(map(quota.enforced, folders)) else ["disk"]
    return sorted((_LIMITED - set(held)).union(counted))


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
