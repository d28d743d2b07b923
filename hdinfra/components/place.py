"""A place of the edge: its provider, its image and the public address that outlives its Machine."""

from dataclasses import dataclass

import pulumi

from hdinfra.clouds.cloud import AddressHandle, Ground, NetworkHandle, Scope, cloud_of
from hdinfra.components.ground import furnished, lay_ground
from hdinfra.model.plan import MachinePlan


@dataclass(frozen=True, slots=True)
class PlaceArgs:
    """`machine` is the edge Machine that will stand here."""

    machine: MachinePlan
    scope: Scope
    wan: NetworkHandle | None = None


class Place(pulumi.ComponentResource):
    """Declared by the Zone before any Machine, because WAF policies name the edge's addresses (decision 3)."""

    ground: Ground
    address: AddressHandle

    def __init__(self, name: str, args: PlaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdinfra:index:Place", name, None, opts)
        machine = args.machine
        bare = lay_ground(name, machine.region, cloud_of(machine.provider), args.scope, self)
        self.ground = furnished(bare, (machine,), (args.wan,) if args.wan else (), self)
        self.address = bare.cloud.address(machine, bare.options(self))
        self.register_outputs({"ipv4": self.address.ipv4, "ipv6": self.address.ipv6})
