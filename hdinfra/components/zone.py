"""A Zone: its Clusters, the places of its edge and, on the local cloud, the Internet between them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import pulumi

from hdinfra.clouds.cloud import AddressHandle, MachineHandle, NetworkHandle, Scope, cloud_of
from hdinfra.clouds.credentials import check_clouds
from hdinfra.components.bundles import Bundles, BundlesArgs
from hdinfra.components.cluster import Cluster, ClusterArgs
from hdinfra.components.control import ControlPlane, ControlPlaneArgs
from hdinfra.components.enrolment import Clock, Enrolment
from hdinfra.components.ground import (
    Yard,
    fixed_address,
    ipv4_addresses,
    ipv4_networks,
    lay_ground,
    listed,
    resolved,
    scope_of,
)
from hdinfra.components.lab import LabOrigins, LabOriginsArgs
from hdinfra.components.place import Place, PlaceArgs
from hdinfra.machine.apps.mesh import EDGE_HOSTS, WAF_HOSTS
from hdinfra.machine.roles import MANAGED
from hdinfra.model.plan import ClusterPlan, EdgePlan, MachinePlan, NetworkPlan, Prefixes, ZonePlan
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
        check_clouds(args.plan)
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
        return tuple(kept for place in self.places.values() for kept in place.addresses.values())

    @property
    def lab_machines(self) -> Mapping[str, MachineHandle]:
        """Lab origins by name."""
        return self.lab.machines if self.lab else {}

    def hosts(self, machines: Sequence[MachinePlan]) -> pulumi.Output[dict[str, tuple[str, str]]]:
        """Where tunnels to these Machines end, by name: their kept public addresses."""
        return resolved({machine.name: self.yard.addresses[machine.name] for machine in machines})

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
            **{name: kept for place in self.places.values() for name, kept in place.addresses.items()},
        }
        grounds = {
            **{name: cluster.ground for name, cluster in self.clusters.items()},
            **{name: place.ground for name, place in self.places.items()},
        }
        admins = [str(network) for network in self.plan.control.admin_networks]
        wafs = [plan.name for instance in self.plan.instances for plan in instance.machines]
        sources = {
            "edges": listed(self.edge_addresses),
            EDGE_HOSTS: listed(self.edge_addresses),
            WAF_HOSTS: listed(addresses[name] for name in wafs),
            "callers": listed(addresses.values()).apply(lambda known: [*known, *admins]),
        }
        edges = {name: kept for place in self.places.values() for name, kept in place.addresses.items()}
        ipv4 = {
            "edges": ipv4_addresses(edges),
            EDGE_HOSTS: ipv4_addresses(edges),
            WAF_HOSTS: ipv4_addresses({name: addresses[name] for name in wafs}),
            "callers": {**ipv4_addresses(addresses), **ipv4_networks("admin", admins)},
        }
        return Yard(grounds, addresses, sources, ipv4)

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
        crowds = {place: tuple(crowd) for place, crowd in groupby(edge.machines, attrgetter("place"))}
        return {
            name: Place(name, PlaceArgs(crowd, self.scope, edge.place(name), wan), pulumi.ResourceOptions(parent=self))
            for name, crowd in crowds.items()
        }

    def _lab(self, wan: NetworkHandle | None) -> LabOrigins | None:
        if not self.plan.lab.origins:
            return None
        control, enrolment = self.management
        args = LabOriginsArgs(self.plan.lab, self.scope, self.plan.instances, control, enrolment, wan)
        return LabOrigins("lab", args, pulumi.ResourceOptions(parent=self))
