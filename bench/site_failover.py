"""How soon users of a site that is cut off are served by the other one, beside the worst case that was computed."""

import random
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figure import Figure
from bench.project import Project, make_project
from bench.talk import say
from hdinfra.operate.containers import open_containers
from hdinfra.operate.site_failover import Sites, SiteSwitch, switch_once
from hdinfra.operate.status import Declared

RUNS = 20
POOLS = {
    "pools": [{"name": "first", "clusters": ["a"]}, {"name": "second", "clusters": ["b"]}],
    "fallback": "second",
    "monitor": {"interval_seconds": 1, "timeout_seconds": 1, "retries": 0},
}
_TIGHT = 1.2
"""The computed bound may be so many times the slowest that was measured: else it says little."""


@contextmanager
def two_sites() -> Iterator[Project]:
    """A zone of two Clusters that take users in order, of the benchmark's own."""
    with TemporaryDirectory(prefix="hdinfra-bench-") as folder:
        project = make_project(Path(folder), "bench-sites")
        spec = project.spec
        project.write_spec({**spec, "edge": {**spec["edge"], "failover": POOLS}})
        try:
            say("bringing a zone with two sites up")
            project.must("up")
            yield project
        finally:
            project.down()


def measure_site_failover(zone: Project, runs: int = RUNS) -> Iterable[Figure]:
    """The slowest of all runs, each cut at a moment of its own of the probes' interval."""
    sites = Sites(Declared(zone.ask("status")), open_containers())
    switches = [_run(sites, number) for number in range(runs)]
    slowest = max(switch.seconds or 1_000 for switch in switches)
    bound = switches[0].bound_seconds
    yield Figure("site-failover-slowest-switch", slowest, "s", bound)
    yield Figure("site-failover-bound", bound, "s", _TIGHT, baseline=slowest, goal_is_ratio=True)
    back = max(switch.back_seconds if switch.back_seconds is not None else 1_000 for switch in switches)
    yield Figure("site-failover-slowest-way-back", back, "s", switches[0].back_bound_seconds)


def _run(sites: Sites, number: int) -> SiteSwitch:
    time.sleep(random.random())  # noqa: S311  a moment of the interval, no secret
    switch = switch_once(sites, lambda _: None)
    say(f"cut {number + 1}: users moved after {switch.seconds} s, and were back after {switch.back_seconds} s")
    return switch
