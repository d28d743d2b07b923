"""A machine of the local cloud that plays the bucket out of which first boots fetch their code."""

from hdinfra.machine.apps import base
from hdinfra.machine.machine import Firewall, Health, Machine, Unit
from hdinfra.machine.sources import asset
from hdinfra.model.plan import MachinePlan

_WELL = ("/usr/bin/systemctl", "is-active", "--quiet", "hdinfra-firewall.service", "hdinfra-bundles.service")


def bundle_store_machine(zone: str, plan: MachinePlan) -> Machine:
    """It serves files and knows no policy, so it has no agent."""
    return Machine(
        identity=base.identity(zone, plan),
        packages=base.PACKAGES,
        files=(),
        units=(base.FIREWALL_UNIT, Unit("hdinfra-bundles.service", content=asset("hdinfra-bundles.service"))),
        firewall=Firewall(public_tcp=(80,), api_users=()),
        health=Health(booted=_WELL, serving=_WELL),
        sysctls=base.SYSCTLS,
    )
