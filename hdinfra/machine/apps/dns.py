"""A name server: gdnsd, which anybody may ask over UDP and TCP."""

from hdinfra.machine.apps import base
from hdinfra.machine.machine import Firewall, Machine, Unit
from hdinfra.machine.sources import asset
from hdinfra.model.plan import MachinePlan

QUESTIONS_A_SECOND = 500
"""Of one client over UDP. A resolver that asks for each of its users' networks asks once a TTL; more is a flood, or
somebody's forged address at which our answers are aimed."""


def dns_machine(zone: str, plan: MachinePlan) -> Machine:
    """One name server. It asks the edge's places on port 80 how they are, which policy opens."""
    return Machine(
        identity=base.identity(zone, plan),
        packages=(*base.PACKAGES, "gdnsd"),
        files=base.FILES,
        units=(*base.UNITS, Unit("gdnsd.service", drop_in=asset("gdnsd.service.conf"))),
        firewall=Firewall(public_tcp=(53,), public_udp={53: QUESTIONS_A_SECOND}, outbound_sets=("upstreams",)),
        health=base.HEALTH,
        sysctls=base.SYSCTLS,
    )
