"""The edge: HAProxy that users' requests meet first."""

from hdinfra.machine.apps import base
from hdinfra.machine.machine import File, Firewall, Machine, Unit
from hdinfra.machine.sources import asset
from hdinfra.model.plan import MachinePlan


def load_balancer_machine(zone: str, plan: MachinePlan) -> Machine:
    """One edge machine, open to the world on ports 80 and 443."""
    return Machine(
        identity=base.identity(zone, plan),
        packages=(*base.PACKAGES, "haproxy"),
        files=(*base.FILES, File("/etc/hdinfra/haproxy.cfg", asset("haproxy.cfg"))),
        units=(*base.UNITS, Unit("haproxy.service", drop_in=asset("haproxy.service.conf"))),
        firewall=Firewall(public_tcp=(80, 443), outbound_sets=("upstreams",)),
        health=base.HEALTH,
        sysctls=base.SYSCTLS,
    )
