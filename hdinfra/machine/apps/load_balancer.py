"""The edge: HAProxy that users' requests meet first."""

from hdinfra.machine.apps import base
from hdinfra.machine.machine import File, Firewall, Machine, Unit
from hdinfra.machine.sources import asset
from hdinfra.model.plan import BalancerPlan, MachinePlan

BALANCER = "balancer"
"""The sets of the firewall in which a provider's load balancer is. They are the base's: no policy fills them."""


def load_balancer_machine(zone: str, plan: MachinePlan) -> Machine:
    """One edge machine, open to the world on ports 80 and 443, or to the load balancer before it alone.

    The balancer that passes packets on as they came changes nothing: whoever comes is a visitor.
    """
    behind = plan.balancer if plan.balancer and plan.balancer.header else None
    return Machine(
        identity=base.identity(zone, plan),
        packages=(*base.PACKAGES, "haproxy"),
        files=(*base.FILES, File("/etc/hdinfra/haproxy.cfg", _haproxy(behind)), *_balancer_files(behind)),
        units=(*base.UNITS, Unit("haproxy.service", drop_in=asset("haproxy.service.conf"))),
        firewall=_firewall(behind),
        health=base.HEALTH,
        sysctls=base.SYSCTLS,
    )


def _haproxy(behind: BalancerPlan | None) -> str:
    """The policy's frontend asks these variables what it stands behind (hdinfra/agent/load_balancer.py)."""
    if behind is None:
        return asset("haproxy.cfg")
    told = [f"global\n    setenv HDINFRA_BALANCER '{' '.join(map(str, behind.networks))}'\n"]
    if behind.health_port != 80:
        told.append(f"    setenv HDINFRA_HEALTH_PORT {behind.health_port}\n")
    return asset("haproxy.cfg").replace("global\n", "".join(told), 1)


def _balancer_files(behind: BalancerPlan | None) -> tuple[File, ...]:
    if behind is None:
        return ()
    sets = [f"add element inet hdinfra {BALANCER}{network.version} {{ {network} }}\n" for network in behind.networks]
    return (File(f"/etc/hdinfra/first/{BALANCER}.nft", "".join(sets)),)


def _firewall(behind: BalancerPlan | None) -> Firewall:
    if behind is None:
        return Firewall(public_tcp=(80, 443), outbound_sets=("upstreams",))
    ports = {80, 443, behind.health_port}
    return Firewall(restricted_tcp=dict.fromkeys(sorted(ports), BALANCER), outbound_sets=("upstreams",))
