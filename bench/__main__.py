"""`python -m bench [--only NAME] [--pairs N]`: measure, print, and keep in docs/benchmarks.json and .md."""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import (
    azure_aliases,
    cloud_scale,
    clouds,
    cluster_loss,
    dns_answers,
    footprint,
    licence,
    mesh,
    neighbour,
    plan_scale,
    policy_path,
    site_failover,
    tenants,
    warm_up,
    watch,
)
from bench.figure import Figure, write
from bench.project import CHECKOUT, Project, make_project
from bench.talk import say

Measure = Callable[[int], Iterable[Figure]]


@contextmanager
def zone() -> Iterator[Project]:
    """A zone of the benchmark's own, taken down afterwards."""
    with TemporaryDirectory(prefix="hdinfra-bench-") as folder:
        project = make_project(Path(folder), "bench")
        try:
            say("bringing a zone up")
            project.must("up")
            yield project
        finally:
            project.down()


def drills(_: int) -> Iterable[Figure]:
    """Drills run once: their base is thousands of requests."""
    with zone() as project:
        yield from cluster_loss.measure_drills(project)


def memory(_: int) -> Iterable[Figure]:
    """All machines of a zone that serves."""
    with zone() as project:
        yield from cluster_loss.measure_memory(project)


def warm(pairs: int) -> Iterable[Figure]:
    """The first `up`, which fills the caches, is not measured."""
    with zone() as project:
        yield from warm_up.measure_warm(project, pairs)


def no_change(pairs: int) -> Iterable[Figure]:
    """Nothing to do, and how long it takes to find that out."""
    with zone() as project:
        yield from warm_up.measure_no_change(project, pairs)


def plans(_: int) -> Iterable[Figure]:
    """A thousand Instances in twenty Clusters."""
    for row in plan_scale.figures(1000):
        value, baseline, goal = (float(row[key]) for key in ("value", "baseline", "goal"))
        yield Figure(str(row["name"]), value, str(row["unit"]), goal, baseline)


def policy(_: int) -> Iterable[Figure]:
    """Twenty changes of which the median counts, and fifty under load."""
    with policy_path.six_machines() as project:
        yield from policy_path.measure_policy_path(project)


def agents(_: int) -> Iterable[Figure]:
    """Memory of hdsync and of an API machine, and its CPU under a hundred machines."""
    with zone() as project:
        yield from footprint.measure_footprint(project)
        yield from footprint.measure_polling(project)


def many_tenants(_: int) -> Iterable[Figure]:
    """Two hundred on one machine."""
    yield from tenants.measure_tenants()


def neighbours(pairs: int) -> Iterable[Figure]:
    """In one guest of its own; fewer than five pairs would say little of a hundredth of the answers."""
    return neighbour.measure_neighbour(max(pairs, neighbour.FEWEST_PAIRS))


def licences(_: int) -> Iterable[Figure]:
    """A thousand times, of which the median counts."""
    return licence.measure_licence()


def on_clouds(pairs: int) -> Iterable[Figure]:
    """Three hundred resources each, with stand-ins for the providers."""
    return clouds.measure_clouds(pairs)


def aliases(pairs: int) -> Iterable[Figure]:
    """Of Azure's SDK."""
    return azure_aliases.measure_azure_aliases(max(pairs, clouds.FEWEST_PAIRS))


def plan_linear(pairs: int) -> Iterable[Figure]:
    """A hundred Machines and three thousand."""
    return cloud_scale.measure_plan_linear(max(pairs, clouds.FEWEST_PAIRS))


def imports(pairs: int) -> Iterable[Figure]:
    """Of each cloud."""
    return cloud_scale.measure_imports(max(pairs, clouds.FEWEST_PAIRS))


def in_mesh(pairs: int) -> Iterable[Figure]:
    """Between two machines of one zone."""
    with mesh.meshed() as project:
        yield from mesh.measure_mesh(project, pairs)


def sites(_: int) -> Iterable[Figure]:
    """Twenty cuts, of which the slowest counts."""
    with site_failover.two_sites() as project:
        yield from site_failover.measure_site_failover(project)


def watcher(_: int) -> Iterable[Figure]:
    """Of a Zone of twenty Clusters, for a minute."""
    return watch.measure_watch()


def answers(_: int) -> Iterable[Figure]:
    """Five times each, of which the median counts."""
    with dns_answers.answering() as project:
        yield from dns_answers.measure_answers(project)


MEASURES: Mapping[str, Measure] = {
    "plan-scale": plans,
    "licence": licences,
    "memory": memory,
    "cluster-loss": drills,
    "no-change": no_change,
    "policy-path": policy,
    "agents": agents,
    "mesh": in_mesh,
    "site-failover": sites,
    "dns-answers": answers,
    "tenants": many_tenants,
    "neighbour-p99": neighbours,
    "plan-linear": plan_linear,
    "imports": imports,
    "azure-aliases": aliases,
    "clouds": on_clouds,
    "warm-up": warm,
    "watch": watcher,
}


def main() -> int:
    """Exit 1 when a goal is not reached."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=sorted(MEASURES), help="measure this one; repeatable")
    parser.add_argument("--pairs", type=int, default=3, help="pairs of which the median counts (default 3)")
    options = parser.parse_args()
    reached = True
    for name in options.only or MEASURES:
        say(f"measuring {name}")
        figures = list(MEASURES[name](options.pairs))
        write(figures, CHECKOUT / "docs", datetime.now(UTC).date())
        for figure in figures:
            print(f"{figure.name}: {figure.as_json()}")
        reached = reached and all(figure.reached for figure in figures)
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
