"""A place of the edge: its provider, image and network, and the public address that outlives its Machine."""

from dataclasses import dataclass

import pulumi

from hdinfra.clouds.cloud import AddressHandle, Ground, NetworkHandle, Scope, cloud_of
from hdinfra.components.ground import furnished, lay_ground
from hdinfra.model.plan import ClusterPlan, MachinePlan


@dataclass(frozen=True, slots=True)
class PlaceArgs:
    """`machine` is the edge Machine that will stand here. `plan`: the place's network, on a provider's cloud."""

    machine: MachinePlan
    scope: Scope
    plan: ClusterPlan | None = None
    wan: NetworkHandle | None = None


class Place(pulumi.ComponentResource):
    """Declared by the Zone before any Machine, because WAF policies name the edge's addresses (decision 3)."""

    machine: str
    ground: Ground
    address: AddressHandle

    def __init__(self, name: str, args: PlaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdinfra:index:Place", name, None, opts)
        machine = args.machine
        self.machine = machine.name
        bare = lay_ground(name, args.plan or machine.region, cloud_of(machine.provider), args.scope, self)
        networks = [args.wan] if args.wan else []
        if args.plan:
            networks.append(bare.cloud.network(f"{name}-network", args.plan.network, bare, bare.options(self)))
        self.ground = furnished(bare, (machine,), networks, self)
        self.address = bare.cloud.address(machine, self.ground, bare.options(self))
        self.register_outputs({"ipv4": self.address.ipv4, "ipv6": self.address.ipv6})
