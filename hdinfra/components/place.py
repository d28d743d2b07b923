"""A place of the edge: its provider, image and network, and the public addresses that outlive its Machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from hdinfra.clouds.cloud import AddressHandle, Ground, NetworkHandle, Scope, cloud_of
from hdinfra.components.ground import addresses_on, furnished, lay_ground
from hdinfra.model.plan import ClusterPlan, MachinePlan


@dataclass(frozen=True, slots=True)
class PlaceArgs:
    """`machines` are the edge Machines that will stand here. `plan`: the place's network, on a provider's cloud."""

    machines: Sequence[MachinePlan]
    scope: Scope
    plan: ClusterPlan | None = None
    wan: NetworkHandle | None = None


class Place(pulumi.ComponentResource):
    """Declared by the Zone before any Machine, because WAF policies name the edge's addresses (decision 3)."""

    ground: Ground
    addresses: Mapping[str, AddressHandle]

    def __init__(self, name: str, args: PlaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdinfra:index:Place", name, None, opts)
        first, *_ = args.machines
        bare = lay_ground(name, args.plan or first.region, cloud_of(first.provider), args.scope, self)
        networks = [args.wan] if args.wan else []
        if args.plan:
            networks.append(bare.cloud.network(f"{name}-network", args.plan.network, bare, bare.options(self)))
        self.ground = furnished(bare, args.machines, networks, self)
        self.addresses = addresses_on(self.ground, args.machines, self)
        kept = self.addresses[first.name]
        self.register_outputs({"ipv4": kept.ipv4, "ipv6": kept.ipv6})
