"""A machine of the management API: policy says who may reach it, everything else is its base."""

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from .firewall import elements
from .paths import POLICY
from .policy import ControlPolicy
from .services import FIREWALL, MANAGEMENT, Service

SERVICES: tuple[Service, ...] = (FIREWALL, MANAGEMENT)
DRAINED: Mapping[str, str] = {}
_SET = "callers"


def render(policy: ControlPolicy) -> Mapping[str, str]:
    """The firewall's set of callers; what the base had in it for the first boot is gone then."""
    four = collapse_addresses(n for n in policy.callers if isinstance(n, IPv4Network))
    six = collapse_addresses(n for n in policy.callers if isinstance(n, IPv6Network))
    empty = "".join(f"flush set inet hdinfra {_SET}{version}\n" for version in (4, 6))
    return {f"{POLICY}/firewall/{_SET}.nft": empty + elements(_SET, [*four, *six])}
