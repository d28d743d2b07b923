"""From a planned Machine to its description, by role."""

from collections.abc import Callable, Mapping

from hdinfra.machine.apps.bundle_store import bundle_store_machine
from hdinfra.machine.apps.control import control_machine
from hdinfra.machine.apps.dns import dns_machine
from hdinfra.machine.apps.lab_origin import lab_origin_machine
from hdinfra.machine.apps.load_balancer import load_balancer_machine
from hdinfra.machine.apps.mesh import in_mesh
from hdinfra.machine.apps.waf import waf_machine
from hdinfra.machine.machine import Machine
from hdinfra.model.plan import MachinePlan, Size
from hdinfra.model.spec import Provider

ROLES: Mapping[str, Callable[[str, MachinePlan], Machine]] = {
    "bundle-store": bundle_store_machine,
    "control": control_machine,
    "dns": dns_machine,
    "waf": waf_machine,
    "load-balancer": load_balancer_machine,
    "lab-origin": lab_origin_machine,
}


MANAGED = frozenset(ROLES) - {"bundle-store"}
"""Roles with an agent, which fetch a bundle at their first boot."""


def machine_of(zone: str, plan: MachinePlan) -> Machine:
    """The Machine of a plan's role; KeyError names a role that has no App."""
    return in_mesh(ROLES[plan.role](zone, plan), plan)


def packages_of(role: str) -> tuple[str, ...]:
    """What a Machine of that role is made of, whichever it is: for images that are built before there is a plan."""
    anyone = MachinePlan("any", "any", role, Provider.LOCAL, "any", "any", Size("any", 1, 512, 0.0), None, None)
    return machine_of("any", anyone).packages
