"""A Zone: its Clusters, the places of its edge and, on the local cloud, the Internet between them."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from hdinfra.clouds.cloud import AddressHandle, MachineHandle, NetworkHandle, Scope, cloud_of
from hdinfra.components.cluster import Cluster, ClusterArgs
from hdinfra.components.ground import lay_ground
from hdinfra.components.lab import LabOrigins, LabOriginsArgs
from hdinfra.components.place import Place, PlaceArgs
from hdinfra.model.plan import ClusterPlan, Prefixes, ZonePlan
from hdinfra.model.spec import Provider


@dataclass(frozen=True, slots=True)
class ZoneArgs:
    """`namespace` starts the name of all that the local cloud makes.

    Left out, it is the stack's `hdinfra:namespace`, and without that `<project>-<stack>`.
    """

    plan: ZonePlan
    namespace: str | None = None


class Zone(pulumi.ComponentResource):
    """Everything that Instances and the edge stand on. Addresses that policies name are declared here (decision 3)."""

    plan: ZonePlan
    scope: Scope
    clusters: Mapping[str, Cluster]
    places: Mapping[str, Place]
    lab: LabOrigins | None

    def __init__(self, name: str, args: ZoneArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdinfra:index:Zone", name, None, opts)
        self.plan = args.plan
        self.scope = _scope(args)
        wan = self._wan(args.plan.wan) if args.plan.wan else None
        self.clusters = {plan.name: self._cluster(plan, wan) for plan in args.plan.clusters}
        self.places = self._places(wan)
        self.lab = self._lab(wan)
        self.register_outputs({"zone": args.plan.zone, "clusters": sorted(self.clusters)})

    @property
    def edge_addresses(self) -> tuple[AddressHandle, ...]:
        """Where requests come from that the edge passes on."""
        return tuple(place.address for place in self.places.values())

    @property
    def lab_machines(self) -> Mapping[str, MachineHandle]:
        """Lab origins by name."""
        return self.lab.machines if self.lab else {}

    def _wan(self, prefixes: Prefixes) -> NetworkHandle:
        ground = lay_ground("wan", "wan", cloud_of(Provider.LOCAL), self.scope, self)
        return ground.cloud.network("wan", prefixes, ground.options(self))

    def _cluster(self, plan: ClusterPlan, wan: NetworkHandle | None) -> Cluster:
        machines = tuple(machine for machine in self.plan.machines if machine.place == plan.name)
        args = ClusterArgs(plan=plan, scope=self.scope, machines=machines, wan=wan)
        return Cluster(plan.name, args, pulumi.ResourceOptions(parent=self))

    def _places(self, wan: NetworkHandle | None) -> dict[str, Place]:
        machines = self.plan.edge.machines if self.plan.edge else ()
        return {
            machine.place: Place(
                machine.place, PlaceArgs(machine, self.scope, wan), pulumi.ResourceOptions(parent=self)
            )
            for machine in machines
        }

    def _lab(self, wan: NetworkHandle | None) -> LabOrigins | None:
        if not self.plan.lab.origins:
            return None
        args = LabOriginsArgs(self.plan.lab, self.scope, self.plan.instances, wan)
        return LabOrigins("lab", args, pulumi.ResourceOptions(parent=self))


def _scope(args: ZoneArgs) -> Scope:
    project, stack = pulumi.get_project(), pulumi.get_stack()
    namespace = args.namespace or pulumi.Config("hdinfra").get("namespace") or f"{project}-{stack}"
    return Scope(project=project, stack=stack, namespace=namespace, zone=args.plan.zone)
