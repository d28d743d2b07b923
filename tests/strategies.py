"""Legal specs for properties, and a catalogue with more regions than operators. Importing it sets up hypothesis."""

import os
import random
from ipaddress import IPv4Network, IPv6Network
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from hdinfra.model.held import Held
from hdinfra.model.plan import ZonePlan
from hdinfra.model.planner import NOTHING_HELD, plan_zone
from hdinfra.model.regions import Catalogue, ProviderLimits, Region, load_catalogue
from hdinfra.model.spec import (
    ClusterSpec,
    EdgePublishSpec,
    EdgeSpec,
    InstanceSpec,
    LabOriginSpec,
    LabSpec,
    PlaceSpec,
    Profile,
    Provider,
    SiteSpec,
    TenantSpec,
    ZoneSpec,
)

settings.register_profile(
    "hdinfra",
    deadline=None,  # shared machines are slow at times; the suites have limits of their own
    derandomize="CI" in os.environ,
    database=None,
    max_examples=int(os.environ.get("HDINFRA_EXAMPLES", "60")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("hdinfra")

REGIONS = 24
OPERATORS = 9
_T = TypeVar("_T")


def wide_catalogue(machines_per_cluster: int = 240) -> Catalogue:
    """`r01` to `r24` of nine operators at three prices, and `far`, which is not in area `lab`."""
    regions = [
        Region(Provider.LOCAL, f"r{i:02}", f"op{i % OPERATORS}", f"City {i}", 0.01 * i, 0.0, i, 1.0 + 0.1 * (i % 3))
        for i in range(1, REGIONS + 1)
    ]
    regions.append(Region(Provider.LOCAL, "far", "far-operator", "Frankfurt", 50.1, 8.7, REGIONS + 1))
    shipped = load_catalogue()
    return Catalogue(
        areas=shipped.areas,
        regions={(region.provider, region.name): region for region in regions},
        sizes=shipped.sizes,
        providers={Provider.LOCAL: ProviderLimits(16384, machines_per_cluster)},
    )


WIDE = wide_catalogue()


def planned(spec: ZoneSpec, held: Held = NOTHING_HELD) -> ZonePlan:
    """The plan over the wide catalogue; a refusal fails the test."""
    return plan_zone(spec, held, WIDE)


def cluster(number: int) -> ClusterSpec:
    """`c01` in `r01`, and so on."""
    return ClusterSpec(name=f"c{number:02}", provider=Provider.LOCAL, region=f"r{number:02}")


def operators(numbers: set[int] | list[int]) -> int:
    """How many operators these regions belong to."""
    return len({number % OPERATORS for number in numbers})


@st.composite
def cluster_numbers(draw: st.DrawFn, among: tuple[int, ...] = tuple(range(1, REGIONS + 1))) -> tuple[int, ...]:
    """Clusters of at least two operators."""
    found = draw(
        st.lists(st.sampled_from(among), min_size=2, max_size=10, unique=True).filter(lambda n: operators(n) >= 2)
    )
    return tuple(found)


_SEGMENT = st.from_regex(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,12}", fullmatch=True)
_PATHS = st.lists(_SEGMENT, min_size=1, max_size=4).map(lambda segments: "/" + "/".join(segments))
_NETWORKS = st.ip_addresses(v=4).flatmap(
    lambda address: st.integers(8, 32).map(lambda length: f"{IPv4Network((int(address), length), strict=False)}")
) | st.ip_addresses(v=6).flatmap(
    lambda address: st.integers(32, 128).map(lambda length: f"{IPv6Network((int(address), length), strict=False)}")
)
_SPECIAL = st.fixed_dictionaries(
    {},
    optional={
        "profile": st.sampled_from(list(Profile)),
        "excluded_paths": st.lists(_PATHS, max_size=3),
        "excluded_networks": st.lists(_NETWORKS, max_size=3),
        "rate": st.fixed_dictionaries({"per_second": st.integers(1, 10_000), "burst": st.integers(0, 10_000)}),
        "cache": st.fixed_dictionaries({"size_mib": st.integers(1, 1_024)}),
        "https": st.fixed_dictionaries({"redirect": st.booleans(), "hsts_seconds": st.integers(0, 63_072_000)}),
    },
)
"""What a site may have beyond its mode."""


def _sites(draw: st.DrawFn, host: str, lab: list[str]) -> tuple[SiteSpec, ...]:
    origins = [{"address": "192.0.2.1"}, *({"lab": name} for name in lab)]
    return tuple(
        SiteSpec.model_validate({"host": f"w{i}.{host}.test", "origins": origins, **draw(_SPECIAL)})
        for i in range(draw(st.integers(0, 2)))
    )


@st.composite
def instances(draw: st.DrawFn, name: str, among: tuple[int, ...], lab: list[str]) -> InstanceSpec:
    """An Instance whose Clusters are chosen by the user, or left to the planner."""
    chosen = draw(st.none() | cluster_numbers(among))
    tenants = draw(st.integers(0, 3))
    return InstanceSpec(
        name=name,
        tenancy="dedicated" if tenants == 1 and draw(st.booleans()) else "shared",
        capacity=draw(st.integers(1, 12)),
        clusters=None if chosen is None else tuple(f"c{number:02}" for number in chosen),
        memory_mib=draw(st.sampled_from([256, 300, 512, 3000])),
        tenants=tuple(TenantSpec(name=f"t{i}", sites=_sites(draw, f"t{i}.{name}", lab)) for i in range(tenants)),
    )


def _edge(numbers: tuple[int, ...]) -> EdgeSpec:
    places = (
        PlaceSpec(name=f"edge{n}", provider=Provider.LOCAL, region=f"r{n:02}", publish=EdgePublishSpec(port=8000 + n))
        for n in numbers
    )
    return EdgeSpec(places=tuple(places))


@st.composite
def zones(draw: st.DrawFn) -> ZoneSpec:
    """A legal spec over the wide catalogue."""
    numbers = draw(cluster_numbers())
    lab = [f"lab{i}" for i in range(draw(st.integers(0, 2)))]
    names = draw(st.lists(st.sampled_from(["shop", "blog", "pay", "img", "api"]), max_size=4, unique=True))
    places = draw(st.none() | cluster_numbers())
    return ZoneSpec(
        zone=draw(st.sampled_from(["local", "zone-a", "zone-b"])),
        area="lab",
        clusters=tuple(cluster(number) for number in numbers),
        instances=tuple(draw(instances(name, numbers, lab)) for name in names),
        edge=_edge(places) if places else None,
        lab=LabSpec(origins=tuple(LabOriginSpec(name=name, region="r01") for name in lab)),
    )


def _shuffled(items: tuple[_T, ...], dice: random.Random) -> tuple[_T, ...]:
    return tuple(dice.sample(items, len(items)))


def shuffled(spec: ZoneSpec, seed: int) -> ZoneSpec:
    """The same Zone with everything declared in another order."""
    return ZoneSpec.model_validate(_shuffled_value(spec.model_dump(), random.Random(seed)))


def _shuffled_value(value: Any, dice: random.Random) -> Any:
    if isinstance(value, dict):
        return {key: _shuffled_value(inner, dice) for key, inner in _shuffled(tuple(value.items()), dice)}
    if isinstance(value, tuple):
        return _shuffled(tuple(_shuffled_value(inner, dice) for inner in value), dice)
    return value
