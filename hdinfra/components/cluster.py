"""A Cluster: one provider's one data centre, with its network."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from hdinfra.clouds.cloud import AddressHandle, Ground, NetworkHandle, Scope, cloud_of
from hdinfra.components.ground import addresses_on, furnished, lay_ground
from hdinfra.model.plan import ClusterPlan, MachinePlan


@dataclass(frozen=True, slots=True)
class ClusterArgs:
    """`machines` are those that the plan puts here: the Cluster brings an image for each of their roles."""

    plan: ClusterPlan
    scope: Scope
    machines: tuple[MachinePlan, ...] = ()
    wan: NetworkHandle | None = None


class Cluster(pulumi.ComponentResource):
    """`name` is the Cluster's own: all that lies in it starts with it, so a dead one is excluded by `**::<name>-*`."""

    plan: ClusterPlan
    ground: Ground
    addresses: Mapping[str, AddressHandle]

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdinfra:index:Cluster", name, None, opts)
        self.plan = args.plan
        bare = lay_ground(name, args.plan, cloud_of(args.plan.provider), args.scope, self)
        network = bare.cloud.network(f"{name}-network", args.plan.network, bare, bare.options(self))
        networks = (args.wan, network) if args.wan else (network,)
        self.ground = furnished(bare, args.machines, networks, self)
        self.addresses = addresses_on(self.ground, args.machines, self)
        self.register_outputs({"network": network.native_id, "region": args.plan.region})
