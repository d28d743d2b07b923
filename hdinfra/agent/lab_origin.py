"""A machine that plays a customer's web server."""

from collections.abc import Mapping

from .paths import LAB_HOSTS
from .policy import LabOriginPolicy
from .services import FIREWALL, LAB, Service

SERVICES: tuple[Service, ...] = (FIREWALL, LAB)
DRAINED: Mapping[str, str] = {}


def render(policy: LabOriginPolicy) -> Mapping[str, str]:
    """The one file that the server reads: its host names."""
    return {LAB_HOSTS: "".join(f"{host}\n" for host in sorted(policy.hosts))}
