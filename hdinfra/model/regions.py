"""Where data centres are and what they offer: tables with sources, read once, and handed to the planner."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from ipaddress import IPv4Network, IPv6Network, ip_network
from types import MappingProxyType
from typing import Any, Literal

from hdinfra.model.addressing import LAST_SLOT
from hdinfra.model.plan import Size
from hdinfra.model.spec import ClusterSpec, Feature, Provider, ZoneSpec

LAST_WAN_SLOT = 239
"""The wan is a /16 and gives each region 256 addresses."""

Encoding = Literal["plain", "gzip", "gzip-base64"]
"""How a provider takes user data, and counts it: as text, compressed before base64, or compressed after base64."""


@dataclass(frozen=True, slots=True)
class Area:
    """Where on earth a Zone may have data centres: `countries` by ISO 3166's codes; none named means all of them."""

    name: str
    source: str
    countries: frozenset[str] = frozenset()

    def contains(self, region: "Region") -> bool:
        """Whether that region's country is one of the area's."""
        return not self.countries or region.country in self.countries


@dataclass(frozen=True, slots=True)
class Region:
    """One provider's one data centre. `slot` fixes its addresses, `price_factor` is relative to its provider's sizes,
    `zones` are its availability zones, `country` is ISO 3166's code of two letters."""

    provider: Provider
    name: str
    operator: str
    city: str
    latitude: float
    longitude: float
    slot: int
    price_factor: float = 1.0
    zones: tuple[str, ...] = ()
    country: str = "XX"


@dataclass(frozen=True, slots=True)
class BalancerTraits:
    """What a provider's load balancer is like.

    `client_address`: how Machines learn it, by a PROXY `header` or as it is `kept` in the packets. `health_header`:
    whether health checks are known to begin with that header too. `networks`: from where it connects; none means the
    place's own network. `price_per_hour` in euro, where the price factor is 1.
    """

    client_address: Literal["header", "kept"]
    price_per_hour: float
    health_header: bool = False
    networks: tuple[IPv4Network | IPv6Network, ...] = ()


@dataclass(frozen=True, slots=True)
class ProviderLimits:
    """What a provider takes at most: bytes of user data as encoded for it, Machines in one Cluster, and addresses of
    one family that a firewall rule may name. `lacks`: what it does not have, with why. `snapshots_kept`: by `day` and
    `week` how many copies it keeps where it does not ask. `balancer`: None for one that has none. `mtu`: the largest
    packet, in bytes, that goes whole between its machines and the Internet. `planned_ipv6`: whether its networks
    have the plan's IPv6 prefixes; elsewhere the provider chooses them, or has none."""

    user_data_bytes: int
    machines_per_cluster: int
    user_data_encoding: Encoding = "gzip"
    firewall_sources: int = 1_000_000
    mtu: int = 1500
    planned_ipv6: bool = False
    snapshots_kept: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    lacks: Mapping[Feature, str] = field(default_factory=lambda: MappingProxyType({}))
    balancer: BalancerTraits | None = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All tables together. ValueError when regions share a slot, or a local region's slot has no place in the wan."""

    areas: Mapping[str, Area]
    regions: Mapping[tuple[Provider, str], Region]
    sizes: Mapping[Provider, tuple[Size, ...]]
    providers: Mapping[Provider, ProviderLimits]

    def __post_init__(self) -> None:
        slots = [region.slot for region in self.regions.values()]
        if len(slots) != len(set(slots)) or not all(1 <= slot <= LAST_SLOT for slot in slots):
            raise ValueError(f"every region needs a slot of its own, 1 to {LAST_SLOT}")
        if any(r.slot > LAST_WAN_SLOT for r in self.regions.values() if r.provider is Provider.LOCAL):
            raise ValueError(f"a region of the local cloud needs a slot up to {LAST_WAN_SLOT}")

    def region(self, provider: Provider, name: str) -> Region | None:
        """That provider's region, or None if it has none of that name."""
        return self.regions.get((provider, name))

    def region_names(self, provider: Provider) -> list[str]:
        """Names of that provider's regions, sorted."""
        return sorted(name for owner, name in self.regions if owner is provider)

    def sizes_in(self, provider: Provider, region: str, arch: str) -> tuple[Size, ...]:
        """What is sold there for these programs; `native` runs any."""
        return tuple(
            size
            for size in self.sizes.get(provider, ())
            if size.arch in (arch, "native") and (size.regions is None or region in size.regions)
        )

    def lacks(self, provider: Provider, feature: Feature) -> str | None:
        """Why the provider does not have it; None where it has."""
        return self.providers[provider].lacks.get(feature)


@cache
def _table(name: str) -> dict[str, Any]:
    return tomllib.loads(files("hdinfra.model").joinpath(name).read_text(encoding="utf-8"))


def _area(name: str, row: dict[str, Any]) -> Area:
    return Area(name, row["source"], frozenset(row.get("countries", ())))


def _region(provider: Provider, row: dict[str, Any]) -> Region:
    return Region(provider=provider, **{**row, "zones": tuple(row.get("zones", ()))})


def _size(row: dict[str, Any], euro: float) -> Size:
    sold = tuple(row["regions"]) if "regions" in row else None
    return Size(**{**row, "price_per_hour": row["price_per_hour"] * euro, "regions": sold})


def _limits(table: dict[str, Any]) -> ProviderLimits:
    lacks = {Feature(name): why for name, why in table["lacks"].items()}
    balancer = _balancer(table["balancer"], table["euro"]) if "balancer" in table else None
    return ProviderLimits(**table["limits"], lacks=MappingProxyType(lacks), balancer=balancer)


def _balancer(row: dict[str, Any], euro: float) -> BalancerTraits:
    networks = tuple(ip_network(network) for network in row.get("networks", ()))
    return BalancerTraits(**{**row, "price_per_hour": row["price_per_hour"] * euro, "networks": networks})


@cache
def load_catalogue(providers: frozenset[Provider] = frozenset(Provider)) -> Catalogue:
    """The tables that the package ships: one file a provider, and the areas. Reading those of a large cloud takes a
    third of a second, so whoever plans names the `providers` in use."""
    tables = {provider: _table(f"providers/{provider}.toml") for provider in sorted(providers)}
    regions = [_region(provider, row) for provider, table in tables.items() for row in table["region"]]
    return Catalogue(
        areas={name: _area(name, row) for name, row in _table("areas.toml")["areas"].items()},
        regions={(region.provider, region.name): region for region in regions},
        sizes={
            provider: tuple(_size(row, table["euro"]) for row in table["size"]) for provider, table in tables.items()
        },
        providers={provider: _limits(table) for provider, table in tables.items()},
    )


def catalogue_of(spec: ZoneSpec) -> Catalogue:
    """The tables of the providers that the spec names, and of the local cloud, where lab machines stand."""
    named = {cluster.provider for cluster in spec.clusters}
    named |= {place.provider for place in (spec.edge.places if spec.edge else ())}
    named |= {provider for instance in spec.instances for provider in instance.sizes}
    return load_catalogue(frozenset({*named, Provider.LOCAL}))


def limits_of_provider(provider: Provider) -> ProviderLimits:
    """One provider's limits."""
    return load_catalogue(frozenset({provider})).providers[provider]


def zones_of(cluster: ClusterSpec, region: Region) -> tuple[str, ...]:
    """The Cluster's availability zones; none where the provider has none."""
    return cluster.zones or region.zones[:2]
