"""A Zone: its Clusters, the places of its edge and, on the local cloud, the Internet between them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from hdinfra.clouds.cloud import AddressHandle, MachineHandle, NetworkHandle, Scope, check_credentials, cloud_of
from hdinfra.components.bundles import Bundles, BundlesArgs
from hdinfra.components.cluster import Cluster, ClusterArgs
from hdinfra.components.control import ControlPlane, ControlPlaneArgs
from hdinfra.components.enrolment import Clock, Enrolment
from hdinfra.components.ground import Yard, fixed_address, lay_ground, listed, scope_of
from hdinfra.components.lab import LabOrigins, LabOriginsArgs
from hdinfra.components.place import Place, PlaceArgs
from hdinfra.machine.roles import MANAGED
from hdinfra.model.plan import ClusterPlan, EdgePlan, NetworkPlan, Prefixes, ZonePlan
from hdinfra.model.spec import Provider
from hdinfra.plugins.policy import resources


@dataclass(frozen=True, slots=True)
class ZoneArgs:
    """`namespace` starts the name of all that the local cloud makes.

    Left out, it is the stack's `hdinfra:namespace`, and without that `<project>-<stack>`. `clock` dates enrolment
    tokens.
    """

    plan: ZonePlan
    namespace: str | None = None
    clock: Clock = time.time


class Zone(pulumi.ComponentResource):
    """Everything that Instances and the edge stand on. Addresses that policies name are declared here (decision 3)."""

    plan: ZonePlan
    scope: Scope
    clusters: Mapping[str, Cluster]
    places: Mapping[str, Place]
    yard: Yard
    bundles: Bundles | None
    control: ControlPlane | None
    lab: LabOrigins | None
    _enrolment: Enrolment | None

    def __init__(self, name: str, args: ZoneArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        for provider, account in accounts_of(args.plan):
            check_credentials(provider, account)
        super().__init__("hdinfra:index:Zone", name, None, opts)
        self.plan = args.plan
        self.scope = scope_of(args.plan.zone, args.namespace)
        wan = self._wan(args.plan.wan) if args.plan.wan else None
        self.clusters = {plan.name: self._cluster(plan, wan) for plan in args.plan.clusters}
        self.places = self._places(wan)
        self.yard = self._lay_yard()
        self.bundles, self.control, self._enrolment = None, None, None
        if args.plan.control.machines:
            self._manage(args.clock, wan)
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

    @property
    def management(self) -> tuple[ControlPlane, Enrolment]:
        """How Machines of this Zone come to their policy."""
        if self.control is None or self._enrolment is None:
            raise ValueError(f"zone `{self.plan.zone}` was planned without machines, so it has no control plane")
        return self.control, self._enrolment

    def _manage(self, clock: Clock, wan: NetworkHandle | None) -> None:
        """Keys first, then where code lies, then the API machines."""
        own = pulumi.ResourceOptions(parent=self)
        provider = resources.Provider("control-provider", opts=own)
        keys = resources.Keys(
            "control-keys", zone=self.plan.zone, opts=pulumi.ResourceOptions(parent=self, provider=provider)
        )
        roles = tuple(sorted({machine.role for machine in self.plan.machines} & MANAGED))
        args = BundlesArgs(self.plan.bundles, self.scope, roles, keys, self.yard.grounds, wan)
        self.bundles = Bundles("bundles", args, own)
        control = self.plan.control
        apis = {plan.name: self.yard.addresses[plan.name] for plan in control.machines}
        self._enrolment = Enrolment(self.plan.zone, control, keys, apis, self.bundles.pins, clock)
        plane = ControlPlaneArgs(control, self._enrolment, provider, self.yard, self._callers())
        self.control = ControlPlane("control", plane, own)

    def _lay_yard(self) -> Yard:
        addresses = {
            **{name: kept for cluster in self.clusters.values() for name, kept in cluster.addresses.items()},
            **{place.machine: place.address for place in self.places.values()},
        }
        grounds = {
            **{name: cluster.ground for name, cluster in self.clusters.items()},
            **{name: place.ground for name, place in self.places.items()},
        }
        admins = [str(network) for network in self.plan.control.admin_networks]
        sources = {
            "edges": listed(self.edge_addresses),
            "callers": listed(addresses.values()).apply(lambda known: [*known, *admins]),
        }
        return Yard(grounds, addresses, sources)

    def _callers(self) -> dict[str, AddressHandle]:
        """Every Machine; those that stand in no Cluster and no place have their addresses from the plan."""
        fixed = {machine.name: fixed_address(machine.public) for machine in self.plan.machines if machine.public}
        return {**fixed, **self.yard.addresses}

    def _wan(self, prefixes: Prefixes) -> NetworkHandle:
        ground = lay_ground("wan", "wan", cloud_of(Provider.LOCAL), self.scope, self)
        return ground.cloud.network("wan", NetworkPlan(prefixes), ground, ground.options(self))

    def _cluster(self, plan: ClusterPlan, wan: NetworkHandle | None) -> Cluster:
        machines = tuple(machine for machine in self.plan.machines if machine.place == plan.name)
        args = ClusterArgs(plan=plan, scope=self.scope, machines=machines, wan=wan)
        return Cluster(plan.name, args, pulumi.ResourceOptions(parent=self))

    def _places(self, wan: NetworkHandle | None) -> dict[str, Place]:
        edge = self.plan.edge or EdgePlan(())
        return {
            machine.place: Place(
                machine.place,
                PlaceArgs(machine, self.scope, edge.place(machine.place), wan),
                pulumi.ResourceOptions(parent=self),
            )
            for machine in edge.machines
        }

    def _lab(self, wan: NetworkHandle | None) -> LabOrigins | None:
        if not self.plan.lab.origins:
            return None
        control, enrolment = self.management
        args = LabOriginsArgs(self.plan.lab, self.scope, self.plan.instances, control, enrolment, wan)
        return LabOrigins("lab", args, pulumi.ResourceOptions(parent=self))


def accounts_of(plan: ZonePlan) -> list[tuple[Provider, str | None]]:
    """Whose resources the plan needs."""
    grounds = (*plan.clusters, *(plan.edge.places if plan.edge else ()))
    return sorted({(ground.provider, ground.account) for ground in grounds}, key=str)
