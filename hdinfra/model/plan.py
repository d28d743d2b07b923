"""What the planner decided, complete and deterministic; components only declare it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import NamedTuple

from hdinfra.model.failover.edge import EdgeFailoverSpec
from hdinfra.model.health import HealthSpec
from hdinfra.model.held import Held
from hdinfra.model.site_parts import CacheSpec, RateSpec
from hdinfra.model.spec import (
    AcmeSpec,
    App,
    Feature,
    HostingPlan,
    Issuer,
    Mode,
    Profile,
    Provider,
    SnapshotsSpec,
    Tenancy,
)


class Addresses(NamedTuple):
    """A machine's place in one network, in both families. A tuple, so that a plain pair does where it is taken."""

    ipv4: IPv4Address
    ipv6: IPv6Address


@dataclass(frozen=True, slots=True)
class Prefixes:
    """A network in both families."""

    ipv4: IPv4Network
    ipv6: IPv6Network


@dataclass(frozen=True, slots=True)
class MeshSeat:
    """A machine's addresses in the mesh, and the mesh's whole network."""

    addresses: Addresses
    network: Prefixes


@dataclass(frozen=True, slots=True)
class MeshPlan:
    """The encrypted network between places. `mtu`: the largest packet inside it, in bytes, whatever carries it."""

    version: int
    mtu: int
    network: Prefixes


@dataclass(frozen=True, slots=True)
class SubnetPlan:
    """A part of a network in one availability zone; `number` counts the parts of a network from 0, in both families.

    Only what is `public` has a way to and from the Internet.
    """

    name: str
    zone: str
    public: bool
    number: int
    ipv4: IPv4Network


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """A network, in parts where its provider has availability zones."""

    prefixes: Prefixes
    subnets: tuple[SubnetPlan, ...] = ()


@dataclass(frozen=True, slots=True)
class Size:
    """What one machine gets. `arch` is `native` where the machine shares this computer's kernel. `price_per_hour` in
    euro, in the region to which the others' price factors refer. `regions`: where it is sold; None for all of them."""

    name: str
    vcpu: int
    memory_mib: int
    price_per_hour: float
    arch: str = "native"
    regions: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Publish:
    """Where the local cloud shows a machine's port `target` on this computer, over TCP and, if so, over UDP too."""

    address: IPv4Address
    port: int
    target: int = 80
    udp: bool = False


@dataclass(frozen=True, slots=True)
class BalancerPlan:
    """How a Machine meets the provider's load balancer before it (decision 17).

    `networks`: from where the balancer connects; empty where it passes packets on as they came, so that whoever comes
    is a visitor. `header`: each connection begins with a PROXY header, which alone tells the visitor's address.
    `health_port`: where the Machine is asked for its health; on 80 as visitors come, on any other with a header or not.
    """

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    header: bool = False
    health_port: int = 80


@dataclass(frozen=True, slots=True)
class MachinePlan:
    """One Machine: `name` starts with its Cluster's (or place's) name.

    `private` lies in the Cluster's network; `public` is fixed by the plan only where we are the provider (the local
    cloud), elsewhere the provider gives it and it is None. `role` is `waf`, `load-balancer`, `control`, `dns`,
    `bundle-store` or `lab-origin`. `tenant`: whose it is alone; None for what many share. `zone`: its availability
    zone, where the provider has them. `image`: the provider's own name of a system image that is held. `volume_gib`: of
    the volume that outlives it. `snapshots`: how its disks are copied. `balancer`: what stands before an edge Machine;
    None where users come to the Machine itself. `mesh`: None for
    a machine that is not in it.
    """

    name: str
    place: str
    role: str
    provider: Provider
    region: str
    operator: str
    size: Size
    private: Addresses | None
    public: Addresses | None
    publish: Publish | None = None
    tenant: str | None = None
    zone: str | None = None
    image: str | None = None
    volume_gib: int | None = None
    snapshots: SnapshotsSpec | None = None
    publish_https: Publish | None = None
    balancer: BalancerPlan | None = None
    mesh: MeshSeat | None = None


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """One Cluster with its fixed prefixes; or an edge's place, which has a network where its provider is a cloud.

    `account`: whose credentials declare it, None for the environment's. `waived`: what it does without.
    """

    name: str
    provider: Provider
    region: str
    operator: str
    prefixes: Prefixes
    subnets: tuple[SubnetPlan, ...] = ()
    account: str | None = None
    waived: tuple[Feature, ...] = ()
    snapshots: SnapshotsSpec | None = None

    @property
    def network(self) -> NetworkPlan:
        """Its network."""
        return NetworkPlan(self.prefixes, self.subnets)


@dataclass(frozen=True, slots=True)
class OriginPlan:
    """A site's origin: a fixed address, or the name of a lab machine whose public address is meant."""

    address: IPv4Address | IPv6Address | None
    port: int
    lab: str | None


@dataclass(frozen=True, slots=True)
class HttpsPlan:
    """How the edge shows a site over TLS. `certificate` and `key` are paths as the spec has them."""

    redirect: bool = True
    hsts_seconds: int = 31_536_000
    certificate: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Supplied:
    """A site's own certificate with its chain, and the private key, both PEM."""

    certificate: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TlsPlan:
    """Where certificates come from. `supplied`: what was read of the files that sites name, by host."""

    issuer: Issuer = Issuer.LOCAL
    days: int = 90
    acme: AcmeSpec | None = None
    supplied: Mapping[str, Supplied] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SitePlan:
    """One website as the WAF and the edge will serve it."""

    host: str
    tenant: str
    mode: Mode
    paranoia: int
    origins: tuple[OriginPlan, ...]
    health_path: str
    response_timeout_seconds: int
    exclusions: tuple[int, ...] = ()
    lowest_mode: Mode = Mode.BYPASS
    highest_paranoia: int = 4
    most_exclusions: int = 16
    profile: Profile = Profile.COMPLETE
    excluded_paths: tuple[str, ...] = ()
    excluded_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    rate: RateSpec | None = None
    cache: CacheSpec | None = None
    https: HttpsPlan = HttpsPlan()


@dataclass(frozen=True, slots=True)
class TenantPlan:
    """A customer and what they have booked."""

    name: str
    plan: HostingPlan


@dataclass(frozen=True, slots=True)
class InstancePlan:
    """An Instance's Machines and tenants (sorted by name) and sites (sorted by host)."""

    name: str
    app: App
    tenancy: Tenancy
    capacity: int
    machines: tuple[MachinePlan, ...]
    tenants: tuple[TenantPlan, ...]
    sites: tuple[SitePlan, ...]
    health: HealthSpec = field(default_factory=HealthSpec)

    def machines_without(self, *, cluster: str | None = None, operator: str | None = None) -> int:
        """How many Machines stay when a Cluster or an operator is gone."""
        return sum(m.place != cluster and m.operator != operator for m in self.machines)


@dataclass(frozen=True, slots=True)
class EdgePlan:
    """The edge's machines, one a place or several behind its load balancer. `places`: those that have a network of
    their own, which is all but local. `failover`: pools of Clusters in order; None where all take users."""

    machines: tuple[MachinePlan, ...]
    places: tuple[ClusterPlan, ...] = ()
    tls: TlsPlan = TlsPlan()
    failover: EdgeFailoverSpec | None = None

    def place(self, name: str) -> ClusterPlan | None:
        """A place's network, None on the local cloud."""
        return next((place for place in self.places if place.name == name), None)


@dataclass(frozen=True, slots=True)
class ControlPlan:
    """The API machines, one a Cluster; none where a Zone has nothing to manage."""

    machines: tuple[MachinePlan, ...] = ()
    admin_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    bake_seconds: float = 5


@dataclass(frozen=True, slots=True)
class EntrancePlan:
    """A way into the Zone: places of the edge in an order, or a name elsewhere."""

    name: str
    places: tuple[str, ...] = ()
    target: str | None = None


@dataclass(frozen=True, slots=True)
class NearPlan:
    """For users of a network the places in their order."""

    network: IPv4Network | IPv6Network
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DnsPlan:
    """Name servers, one a Cluster, and what they answer. `name`: the domain that is delegated to them; `entrance`: the
    name of the one in force. Times in seconds; `failures` and `recoveries` are checks in a row."""

    name: str
    machines: tuple[MachinePlan, ...]
    entrances: tuple[EntrancePlan, ...]
    entrance: str
    near: tuple[NearPlan, ...] = ()
    ttl_seconds: int = 30
    interval_seconds: int = 5
    timeout_seconds: int = 2
    failures: int = 2
    recoveries: int = 2


@dataclass(frozen=True, slots=True)
class BundlesPlan:
    """Where first boots fetch our code: an address that the user fills, a bucket of the provider of that Cluster, or
    on the local cloud a machine that plays one."""

    url: str | None = None
    store: MachinePlan | None = None
    bucket: str | None = None


@dataclass(frozen=True, slots=True)
class LabPlan:
    """Machines that play customers' web servers on the local cloud."""

    origins: tuple[MachinePlan, ...] = ()


@dataclass(frozen=True, slots=True)
class ZonePlan:
    """All that a Zone's stack declares. `wan` is set where the local cloud plays the Internet."""

    zone: str
    area: str
    network: Prefixes
    wan: Prefixes | None
    clusters: tuple[ClusterPlan, ...]
    instances: tuple[InstancePlan, ...]
    edge: EdgePlan | None
    lab: LabPlan
    held: Held
    withdrawn: tuple[str, ...] = field(default=())
    control: ControlPlan = ControlPlan()
    bundles: BundlesPlan = BundlesPlan()
    mesh: MeshPlan | None = None
    dns: DnsPlan | None = None

    @property
    def operators(self) -> frozenset[str]:
        """Companies of which one may fail."""
        return frozenset(cluster.operator for cluster in self.clusters)

    @property
    def machines(self) -> tuple[MachinePlan, ...]:
        """Every machine of the Zone: Instances', edge's, API's, name servers, lab's and the bundle store."""
        return (
            *(machine for instance in self.instances for machine in instance.machines),
            *(self.edge.machines if self.edge else ()),
            *self.control.machines,
            *(self.dns.machines if self.dns else ()),
            *self.lab.origins,
            *((self.bundles.store,) if self.bundles.store else ()),
        )

    def instance(self, name: str) -> InstancePlan:
        """The Instance of that name; KeyError if the spec has none."""
        for instance in self.instances:
            if instance.name == name:
                return instance
        raise KeyError(name)
