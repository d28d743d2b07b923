"""What may change while machines run: sites, modes, backends. Typed here, rendered and applied inside the machine."""

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, SerializerFunctionWrapHandler, model_serializer

from hdinfra.model.failover.edge import EdgeFailoverSpec
from hdinfra.model.failover.spec import MonitorSpec
from hdinfra.model.health import HealthSpec
from hdinfra.model.names import (
    Host,
    IPAddress,
    IPv4,
    IPv6,
    Name,
    NetworkPart,
    Paranoia,
    PathPart,
    Port,
    Prefix,
    RuleNumber,
    Seconds,
    Spec,
    UrlPath,
)
from hdinfra.model.site_parts import CacheSpec, RateSpec
from hdinfra.model.spec import Mode, Profile

SCHEMA = 1
"""Version of the documents below; a machine that knows only an older one refuses them."""


IPv6OrNone = Annotated[
    IPv6 | None,
    BeforeValidator(lambda given: given or None),
    PlainSerializer(lambda known: str(known) if known else "", return_type=str),
]
"""An IPv6 address; a machine whose cloud has none has the empty text, here and in machines (decision 22)."""

Sites = Field(max_length=2_000)
"""As many as one release of 1 MiB can hold."""

MachineName = Annotated[str, Field(pattern=r"^[a-z0-9-]{1,100}$")]
"""A machine's name, which its certificate names too."""


class OriginAddress(Spec):
    """Where clean traffic goes."""

    address: IPAddress
    port: Port


class WafSite(Spec):
    """One website behind the web application firewall. `lowest_mode`, `highest_paranoia` and `most_exclusions` are
    ceilings of what the API may set.

    From `profile` on, what is as usual is left out of the text: a machine whose code is older reads a site that asks
    for nothing new, and as many sites as before fit into a release.
    """

    host: Host
    tenant: Name
    mode: Mode
    paranoia: Paranoia
    exclusions: Annotated[tuple[RuleNumber, ...], Field(max_length=64)]
    lowest_mode: Mode
    highest_paranoia: Paranoia
    most_exclusions: Annotated[int, Field(ge=0, le=64)]
    origins: Annotated[tuple[OriginAddress, ...], Field(min_length=1, max_length=64)]
    health_path: UrlPath
    response_timeout_seconds: Seconds
    profile: Profile = Profile.COMPLETE
    excluded_paths: Annotated[tuple[PathPart, ...], Field(max_length=32)] = ()
    excluded_networks: Annotated[tuple[NetworkPart, ...], Field(max_length=64)] = ()
    rate: RateSpec | None = None
    cache: CacheSpec | None = None

    @model_serializer(mode="wrap")
    def _without_the_usual(self, usually: SerializerFunctionWrapHandler) -> dict[str, Any]:
        usual = {name for name, field in type(self).model_fields.items() if getattr(self, name) == field.default}
        return {name: value for name, value in usually(self).items() if name not in usual}


class TenantLimits(Spec):
    """What a tenant's programs may take together on one machine: weights as systemd's, memory in MiB."""

    name: Name
    plan: Name
    cpu_weight: Annotated[int, Field(ge=1, le=10_000)]
    io_weight: Annotated[int, Field(ge=1, le=10_000)]
    memory_low_mib: Annotated[int, Field(ge=0, le=1_048_576)]
    memory_high_mib: Annotated[int, Field(ge=16, le=1_048_576)]
    memory_max_mib: Annotated[int, Field(ge=16, le=1_048_576)]
    tasks_max: Annotated[int, Field(ge=4, le=100_000)]
    disk_mib: Annotated[int, Field(ge=16, le=1_073_741_824)]


class MeshMachine(Spec):
    """A machine of the mesh: where its tunnels end outside, and its addresses inside."""

    name: MachineName
    place: Name
    ipv4: IPv4
    ipv6: IPv6OrNone
    inner_ipv4: IPv4
    inner_ipv6: IPv6


class Mesh(Spec):
    """The mesh of one scope's machines: which keys, the largest packet inside in bytes, who they are (`members`) and
    with whom they speak (`peers`)."""

    version: Annotated[int, Field(ge=1, le=1_000_000)]
    mtu: Annotated[int, Field(ge=1280, le=9000)]
    members: Annotated[tuple[MeshMachine, ...], Field(max_length=500)]
    peers: Annotated[tuple[MeshMachine, ...], Field(max_length=500)]


class WafPolicy(Spec):
    """Policy of one WAF machine. `edges` alone may reach port 80 and name the client's true address. `health`: when it
    says that it serves; None where nobody is there to look, and nothing is said."""

    app: Literal["waf"] = "waf"
    schema_version: Literal[1] = 1
    sites: Annotated[tuple[WafSite, ...], Sites]
    edges: Annotated[tuple[IPAddress, ...], Field(max_length=500)]
    tenants: Annotated[tuple[TenantLimits, ...], Sites] = ()
    mesh: Mesh | None = None
    health: HealthSpec | None = None

    @model_serializer(mode="wrap")
    def _without_the_usual(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = whole(self)
        return {name: value for name, value in found.items() if name not in ("tenants", "mesh", "health") or value}


class Backend(Spec):
    """One WAF machine as the edge sees it."""

    name: MachineName
    cluster: Name
    ipv4: IPv4
    ipv6: IPv6OrNone


class EdgeInstance(Spec):
    """An Instance and the machines that serve it."""

    name: Name
    backends: Annotated[tuple[Backend, ...], Field(max_length=500)]


class EdgeSite(Spec):
    """A website and the Instance that answers for it. `hsts_seconds`: what browsers are told; 0 for nothing."""

    host: Host
    instance: Name
    health_path: UrlPath
    response_timeout_seconds: Seconds
    redirect: bool = False
    hsts_seconds: Annotated[int, Field(ge=0, le=63_072_000)] = 0


class Door(Spec):
    """Where one edge is shown, as visitors write it: a plain port, and the port that the way to HTTPS leads to."""

    http: Port
    https: Port


class FailoverPool(Spec):
    """Clusters whose machines take users together. `drained`: none, for now."""

    name: Name
    clusters: Annotated[tuple[Name, ...], Field(min_length=1, max_length=64)]
    drained: bool = False


class Failover(Spec):
    """Pools in order, and how their machines are probed. `fallback`: who takes users when no pool is up."""

    pools: Annotated[tuple[FailoverPool, ...], Field(min_length=1, max_length=16)]
    fallback: Name
    monitor: MonitorSpec

    @classmethod
    def of(cls, spec: EdgeFailoverSpec) -> Self:
        """What a spec asks of every edge machine."""
        pools = tuple(
            FailoverPool(name=pool.name, clusters=tuple(sorted(pool.clusters)), drained=pool.drained)
            for pool in spec.pools
        )
        return cls(pools=pools, fallback=spec.fallback or spec.pools[-1].name, monitor=spec.monitor)

    @model_serializer(mode="wrap")
    def _without_host(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = whole(self)
        return {**found, "monitor": {name: value for name, value in found["monitor"].items() if value is not None}}


class LoadBalancerPolicy(Spec):
    """Policy of every edge machine. `doors`: all that are not 80 and 443. `acme`: the thumbprint of the account whose
    challenges are answered (RFC 8555, section 8.3)."""

    app: Literal["load-balancer"] = "load-balancer"
    schema_version: Literal[1] = 1
    instances: Annotated[tuple[EdgeInstance, ...], Field(max_length=500)]
    sites: Annotated[tuple[EdgeSite, ...], Sites]
    doors: Annotated[tuple[Door, ...], Field(max_length=500)] = ()
    acme: Annotated[str, Field(pattern=r"^([A-Za-z0-9_-]{43})?$")] = ""
    mesh: Mesh | None = None
    failover: Failover | None = None

    @model_serializer(mode="wrap")
    def _without_the_usual(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = whole(self)
        return {name: value for name, value in found.items() if name not in ("mesh", "failover") or value}


class LabOriginPolicy(Spec):
    """Policy of a machine that plays a customer's web server: the sites it answers for."""

    app: Literal["lab-origin"] = "lab-origin"
    schema_version: Literal[1] = 1
    hosts: Annotated[tuple[Host, ...], Sites]


class ApiMachine(Spec):
    """Where machines, and the other API machines, reach an API machine."""

    name: MachineName
    ipv4: IPv4
    ipv6: IPv6OrNone
    port: Port


class ControlPolicy(Spec):
    """Policy of an API machine: the networks that may reach port 9000, and where all API machines are."""

    app: Literal["control"] = "control"
    schema_version: Literal[1] = 1
    callers: Annotated[tuple[Prefix, ...], Field(max_length=1_000)]
    apis: Annotated[tuple[ApiMachine, ...], Field(max_length=16)] = ()


class NameServer(Spec):
    """One of the Zone's name servers, by its machine's name."""

    name: MachineName
    ipv4: IPv4
    ipv6: IPv6OrNone


class AnsweredPlace(Spec):
    """A place of the edge: the addresses that users come to, which are asked for their health one by one."""

    name: Name
    addresses: Annotated[tuple[IPAddress, ...], Field(max_length=64)]


class Entrance(Spec):
    """A way into the Zone: places in an order, or a name elsewhere (`target`), empty where there are places."""

    name: Name
    places: Annotated[tuple[Name, ...], Field(max_length=64)] = ()
    target: Host | Literal[""] = ""


class NearNetwork(Spec):
    """For users of a network the places in their order."""

    network: NetworkPart
    places: Annotated[tuple[Name, ...], Field(min_length=1, max_length=64)]


class DnsPolicy(Spec):
    """Policy of every name server. `entrance`: the one that the sites' name leads to; all are answered for by their
    own names. Times in seconds; `failures` and `recoveries` are checks in a row."""

    app: Literal["dns"] = "dns"
    schema_version: Literal[1] = 1
    name: Host
    servers: Annotated[tuple[NameServer, ...], Field(min_length=1, max_length=16)]
    places: Annotated[tuple[AnsweredPlace, ...], Field(max_length=64)]
    entrances: Annotated[tuple[Entrance, ...], Field(min_length=1, max_length=16)]
    entrance: Name
    near: Annotated[tuple[NearNetwork, ...], Field(max_length=500)] = ()
    ttl_seconds: Annotated[int, Field(ge=5, le=3600)]
    interval_seconds: Annotated[int, Field(ge=2, le=255)]
    timeout_seconds: Annotated[int, Field(ge=1, le=254)]
    failures: Annotated[int, Field(ge=1, le=10)]
    recoveries: Annotated[int, Field(ge=1, le=10)]


AnyPolicy = WafPolicy | LoadBalancerPolicy | LabOriginPolicy | ControlPolicy | DnsPolicy
PolicyDocument = Annotated[AnyPolicy, Field(discriminator="app")]


def canonical(document: AnyPolicy) -> str:
    """The one JSON text of a document: sorted keys, no spaces, ASCII. Its digest is its version."""
    return json.dumps(document.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


def digest(document: AnyPolicy) -> str:
    """SHA-256 of the canonical text, in hex."""
    return hashlib.sha256(canonical(document).encode()).hexdigest()
