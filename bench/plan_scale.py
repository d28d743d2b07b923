"""Time and memory of one plan of 1,000 Instances in 20 Clusters, beside building as many plain frozen dataclasses.

Prints a JSON list of figures. The clock is that of the processor, so that busy neighbours do not count.
"""

import json
import sys
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hdinfra.model.plan import ZonePlan
from hdinfra.model.planner import plan_zone
from hdinfra.model.regions import Catalogue, ProviderLimits, Region, load_catalogue
from hdinfra.model.spec import ClusterSpec, InstanceSpec, OriginSpec, Provider, SiteSpec, TenantSpec, ZoneSpec

CLUSTERS = 20


@dataclass(frozen=True)
class Plain:
    """What a Machine costs that nobody planned."""

    name: str
    place: str
    role: str
    region: str
    operator: str
    number: int


def wide() -> Catalogue:
    """Twenty regions, each of its own operator."""
    regions = [Region(Provider.LOCAL, f"r{i}", f"op{i}", f"City {i}", 0.0, 0.0, i) for i in range(1, CLUSTERS + 1)]
    shipped = load_catalogue()
    return Catalogue(
        areas=shipped.areas,
        regions={(region.provider, region.name): region for region in regions},
        sizes=shipped.sizes,
        providers={Provider.LOCAL: ProviderLimits(16384, 240)},
    )


def wide_zone(instances: int) -> ZoneSpec:
    """Instances that leave the choice to the planner, each with a tenant and a site."""
    clusters = tuple(
        ClusterSpec(name=f"c{i}-site", provider=Provider.LOCAL, region=f"r{i}") for i in range(1, CLUSTERS + 1)
    )
    origin = OriginSpec.model_validate({"address": "192.0.2.10"})
    return ZoneSpec(
        zone="wide",
        area="lab",
        clusters=clusters,
        instances=tuple(
            InstanceSpec(
                name=f"i{i}",
                capacity=1 + i % 2,
                tenants=(TenantSpec(name="t", sites=(SiteSpec(host=f"w.i{i}.test", origins=(origin,)),)),),
            )
            for i in range(instances)
        ),
    )


def plain(number: int) -> list[Plain]:
    """The baseline: as many objects, nothing decided."""
    return [Plain(f"c{i % 20}-i{i}-1", f"c{i % 20}", "waf", f"r{i % 20}", f"op{i % 20}", i) for i in range(number)]


def seconds(work: Callable[[], object], times: int = 3) -> float:
    """Processor time of the quickest of some runs."""
    taken: list[float] = []
    for _ in range(times):
        begin = time.process_time()
        work()
        taken.append(time.process_time() - begin)
    return min(taken)


def peak_mib(work: Callable[[], object]) -> float:
    """The most memory that Python holds for this at a time."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def figure(name: str, value: float, unit: str, baseline: float, goal: float) -> dict[str, str | float]:
    """One row of docs/benchmarks.json."""
    return {
        "name": name,
        "value": round(value, 4),
        "unit": unit,
        "baseline": round(baseline, 4),
        "ratio": round(value / baseline, 1) if baseline else 0.0,
        "goal": goal,
    }


def figures(instances: int) -> list[dict[str, str | float]]:
    """Both figures of that many Instances."""
    spec, catalogue = wide_zone(instances), wide()

    def plan() -> ZonePlan:
        return plan_zone(spec, catalogue=catalogue)

    machines = len(plan().machines)
    return [
        figure("plan-seconds", seconds(plan), "s", seconds(lambda: plain(machines)), 1.0),
        figure("plan-memory", peak_mib(plan), "MiB", peak_mib(lambda: plain(machines)), 200.0),
    ]


if __name__ == "__main__":
    print(json.dumps(figures(1000), indent=2))
