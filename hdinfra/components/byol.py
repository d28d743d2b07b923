"""An Instance that a customer hosts: a seat of the licence for each Machine, and nobody who manages them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from hdinfra.clouds.cloud import Ground, MachineHandle, cloud_of
from hdinfra.components.ground import (
    Stand,
    Yard,
    addresses_on,
    boot_machine,
    furnished,
    ipv4_networks,
    lay_ground,
    scope_of,
)
from hdinfra.machine.roles import machine_of
from hdinfra.machine.unmanaged import told_to, unmanaged
from hdinfra.model.byol_planner import ByolPlan
from hdinfra.model.plan import MachinePlan
from hdinfra.plugins.licence import resources


@dataclass(frozen=True, slots=True)
class ByolInstanceArgs:
    """`licence` is the text of the file that the vendor issued; `namespace` is as a Zone's."""

    plan: ByolPlan
    licence: str
    namespace: str | None = None


class ByolInstance(pulumi.ComponentResource):
    """Machines in one network of the customer's. No control plane, no store of code: what they run and serve comes with
    them at their first boot, and `hdctl apply` brings a later policy into force. None of them is made without its seat.

    ValueError for a plan whose machines the customer installs: those are bundles (`hdinfra byol bundle`).
    """

    plan: ByolPlan
    seats: Mapping[str, resources.Seat]
    machines: Mapping[str, MachineHandle]

    def __init__(self, name: str, args: ByolInstanceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdinfra:index:ByolInstance", name, None, opts)
        if args.plan.ground is None:
            raise ValueError(f"`{args.plan.name}` is installed by the customer: `hdinfra byol bundle` writes from what")
        self.plan = args.plan
        provider = resources.Provider(f"{name}-licence-provider", pulumi.ResourceOptions(parent=self))
        self.seats = {
            machine.name: self._seat(machine, slot, args.licence, provider)
            for slot, machine in enumerate(args.plan.machines)
        }
        first, scope = args.plan.machines[0], scope_of(args.plan.name, args.namespace)
        bare = lay_ground(name, args.plan.ground, cloud_of(first.provider), scope, self)
        network = bare.cloud.network(f"{name}-network", args.plan.ground.network, bare, bare.options(self))
        ground = furnished(bare, args.plan.machines, (network,), self)
        edges = [str(edge) for edge in args.plan.edges]
        yard = Yard(
            dict.fromkeys([first.place], ground),
            addresses_on(ground, args.plan.machines, self),
            {"edges": pulumi.Output.from_input(edges)},
            {"edges": ipv4_networks("edge", edges)},
        )
        stand = yard.stand("waf", args.plan.machines, self)
        self.machines = {machine.name: self._machine(machine, ground, stand) for machine in args.plan.machines}
        self.register_outputs({"machines": sorted(self.machines)})

    def _seat(self, machine: MachinePlan, slot: int, licence: str, provider: resources.Provider) -> resources.Seat:
        return resources.Seat(
            f"{machine.name}-seat",
            ledger=self.plan.ledger,
            licence=licence,
            public_key=self.plan.vendor_key,
            instance=self.plan.name,
            slot=slot,
            app=str(self.plan.instance.app),
            opts=pulumi.ResourceOptions(parent=self, provider=provider),
        )

    def _machine(self, machine: MachinePlan, ground: Ground, stand: Stand) -> MachineHandle:
        described = unmanaged(machine_of(self.plan.name, machine))
        told = pulumi.Output.from_input(told_to(self.plan, machine))
        return boot_machine(machine, described, told, ground, self, stand, after=[self.seats[machine.name]])


def status_of_byol(instance: ByolInstance) -> dict[str, Any]:
    """The stack output `status`: where to look. Whether it is well, `hdctl status` says on each Machine."""
    return {
        "byol": instance.plan.name,
        "tenant": instance.plan.tenant,
        "machines": [
            {"name": name, "container": machine.native_id, "ipv4": machine.ipv4, "ipv6": machine.ipv6}
            for name, machine in instance.machines.items()
        ],
        "urls": [
            f"http://{machine.publish.address}:{machine.publish.port}"
            for machine in instance.plan.machines
            if machine.publish
        ],
        "sites": [site.host for site in instance.plan.instance.sites],
    }
