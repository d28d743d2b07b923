"""How soon users of a site that is cut off are elsewhere: what edges say, and the bound that it is held against."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from hdinfra.model.failover.edge import EDGE_SECONDS, EdgeFailoverSpec, worst_case_of_edge
from hdinfra.operate import site_failover
from hdinfra.operate.containers import Containers
from hdinfra.operate.errors import NotServingError
from hdinfra.operate.site_failover import Sites, switch_once
from hdinfra.operate.status import Declared
from tests.model.test_cli_faults import StandInContainers, StandInMachine

CUT_AT = 1_700_000_000.25
"""What the stand-in's clock says when it is cut."""
FAILOVER = {
    "pools": [{"name": "first", "clusters": ["a"]}, {"name": "second", "clusters": ["b"]}],
    "fallback": "second",
    "monitor": {"interval_seconds": 1, "timeout_seconds": 1, "retries": 0},
}


def known(failover: Mapping[str, Any] | None = FAILOVER) -> Declared:
    """Two Clusters and two edges."""
    clusters = [{"name": name, "machines": [{"container": f"hd-{name}"}]} for name in "ab"]
    machines = [{"container": "east"}, {"container": "west"}]
    apis = [{"name": "a-control-1", "container": "hd-a-control"}]
    return Declared(
        {"clusters": clusters, "edge": {"machines": machines, "failover": failover}, "control": apis, "sites": []}
    )


@dataclass
class Edges(StandInContainers):
    """Edges that switch so many seconds after the cut, each by its name; None: never."""

    after: Mapping[str, float | None] = field(default_factory=dict)
    machine_up: bool = True
    was_cut: bool = False

    def hdctl_status(self, name: str) -> Mapping[str, Any]:
        cut = bool(self.machines["hd-a"].tables)
        after = self.after[name]
        switches = []
        if after is not None and (cut or self.was_cut):
            self.was_cut = True
            switches.append({"at": CUT_AT + after, "instance": "web", "from": "first", "to": "second"})
        if self.was_cut and not cut:
            switches.append({"at": time.time(), "instance": "web", "from": "second", "to": "first"})
        moved = bool(switches) and switches[-1]["to"] == "second"
        machines = [{"machine": "a-web-1", "up": self.machine_up}]
        return {
            "failover": {
                "chosen": {"web": "second" if moved else "first"},
                "machines": machines,
                "switches": switches,
            }
        }


def sites(*, failover: Mapping[str, Any] | None = FAILOVER, up: bool = True, **after: float | None) -> Sites:
    """A zone of stand-ins."""
    machines = {name: StandInMachine(name) for name in ("hd-a", "hd-b", "hd-a-control")}
    return Sites(known(failover), cast(Containers, Edges(machines, after, up)))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_failover, "_LATE_SECONDS", 0.2)
    monkeypatch.setattr(site_failover, "_WELL_SECONDS", 0.2)


def test_the_slowest_edge_counts_and_is_held_against_the_worst_case() -> None:
    zone = sites(east=0.7, west=1.9)
    found = switch_once(zone, lambda _: None)
    assert (found.pool, found.other, found.seconds, found.bound_seconds) == ("first", "second", 1.9, 2 + EDGE_SECONDS)
    assert found.kept and found.back_seconds is not None and found.back_seconds < 1
    assert all(machine.is_well for machine in zone.containers.machines.values())  # type: ignore[attr-defined]


def test_a_switch_after_the_worst_case_breaks_it() -> None:
    assert not switch_once(sites(east=0.7, west=2.11), lambda _: None).kept


def test_an_edge_that_never_switches_is_no_success() -> None:
    found = switch_once(sites(east=0.7, west=None), lambda _: None)
    assert (found.seconds, found.other, found.kept) == (None, None, False)


def test_where_nothing_could_be_proven_nothing_is_cut() -> None:
    with pytest.raises(NotServingError, match="prove nothing"):
        switch_once(sites(up=False, east=1, west=1), lambda _: None)
    with pytest.raises(NotServingError, match="no pools in order"):
        switch_once(sites(failover=None, east=1, west=1), lambda _: None)


@pytest.mark.parametrize(("retries", "down", "seconds"), [(0, 1, 2.1), (1, 1, 3.1), (1, 3, 5.1)])
def test_the_bound_is_e10s_formula_and_the_edges_own_time(retries: int, down: int, seconds: float) -> None:
    monitor = {**FAILOVER["monitor"], "retries": retries, "consecutive_down": down}  # type: ignore[dict-item]
    spec = EdgeFailoverSpec.model_validate({**FAILOVER, "monitor": monitor})
    assert worst_case_of_edge(spec).recover_seconds == pytest.approx(seconds)
