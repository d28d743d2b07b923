"""Where data centres are and what they offer: tables with sources, read once, and handed to the planner."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from hdinfra.model.addressing import LAST_SLOT
from hdinfra.model.plan import Size
from hdinfra.model.spec import Provider

LAST_WAN_SLOT = 255
"""The wan is a /16 and gives each region 256 addresses."""


@dataclass(frozen=True, slots=True)
class Area:
    """Where on earth a Zone may have data centres: a rectangle in degrees."""

    name: str
    south: float
    north: float
    west: float
    east: float
    source: str

    def contains(self, region: "Region") -> bool:
        """Whether that region's city lies in the rectangle."""
        return self.south <= region.latitude <= self.north and self.west <= region.longitude <= self.east


@dataclass(frozen=True, slots=True)
class Region:
    """One provider's one data centre. `slot` fixes its addresses, `price_factor` is relative to its provider."""

    provider: Provider
    name: str
    operator: str
    city: str
    latitude: float
    longitude: float
    slot: int
    price_factor: float = 1.0


@dataclass(frozen=True, slots=True)
class ProviderLimits:
    """What a provider takes at most: bytes of user data (after gzip) and Machines in one Cluster."""

    user_data_limit_bytes: int
    machines_per_cluster: int


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


def _package_table(name: str) -> dict[str, Any]:
    return tomllib.loads(files("hdinfra.model").joinpath(name).read_text(encoding="utf-8"))


def _region(row: dict[str, Any]) -> Region:
    return Region(**{**row, "provider": Provider(row["provider"])})


def _sizes(rows: list[dict[str, Any]]) -> dict[Provider, tuple[Size, ...]]:
    by_provider: dict[Provider, tuple[Size, ...]] = {}
    for row in rows:
        provider = Provider(row.pop("provider"))
        by_provider[provider] = (*by_provider.get(provider, ()), Size(**row))
    return by_provider


@cache
def load_catalogue() -> Catalogue:
    """The tables that the package ships."""
    places, sizes = _package_table("regions.toml"), _package_table("sizes.toml")
    regions = [_region(row) for row in places["region"]]
    return Catalogue(
        areas={name: Area(name=name, **row) for name, row in places["areas"].items()},
        regions={(region.provider, region.name): region for region in regions},
        sizes=_sizes(sizes["size"]),
        providers={Provider(name): ProviderLimits(**row) for name, row in places["providers"].items()},
    )
