"""PolicyDocuments as the machine reads them: every value is checked again before it may reach a file."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from .dns_policy import DnsPolicy, check_dns, dns_policy
from .failover_policy import FailoverPolicy, failover_policy, group_of
from .fields import (
    Address,
    Network,
    PolicyError,
    address,
    between,
    boolean,
    host,
    ipv6_or_none,
    machine_name,
    many,
    matching,
    name,
    network,
    one_of,
    part_network,
    record,
    wrong,
)
from .health_policy import HealthPolicy, health_policy
from .mesh_policy import MeshPolicy, mesh_policy
from .waf_profiles import ALL, NONE, PROFILES

MAX_BYTES = 4_194_304
"""A release is 1 MiB at most; settings and spelling add to it."""
MODES = ("BYPASS", "RECORD", "MITIGATION")
"""From the weakest protection to the strongest."""

_PATH = re.compile(r"/[A-Za-z0-9._~/-]{0,200}\Z")
_PART = re.compile(r"(?=.{2,201}\Z)(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)+/?\Z")
_THUMBPRINT = re.compile(r"(?:[A-Za-z0-9_-]{43})?\Z")
_MOST_SITES, _MOST_MACHINES, _MOST_CALLERS = 2_000, 500, 1_000
_MOST_ORIGINS = _MOST_EXCLUSIONS = 64
_MOST_PATHS = 32
_MOST_APIS = 16


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a site's clean traffic goes."""

    address: Address
    port: int


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests a second of one client's address, and how many more may come at once."""

    per_second: int
    burst: int


@dataclass(frozen=True, slots=True)
class Cache:
    """How much of a site's answers may be kept, in MiB."""

    size_mib: int


@dataclass(frozen=True, slots=True)
class WafSite:
    """One website behind the web application firewall. `lowest_mode`, `highest_paranoia` and `most_exclusions` are
    ceilings of what the API may set; what comes after them is the stack's alone."""

    host: str
    tenant: str
    mode: str
    paranoia: int
    origins: tuple[Origin, ...]
    health_path: str
    response_timeout_seconds: int
    exclusions: tuple[int, ...] = ()
    lowest_mode: str = "BYPASS"
    highest_paranoia: int = 4
    most_exclusions: int = _MOST_EXCLUSIONS
    profile: str = ALL
    excluded_paths: tuple[str, ...] = ()
    excluded_networks: tuple[Network, ...] = ()
    rate: Rate | None = None
    cache: Cache | None = None


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """What a tenant's programs may take together: weights from 1 to 10,000, memory and disk in MiB. Documents from
    before there were the last two have 0 there: no protected memory, no quota."""

    name: str
    plan: str
    cpu_weight: int
    io_weight: int
    memory_high_mib: int
    memory_max_mib: int
    tasks_max: int
    memory_low_mib: int = 0
    disk_mib: int = 0


@dataclass(frozen=True, slots=True)
class WafPolicy:
    """Policy of one WAF machine."""

    sites: tuple[WafSite, ...]
    edges: tuple[Address, ...]
    tenants: tuple[TenantLimits, ...] = ()
    mesh: MeshPolicy | None = None
    health: HealthPolicy | None = None


@dataclass(frozen=True, slots=True)
class Backend:
    """One WAF machine as the edge sees it; without `ipv6` where its cloud has none."""

    name: str
    cluster: str
    ipv4: Address
    ipv6: Address | None

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Those that it has."""
        return (self.ipv4, self.ipv6) if self.ipv6 else (self.ipv4,)


@dataclass(frozen=True, slots=True)
class EdgeInstance:
    """An Instance and the machines that serve it."""

    name: str
    backends: tuple[Backend, ...]

    def groups(self, failover: FailoverPolicy | None) -> dict[str, tuple[Backend, ...]]:
        """What HAProxy's backends are called, but for their ends, and whom they hold: one group, or one a pool."""
        if failover is None:
            return {self.name: self.backends}
        return {
            group_of(self.name, pool.name): tuple(one for one in self.backends if one.cluster in pool.clusters)
            for pool in failover.pools
        }


@dataclass(frozen=True, slots=True)
class EdgeSite:
    """A website and the Instance that answers for it. `hsts_seconds`: what browsers are told; 0 for nothing."""

    host: str
    instance: str
    health_path: str
    response_timeout_seconds: int
    redirect: bool = False
    hsts_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Door:
    """Ports of one edge as visitors write them."""

    http: int
    https: int


@dataclass(frozen=True, slots=True)
class LoadBalancerPolicy:
    """Policy of every edge machine. `acme`: the thumbprint of the account whose challenges are answered. `failover`:
    pools in order; None where all Clusters take users."""

    instances: tuple[EdgeInstance, ...]
    sites: tuple[EdgeSite, ...]
    doors: tuple[Door, ...] = ()
    acme: str = ""
    mesh: MeshPolicy | None = None
    failover: FailoverPolicy | None = None


@dataclass(frozen=True, slots=True)
class LabOriginPolicy:
    """Policy of a machine that plays a customer's web server."""

    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ApiMachine:
    """Where an API machine is reached; without `ipv6` where its cloud has none."""

    name: str
    ipv4: Address
    ipv6: Address | None
    port: int


@dataclass(frozen=True, slots=True)
class ControlPolicy:
    """Policy of an API machine: who may reach it, and where all API machines are."""

    callers: tuple[Network, ...]
    apis: tuple[ApiMachine, ...] = ()


Policy = WafPolicy | LoadBalancerPolicy | LabOriginPolicy | ControlPolicy | DnsPolicy


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document with the bytes it came from; `digest` is its version."""

    app: str
    policy: Policy
    raw: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, in hex."""
        return hashlib.sha256(self.raw).hexdigest()


port = between(1, 65535)
_mode = one_of(frozenset(MODES))
_paranoia = between(1, 4)
_timeout = between(1, 300)
_health_path = matching(_PATH, "a path of letters, digits and ._~/-")
_excluded_path = matching(_PART, "a path below `/`, of segments of letters, digits and ._~-, none of them `.` or `..`")
_ORIGIN = record(Origin, {"address": address(4, 6), "port": port})
_WAF_SITE = record(
    WafSite,
    {
        "host": host,
        "tenant": name,
        "mode": _mode,
        "paranoia": _paranoia,
        "exclusions": many(between(900_000, 999_999), _MOST_EXCLUSIONS),
        "lowest_mode": _mode,
        "highest_paranoia": _paranoia,
        "most_exclusions": between(0, _MOST_EXCLUSIONS),
        "origins": many(_ORIGIN, _MOST_ORIGINS),
        "health_path": _health_path,
        "response_timeout_seconds": _timeout,
    },
    later={
        "profile": one_of(frozenset(PROFILES)),
        "excluded_paths": many(_excluded_path, _MOST_PATHS),
        "excluded_networks": many(part_network, _MOST_EXCLUSIONS),
        "rate": record(Rate, {"per_second": between(1, 10_000), "burst": between(0, 10_000)}),
        "cache": record(Cache, {"size_mib": between(1, 1_024)}),
    },
)
_WEIGHT = between(1, 10_000)  # systemd's range
_MEMORY = between(16, 1_048_576)
_TENANT = record(
    TenantLimits,
    {
        "name": name,
        "plan": name,
        "cpu_weight": _WEIGHT,
        "io_weight": _WEIGHT,
        "memory_high_mib": _MEMORY,
        "memory_max_mib": _MEMORY,
        "tasks_max": between(4, 100_000),
    },
    later={"memory_low_mib": between(0, 1_048_576), "disk_mib": between(16, 1_073_741_824)},
)
_WAF = record(
    WafPolicy,
    {"sites": many(_WAF_SITE, _MOST_SITES), "edges": many(address(4, 6), _MOST_MACHINES)},
    later={"tenants": many(_TENANT, _MOST_SITES), "mesh": mesh_policy, "health": health_policy},
)
_BACKEND = record(
    Backend,
    {
        "name": machine_name,
        "cluster": name,
        "ipv4": address(4),
        "ipv6": ipv6_or_none,
    },
)
_INSTANCE = record(EdgeInstance, {"name": name, "backends": many(_BACKEND, _MOST_MACHINES)})
_EDGE_SITE = record(
    EdgeSite,
    {"host": host, "instance": name, "health_path": _health_path, "response_timeout_seconds": _timeout},
    later={"redirect": boolean, "hsts_seconds": between(0, 63_072_000)},
)
_DOOR = record(Door, {"http": port, "https": port})
_thumbprint = matching(_THUMBPRINT, "the thumbprint of a key (RFC 7638), or nothing")
_API = record(ApiMachine, {"name": machine_name, "ipv4": address(4), "ipv6": ipv6_or_none, "port": port})
api_machines = many(_API, _MOST_APIS)


_APPS: Mapping[str, Callable[[object, str], Policy]] = {
    "waf": _WAF,
    "load-balancer": record(
        LoadBalancerPolicy,
        {"instances": many(_INSTANCE, _MOST_MACHINES), "sites": many(_EDGE_SITE, _MOST_SITES)},
        later={
            "doors": many(_DOOR, _MOST_MACHINES),
            "acme": _thumbprint,
            "mesh": mesh_policy,
            "failover": failover_policy,
        },
    ),
    "lab-origin": record(LabOriginPolicy, {"hosts": many(host, _MOST_SITES)}),
    "control": record(ControlPolicy, {"callers": many(network, _MOST_CALLERS)}, later={"apis": api_machines}),
    "dns": dns_policy,
}


def parse(raw: bytes) -> Document:
    """Read one document; PolicyError names the first thing that is not as it must be."""
    if len(raw) > MAX_BYTES:
        raise PolicyError(f"document: {len(raw):,} bytes; {MAX_BYTES:,} are the most")
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise PolicyError(f"document: not JSON: {error}") from None
    if not isinstance(value, dict) or value.get("app") not in tuple(_APPS):
        raise wrong("app", value.get("app") if isinstance(value, dict) else value, f"one of {sorted(_APPS)}")
    if value.get("schema_version") != 1:
        raise wrong("schema_version", value.get("schema_version"), "1, the only one known here")
    body = {key: entry for key, entry in value.items() if key not in ("app", "schema_version")}
    policy = _APPS[value["app"]](body, value["app"])
    _check_whole(policy)
    return Document(value["app"], policy, raw)


def _check_whole(policy: Policy) -> None:
    match policy:
        case WafPolicy():
            _unique((site.host for site in policy.sites), "sites")
            _unique((tenant.name for tenant in policy.tenants), "tenants")
            for site in policy.sites:
                _check_site(site)
        case LoadBalancerPolicy():
            _check_edge(policy)
        case LabOriginPolicy():
            _unique(policy.hosts, "hosts")
        case ControlPolicy():
            _unique(map(str, policy.callers), "callers")
            _unique((api.name for api in policy.apis), "apis")
        case DnsPolicy():
            check_dns(policy)


def _check_site(site: WafSite) -> None:
    if not site.origins:
        raise PolicyError(f"sites: {site.host} has no origin")
    broken = {
        "mode": MODES.index(site.mode) < MODES.index(site.lowest_mode),
        "paranoia": site.paranoia > site.highest_paranoia,
        "exclusions": len(site.exclusions) > site.most_exclusions,
        "profile": site.profile == NONE and site.lowest_mode != MODES[0],
    }
    if beyond := [name for name, is_broken in broken.items() if is_broken]:
        raise PolicyError(f"sites: {site.host} is beyond its own ceilings: {', '.join(beyond)}")


def _check_edge(policy: LoadBalancerPolicy) -> None:
    names = [instance.name for instance in policy.instances]
    backends = [backend.name for instance in policy.instances for backend in instance.backends]
    _unique(names, "instances")
    _unique((site.host for site in policy.sites), "sites")
    _unique(backends, "backends")
    _unique((str(door.http) for door in policy.doors), "doors")
    if len(backends) > _MOST_MACHINES:
        raise PolicyError(f"backends: {len(backends):,} in all; {_MOST_MACHINES:,} are the most")
    if lost := sorted({site.instance for site in policy.sites} - set(names)):
        raise PolicyError(f"sites: instances {lost} are not in this document")


def _unique(values: Iterable[str], path: str) -> None:
    twice = sorted(value for value, count in Counter(values).items() if count > 1)
    if twice:
        raise PolicyError(f"{path}: {twice} occur more than once")
