"""Legal specs for properties, and a catalogue with more regions than operators. Importing it sets up hypothesis."""

import os
import random
import zlib
from collections import Counter
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from hdinfra.model.failover.check import check_failover
from hdinfra.model.failover.limits import load_limits
from hdinfra.model.failover.spec import AccountPlan, FailBack, FailoverSpec
from hdinfra.model.hardware.spec import HardwareSpec
from hdinfra.model.held import Held
from hdinfra.model.plan import ZonePlan
from hdinfra.model.planner import NOTHING_HELD, plan_zone
from hdinfra.model.publish import EdgePublishSpec
from hdinfra.model.regions import Catalogue, ProviderLimits, Region, load_catalogue
from hdinfra.model.spec import (
    ClusterSpec,
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
from hdinfra.model.typed import validated

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
FAIL_BACK = st.sampled_from(["automatic", "by-hand"])
_T = TypeVar("_T")


def wide_catalogue(machines_per_cluster: int = 240) -> Catalogue:
    """`r01` to `r24` of nine operators at three prices, and `far`, which is not in area `lab`."""
    regions = [
        Region(Provider.LOCAL, f"r{i:02}", f"op{i % OPERATORS}", f"City {i}", 0.01 * i, 0.0, i, 1.0 + 0.1 * (i % 3))
        for i in range(1, REGIONS + 1)
    ]
    regions.append(Region(Provider.LOCAL, "far", "far-operator", "Frankfurt", 50.1, 8.7, REGIONS + 1, country="DE"))
    shipped = load_catalogue()
    return Catalogue(
        areas=shipped.areas,
        regions={(region.provider, region.name): region for region in regions},
        sizes=shipped.sizes,
        providers={Provider.LOCAL: ProviderLimits(16384, machines_per_cluster, planned_ipv6=True)},
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


CARELESS = ("disks", "power", "leaves", "uplinks", "operators", "makers", "racks", "needs")
"""In which respects racks may be wired carelessly."""


@st.composite
def wirings(draw: st.DrawFn) -> HardwareSpec:
    """Racks in which every name leads somewhere: half keep every rule, the others are careless in one respect."""
    wiring = _Wiring(draw, draw(st.none() | st.sampled_from(CARELESS)))
    for number in range(draw(st.integers(1, 2))):
        wiring.add_site(f"site{number}")
    wiring.add_services()
    return HardwareSpec.model_validate(wiring.data)


class _Wiring:
    def __init__(self, draw: st.DrawFn, careless: str | None) -> None:
        self.draw, self.careless = draw, careless
        self.data: dict[str, Any] = {"hardware": "wired", "resolvers": ["192.0.2.53"]}
        keys = ("sites", "chains", "upss", "pdus", "routers", "switches", "servers", "spares", "shelf", "hosts")
        self.data |= {key: [] for key in keys}

    def pick(self, among: Sequence[_T], least: int = 1, most: int = 3, unique: bool = True) -> list[_T]:
        return self.draw(st.lists(st.sampled_from(among), min_size=least, max_size=most, unique=unique))

    def add_site(self, site: str) -> None:
        halls = {hall: [f"{site}-{hall}{n}" for n in range(self.draw(st.integers(1, 2)))] for hall in "ab"}
        named = [{"name": f"{site}-{hall}", "racks": racks} for hall, racks in halls.items()]
        self.data["sites"].append({"name": site, "halls": named})
        racks = [rack for hall in halls.values() for rack in hall]
        feeds = self.add_power(site, racks)
        first = self.draw(st.integers(0, len(racks) - 1))
        step = 0 if self.careless == "racks" else 1
        places = [self.stands(racks[(first + step * number) % len(racks)], feeds) for number in range(5)]
        switches = self.add_network(site, places)
        for rack in racks:
            for number in range(self.draw(st.integers(1, 2))):
                self.add_server(f"{rack}-s{number}", self.stands(rack, feeds), switches)
        self.add_server(f"{site}-spare", self.stands(racks[0], feeds), switches)
        self.data["spares"].append(f"{site}-spare")
        self.data["shelf"].append({"site": site, "model": "M1"})

    def add_power(self, site: str, racks: list[str]) -> dict[str, list[str]]:
        """Chains, and what may feed something in a rack from each."""
        feeds = {chain: [chain] for chain in (f"{site}-chain{n}" for n in range(self.draw(st.integers(2, 3))))}
        self.data["chains"] += [{"name": chain, "site": site} for chain in feeds]
        for chain in self.pick(list(feeds), least=0):
            self.data["upss"].append({"name": f"ups-{chain}", "feed": chain})
            feeds[chain].append(f"ups-{chain}")
        for number, (chain, sources) in enumerate(feeds.items()):
            strips = {rack: f"{rack}-{number}" for rack in racks}
            for rack, name in strips.items():
                self.data["pdus"].append({"name": name, "rack": rack, "feed": self.draw(st.sampled_from(sources))})
            # What is drawn is most often the first.
            feeds[chain] = [*strips.values(), *sources]
        return feeds

    def stands(self, rack: str, feeds: dict[str, list[str]]) -> dict[str, Any]:
        """What each device has: its place and its plugs."""
        plugs = [
            {"feed": self.draw(st.sampled_from(feeds[chain]))}
            for chain in self.pick(list(feeds), least=2, unique=self.careless != "power")
        ]
        return {"rack": rack, "psus": plugs, "model": "M1"}

    def add_network(self, site: str, places: list[dict[str, Any]]) -> list[str]:
        second = "acme" if self.careless == "makers" else "globex"
        makers = ["acme", second, self.draw(st.sampled_from(["acme", "initech"]))]
        few = ["op1"] if self.careless == "operators" else self.draw(st.permutations(["op1", "op2", "op3"]))
        routers, switches = ([f"{site}-{letter}{n}" for n in range(count)] for letter, count in (("r", 2), ("w", 3)))
        for number, name in enumerate(routers):
            device = {"name": name, "manufacturer": makers[number], "upstreams": few[number:] or few}
            self.data["routers"].append({**device, **places[number]})
        for name, maker, place in zip(switches, makers, places[2:], strict=True):
            others = [one["name"] for key in ("routers", "switches") for one in self.data[key]]
            uplinks = self.pick(others) + ([] if self.careless == "uplinks" else routers)
            self.data["switches"].append({"name": name, "manufacturer": maker, "uplinks": uplinks, **place})
        return switches

    def add_server(self, name: str, place: dict[str, Any], switches: list[str]) -> None:
        leaves = [*([] if self.careless == "leaves" else switches[:2]), *self.pick(switches, most=2, unique=False)]
        tag = f"02{zlib.crc32(name.encode()):08x}"
        macs = [":".join(f"{tag}{port:02x}"[at : at + 2] for at in range(0, 12, 2)) for port in range(len(leaves))]
        nics = [{"mac": mac, "switch": leaf} for mac, leaf in zip(macs, leaves, strict=True)]
        count = self.draw(st.integers(1 if self.careless == "disks" else 2, 3))
        disks = [{"serial": f"{name}-{n}", "size_mib": 16_384 + self.draw(st.integers(0, 4))} for n in range(count)]
        self.data["servers"].append({"name": name, "nics": nics, "disks": disks, "cpus": 2, **place})

    def add_services(self) -> None:
        used = [server for server in self.data["servers"] if server["name"] not in self.data["spares"]]
        gateways = {"role": "waf", "gateway4": "192.0.2.254", "gateway6": "fe80::1"}
        for n, server in enumerate(used, start=1):
            own = {"name": f"h{n}", "server": server["name"], "ipv4": f"192.0.2.{n}/24", "ipv6": f"2001:db8::{n}/64"}
            self.data["hosts"].append({**gateways, **own})
        racks = {f"h{n}": server["rack"] for n, server in enumerate(used, start=1)}
        self.data["services"] = [self.service(f"service{n}", racks) for n in range(self.draw(st.integers(1, 2)))]

    def service(self, name: str, racks: dict[str, str]) -> dict[str, Any]:
        hosts = self.pick(list(racks), least=2, most=6)
        left = len(hosts) - max(Counter(racks[host] for host in hosts).values())
        most = len(hosts) if self.careless == "needs" else max(1, left)
        needs = most - self.draw(st.integers(0, most - 1))
        listeners = [{"port": 443, "ipv4": "192.0.2.80", "ipv6": "2001:db8::80"}]
        return {"name": name, "hosts": hosts, "needs": needs, "listeners": listeners}


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


@st.composite
def monitors(draw: st.DrawFn, least: int = 1) -> dict[str, Any]:
    """Monitors whose probes do not overlap, with intervals of at least so many seconds."""
    timeout, retries = draw(st.integers(1, 10)), draw(st.integers(0, 5))
    return {
        **draw(_consecutive(most=10)),
        **_probe(timeout, retries, draw(st.integers(max(least, timeout * (retries + 1)), 120))),
    }


@st.composite
def loose_monitors(draw: st.DrawFn) -> dict[str, Any]:
    """Any, those too that only the edge that we run takes: a probe may last longer than the interval. Small numbers,
    since it is ratios that matter and each probe is played through."""
    timeout, retries = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    return {**draw(_consecutive(most=4)), **_probe(timeout, retries, draw(st.integers(1, 20)))}


@st.composite
def failovers(draw: st.DrawFn) -> FailoverSpec:
    """Legal specs of pools in order."""
    plan = draw(st.sampled_from(AccountPlan))
    data = draw(_failover_pools()) | {
        "monitor": draw(monitors(load_limits().plans[plan].minimum_interval_seconds)),
        "fail_back": draw(FAIL_BACK),
        "account_plan": plan,
    }
    spec = validated(FailoverSpec, data)
    assert not check_failover(spec)
    return spec


@st.composite
def loose_failovers(draw: st.DrawFn, back: FailBack | None = None) -> FailoverSpec:
    """Legal but for the monitor, which is any. `back`: how users go back, always so."""
    data = draw(_failover_pools()) | {"monitor": draw(loose_monitors()), "fail_back": back or draw(FAIL_BACK)}
    return validated(FailoverSpec, data)


@st.composite
def _failover_pools(draw: st.DrawFn) -> dict[str, Any]:
    sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    pools: list[dict[str, Any]] = [
        {
            "name": f"site-{index}",
            "endpoints": [{"name": f"way-{number}", "tunnel": f"t-{index}-{number}"} for number in range(size)],
            "minimum_healthy": draw(st.integers(1, size)),
            "drained": draw(st.booleans()),
        }
        for index, size in enumerate(sizes)
    ]
    draw(st.sampled_from(pools))["drained"] = False
    fallback = draw(st.sampled_from([pool["name"] for pool in pools if not pool["drained"]]))
    return {"host": "shop.acme.test", "pools": pools, "fallback": fallback}


def _probe(timeout: int, retries: int, interval: int) -> dict[str, Any]:
    return {"timeout_seconds": timeout, "retries": retries, "interval_seconds": interval}


def _consecutive(most: int) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({f"consecutive_{way}": st.integers(1, most) for way in ("down", "up")})
