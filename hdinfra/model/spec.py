"""What a user writes: one Zone with its Clusters, Instances and edge. YAML and Python give the same models."""

from enum import StrEnum
from typing import Annotated, Literal, assert_never

from pydantic import Field

from hdinfra.model.dns_spec import DnsSpec
from hdinfra.model.failover.edge import EdgeFailoverSpec
from hdinfra.model.healing.spec import HealingSpec
from hdinfra.model.health import HealthSpec
from hdinfra.model.names import (
    Email,
    Host,
    HttpsUrl,
    HttpUrl,
    IPAddress,
    IPv4Network,
    IPv4Prefix,
    IPv6Prefix,
    Name,
    NetworkPart,
    Paranoia,
    PathPart,
    Port,
    Prefix,
    RegionName,
    RuleNumber,
    Seconds,
    SizeName,
    Spec,
    UrlPath,
)
from hdinfra.model.publish import EdgePublishSpec, PublishSpec
from hdinfra.model.site_parts import CacheSpec, HttpsSpec, RateSpec


class Provider(StrEnum):
    """Who runs the machines."""

    LOCAL = "local"
    AWS = "aws"
    AZURE = "azure"
    DIGITALOCEAN = "digitalocean"
    GCP = "gcp"
    HETZNER = "hetzner"
    IBM = "ibm"
    LINODE = "linode"


class Arch(StrEnum):
    """Which processors' programs a machine runs, by Debian's names."""

    AMD64 = "amd64"
    ARM64 = "arm64"


class Feature(StrEnum):
    """What a provider may lack; rule `cloud.no-<feature>` refuses what needs it there (model/providers)."""

    AVAILABILITY_ZONES = "availability-zones"
    BALANCER_IPV6 = "balancer-ipv6"
    BUCKETS = "buckets"
    DISK_ENCRYPTION = "disk-encryption"
    EGRESS_FIREWALL = "egress-firewall"
    FLOW_LOGS = "flow-logs"
    IPV6 = "ipv6"
    LOAD_BALANCERS = "load-balancers"
    PRIVATE_IPV6 = "private-ipv6"
    SNAPSHOT_RETENTION = "snapshot-retention"
    SNAPSHOTS = "snapshots"
    SPREAD = "spread"
    VOLUME_SNAPSHOTS = "volume-snapshots"
    VOLUMES = "volumes"


ALWAYS_REQUIRED = (Feature.DISK_ENCRYPTION, Feature.IPV6)
"""What every Cluster's and place's provider must have, whatever a spec requires; a waiver alone lifts it."""


class App(StrEnum):
    """What the Machines of an Instance do."""

    WAF = "waf"


class Mode(StrEnum):
    """What the web application firewall does with an attack: pass it, record it, or refuse it with 403."""

    BYPASS = "BYPASS"
    RECORD = "RECORD"
    MITIGATION = "MITIGATION"


class HostingPlan(StrEnum):
    """What a tenant has booked, from the least to the most; model/plans.toml says what each gives."""

    FREE = "free"
    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
    X_LARGE = "x-large"


class Profile(StrEnum):
    """Which rules of the OWASP Core Rule Set a site has, from none to all.

    `basic`: methods, scanners and HTTP itself; `strong`: also commands, scripts and SQL in requests; `complete`: also
    PHP, files and whatever else the Core Rule Set has.
    """

    NONE = "none"
    BASIC = "basic"
    STRONG = "strong"
    COMPLETE = "complete"


Tenancy = Literal["shared", "dedicated", "byol"]
"""Whose an Instance is: many tenants' at once, or one tenant's alone with all its Machines, here or at their place."""


class MeshSpec(Spec):
    """An encrypted network between the edge's places and the Clusters."""

    version: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = Field(
        default=1, description="Which keys: raised by one, every machine makes a new one. It never goes down"
    )


class NetworkSpec(Spec):
    """The pool out of which every Cluster gets its own, fixed part."""

    ipv4: IPv4Prefix = Field(default=IPv4Network("10.64.0.0/12"), description="A /12: 480 Clusters of a /21 each")
    ipv6: IPv6Prefix | None = Field(
        default=None, description="A /48; left out, a unique local one (RFC 4193) of the zone's name"
    )
    mesh: MeshSpec | None = Field(
        default=None, description="Left out, the edge asks the Clusters over the Internet as it is"
    )


Waivers = Annotated[dict[Feature, Annotated[str, Field(min_length=10, max_length=400)]], Field(max_length=16)]
"""Feature to the reason why a Cluster may do without it."""


class ClusterSpec(Spec):
    """One provider's one data centre."""

    name: Name
    provider: Provider
    region: RegionName
    account: Name | None = Field(
        default=None,
        description="Whose: settings `hdinfra:account-<name>` of the stack; left out, the environment's credentials",
    )
    zones: Annotated[tuple[RegionName, ...], Field(min_length=2, max_length=4)] | None = Field(
        default=None, description="Availability zones; left out, the region's first two"
    )
    waivers: Waivers = Field(default={}, description="What the provider lacks and this Cluster does without, with why")
    ipv4: IPv4Prefix | None = Field(default=None, description="Overrides the /21 of the region's slot")
    ipv6: IPv6Prefix | None = Field(default=None, description="Overrides the /64 of the region's slot")


class OriginSpec(Spec):
    """Where a site's clean traffic goes: an address, or a machine of `lab`. Exactly one of the two."""

    address: IPAddress | None = None
    port: Port = 80
    lab: Name | None = None


class CeilingsSpec(Spec):
    """How far the management API may go with a site's settings."""

    lowest_mode: Mode = Field(default=Mode.BYPASS, description="The weakest protection that may be set")
    highest_paranoia: Paranoia = 4
    exclusions: Annotated[int, Field(strict=True, ge=0, le=64)] = 16


class SiteSpec(Spec):
    """One website of a tenant. `mode`, `paranoia` and `exclusions` hold until the management API says otherwise; all
    else is the stack's alone."""

    host: Host
    mode: Mode = Mode.RECORD
    paranoia: Paranoia = 1
    exclusions: Annotated[tuple[RuleNumber, ...], Field(max_length=64)] = Field(
        default=(), description="Rules of the Core Rule Set that do not apply"
    )
    profile: Profile = Field(default=Profile.COMPLETE, description="Which rules of the Core Rule Set there are at all")
    excluded_paths: Annotated[tuple[PathPart, ...], Field(max_length=32)] = Field(
        default=(), description="Parts of the site that are not inspected"
    )
    excluded_networks: Annotated[tuple[NetworkPart, ...], Field(max_length=64)] = Field(
        default=(), description="Clients who are not inspected"
    )
    rate: RateSpec | None = Field(default=None, description="Left out, clients may ask as much as they like")
    cache: CacheSpec | None = Field(default=None, description="Left out, every request goes to the origin")
    https: HttpsSpec = HttpsSpec()
    ceilings: CeilingsSpec = CeilingsSpec()
    origins: Annotated[tuple[OriginSpec, ...], Field(min_length=1, max_length=16)]
    health_path: UrlPath = "/"
    response_timeout_seconds: Seconds = Field(
        default=2, description="How long a repeatable request may wait for an answer before it is tried elsewhere"
    )


class TenantSpec(Spec):
    """A customer and their sites."""

    name: Name
    plan: HostingPlan = HostingPlan.SMALL
    sites: Annotated[tuple[SiteSpec, ...], Field(max_length=2_000)] = ()


class InstanceSpec(Spec):
    """A workload of one App: `capacity` Machines carry the load, and the planner adds what a lost Cluster takes."""

    name: Name
    app: App = App.WAF
    tenancy: Tenancy = Field(
        default="shared",
        description="`dedicated`: for exactly one tenant; `byol` is refused here: it is a spec of its own",
    )
    capacity: Annotated[int, Field(strict=True, ge=1, le=200)] = 1
    clusters: tuple[Name, ...] | None = Field(default=None, description="Left out, the planner chooses")
    machines_per_cluster: Annotated[int, Field(strict=True, ge=1, le=200)] | None = Field(
        default=None, description="Left out, the planner decides"
    )
    vcpu: Annotated[int, Field(strict=True, ge=1, le=64)] = 1
    memory_mib: Annotated[int, Field(strict=True, ge=128, le=262_144)] = 512
    arch: Arch = Arch.AMD64
    sizes: dict[Provider, SizeName] = Field(
        default={}, description="The provider's own name of a size; left out, the cheapest that fits"
    )
    volume_gib: Annotated[int, Field(strict=True, ge=10, le=16_000)] | None = Field(
        default=None, description="A volume for each Machine's logs, which outlives the Machine; left out, none"
    )
    health: HealthSpec = HealthSpec()
    tenants: tuple[TenantSpec, ...] = ()

    @property
    def owner(self) -> str | None:
        """The tenant whose alone the Machines are; None where tenants share them."""
        match self.tenancy:
            case "shared":
                return None
            case "dedicated" | "byol":
                return self.tenants[0].name if self.tenants else None
            case _:
                assert_never(self.tenancy)


class PlaceSpec(Spec):
    """One place where the edge runs, apart from the Clusters."""

    name: Name
    provider: Provider
    region: RegionName
    account: Name | None = Field(default=None, description="As a Cluster's")
    waivers: Waivers = Field(default={}, description="As a Cluster's")
    publish: EdgePublishSpec | None = None
    machines: Annotated[int, Field(strict=True, ge=1, le=25)] = Field(
        default=1, description="How many Machines stand here; more than one wants `load_balancer`"
    )
    load_balancer: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="Whether users come to a load balancer of the provider's, which checks the Machines"
    )


class Issuer(StrEnum):
    """Who certifies sites that bring no certificate: an authority of the stack's own, an ACME server, or nobody."""

    LOCAL = "local"
    ACME = "acme"
    SUPPLIED = "supplied"


class AcmeSpec(Spec):
    """An account at a certificate authority that speaks ACME (RFC 8555); hosts are proven over HTTP on port 80."""

    directory: HttpsUrl = Field(description="Such as https://acme-v02.api.letsencrypt.org/directory")
    contact: Email = Field(description="Whom the authority writes to")


class TlsSpec(Spec):
    """Where sites' certificates come from. `local`: nobody but this stack knows its authority, so it is for trials."""

    issuer: Issuer = Issuer.LOCAL
    acme: AcmeSpec | None = Field(default=None, description="With `issuer: acme` and only then")
    days: Annotated[int, Field(strict=True, ge=1, le=397)] = Field(
        default=90, description="How long certificates of the issuer `local` are good for"
    )


class EdgeSpec(Spec):
    """What users' requests meet first."""

    places: tuple[PlaceSpec, ...]
    tls: TlsSpec = TlsSpec()
    failover: EdgeFailoverSpec | None = Field(default=None, description="Left out, all Clusters take users at once")
    vcpu: Annotated[int, Field(strict=True, ge=1, le=64)] = 1
    memory_mib: Annotated[int, Field(strict=True, ge=128, le=262_144)] = 256


class ControlSpec(Spec):
    """The management API (one machine in each of at least two Clusters of two operators), and how policy spreads."""

    clusters: tuple[Name, ...] | None = Field(default=None, description="Left out, the planner chooses")
    admin_networks: Annotated[tuple[Prefix, ...], Field(max_length=64)] = Field(
        default=(),
        description="From where the API is reached besides the Zone's machines; on the local cloud also here",
    )
    publish: PublishSpec | None = Field(
        default=None,
        description="Where the local cloud shows the first Cluster's API machine; the next has the next port",
    )
    bake_seconds: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=5, description="How long the first machine that has a new version is watched before others get it"
    )
    vcpu: Annotated[int, Field(strict=True, ge=1, le=64)] = 1
    memory_mib: Annotated[int, Field(strict=True, ge=128, le=262_144)] = 256


class BundlesSpec(Spec):
    """Where machines fetch our code at their first boot."""

    url: HttpUrl | None = Field(
        default=None, description="An address that you filled with `hdinfra bundle`; left out, the Zone brings its own"
    )


class SnapshotsSpec(Spec):
    """How often every disk of the Clusters is copied, and for how long copies are kept."""

    every: Literal["day", "week"] = "day"
    keep: Annotated[int, Field(strict=True, ge=1, le=100)] = Field(default=7, description="How many copies")


class LabOriginSpec(Spec):
    """A machine that plays a customer's web server; only on the local cloud."""

    name: Name
    region: RegionName


class LabSpec(Spec):
    """What stands in for the world outside the platform, for development and drills."""

    origins: tuple[LabOriginSpec, ...] = ()


class ZoneSpec(Spec):
    """A geographic area of Clusters, independent of every other Zone; one Pulumi stack."""

    zone: Name
    area: Name
    network: NetworkSpec = NetworkSpec()
    require: tuple[Feature, ...] = Field(
        default=(Feature.DISK_ENCRYPTION,),
        description="What every Cluster's and place's provider must have; `disk-encryption` and `ipv6` in any case",
    )
    snapshots: SnapshotsSpec | None = Field(default=None, description="Left out, no disk is copied")
    clusters: tuple[ClusterSpec, ...]
    instances: tuple[InstanceSpec, ...] = ()
    edge: EdgeSpec | None = None
    dns: DnsSpec | None = Field(default=None, description="Left out, users' names are led to the edge by hand")
    control: ControlSpec = ControlSpec()
    bundles: BundlesSpec = BundlesSpec()
    lab: LabSpec = LabSpec()
    healing: HealingSpec = HealingSpec()
