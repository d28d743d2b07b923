"""A machine that plays a customer's web server, for development and drills."""

from hdinfra.machine.apps import base
from hdinfra.machine.machine import File, Firewall, Machine, Unit, User
from hdinfra.machine.sources import asset
from hdinfra.model.plan import MachinePlan


def lab_origin_machine(zone: str, plan: MachinePlan) -> Machine:
    """One stand-in web server with its ledger."""
    return Machine(
        identity=base.identity(zone, plan),
        packages=base.PACKAGES,
        files=(
            *base.FILES,
            File("/usr/lib/hdinfra/lab-server", asset("lab-server"), 0o755),
        ),
        units=(*base.UNITS, Unit("hdinfra-lab-origin.service", content=asset("hdinfra-lab-origin.service"))),
        firewall=Firewall(public_tcp=(80,)),
        health=base.HEALTH,
        users=(User("hdinfra-lab"),),
        sysctls=base.SYSCTLS,
    )
