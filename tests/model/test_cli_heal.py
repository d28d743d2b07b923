"""`hdinfra heal` and `restore` without an engine: what is left alone, what stops them, and what they say."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hdinfra.model.healing.memory import Alarm, Look, Nothing, Withdraw
from hdinfra.model.healing.spec import HealingBudget
from hdinfra.operate.apart import excluding, urns_of
from hdinfra.operate.cli import run
from hdinfra.operate.engine import Deployed
from hdinfra.operate.errors import HealError
from hdinfra.operate.heal import Obstacle, Watched
from hdinfra.operate.healing_plan import Change, standing_of
from hdinfra.operate.progress import Progress
from hdinfra.operate.restore import all_see
from hdinfra.operate.watch import judged_now
from hdinfra.operate.watch_eyes import Facts
from hdinfra.operate.watcher import told_of
from hdinfra.operate.workspace import Workspace
from tests.model.healing_looks import A_LOST, ALL_UP, CLUSTERS, look_of

BEGIN = "urn:pulumi:s::p::hdinfra:index:Zone$"


def deployed(*names: str) -> Deployed:
    """A state with these resources; what ends with `-provider` is one."""
    resources = [
        {
            "urn": f"{BEGIN}x::{name}",
            "type": "pulumi:providers:hdlocal" if name.endswith("-provider") else "hdlocal:index:Machine",
        }
        for name in names
    ]
    return Deployed({"deployment": {"resources": resources}})


def test_a_cluster_whose_name_begins_another_one_takes_nothing_of_it_along() -> None:
    state = deployed(
        "a-provider", "a-web-1", "a", "a-b-provider", "a-b-web-1", "a-b", "control-provider", "edge-policy"
    )
    assert [urn.rpartition("::")[2] for urn in urns_of(state, {"a"})] == ["a", "a-provider", "a-web-1"]
    assert [urn.rpartition("::")[2] for urn in urns_of(state, {"a-b"})] == ["a-b", "a-b-provider", "a-b-web-1"]
    assert urns_of(state, ()) == ()
    assert list(excluding(["x", "y"])) == ["--exclude", "x", "--exclude", "y"]


def event(kind: str, name: str, op: str = "create") -> Mapping[str, Any]:
    return {kind: {"metadata": {"urn": f"{BEGIN}x::{name}", "op": op, "type": "pulumi:providers:x"}}}


def test_who_made_nothing_new_is_told_from_who_could_not_be_asked() -> None:
    watched = Watched(Progress(Console(quiet=True)))
    for one in (
        event("resourcePreEvent", "c-web-1"),
        event("resOpFailedEvent", "c-web-1"),
        event("resourcePreEvent", "b-web-1"),
        event("resOutputsEvent", "b-web-1"),
        {"diagnosticEvent": {"severity": "error", "urn": f"{BEGIN}x::d-provider", "message": "expired"}},
        event("resourcePreEvent", "e-web-1"),
        event("resOpFailedEvent", "edge-policy", "update"),
    ):
        watched.event(one)
    grounds = {"b", "c", "d", "e"}
    assert watched.obstacle(grounds, ran_out=False) == Obstacle(frozenset({"c", "d"}), frozenset({"d"}))
    assert watched.obstacle(grounds, ran_out=True).full == {"c", "d", "e"}, "what takes too long counts as refused"


def test_a_stack_that_does_not_say_what_it_was_made_from_is_not_healed(tmp_path: Path) -> None:
    with pytest.raises(HealError, match="does not say what it was made from") as error:
        standing_of(deployed("a-provider"), Workspace(tmp_path, "india", {}))
    assert error.value.retry == "hdinfra up --stack india"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (Change(("c-web-1", "c-web-2"), (), 10.0), "2 new machines, of 1 allowed"),
        (Change(("c-web-1",), (), 10.01), "10.01 € more a month, of 10.00 € allowed"),
    ],
)
def test_a_budget_says_what_is_over_it(change: Change, told: str) -> None:
    budget = HealingBudget(machines=1, monthly_euro=10)
    Change(("c-web-1",), (), 10.0).within(budget)
    with pytest.raises(HealError, match=told):
        change.within(budget)


def row(name: str, cluster: str, role: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "cluster": cluster,
        "role": role,
        "seen_seconds": 1.0,
        "clusters": {},
        "serving": True,
        **more,
    }


def by_name(*rows: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in rows}


def test_a_cluster_is_well_when_every_edge_sees_all_of_it() -> None:
    well = {"a": {"up": 2, "all": 2}}
    east = row("east-edge", "east", "load-balancer", clusters=well)
    west = row("west-edge", "west", "load-balancer", clusters={"a": {"up": 1, "all": 2}})
    assert all_see(by_name(east, {**west, "clusters": well}), "a")
    assert not all_see(by_name(east, west), "a")
    assert not all_see(by_name(east, {**west, "clusters": {}}), "a"), "an edge that does not know it yet"
    assert all_see(by_name(east, {**west, "seen_seconds": 60.0}), "a"), "who is silent is not waited for"
    assert not all_see(by_name({**east, "seen_seconds": None}), "a")


def test_without_an_edge_its_own_machines_are_believed() -> None:
    web, api = row("a-web-1", "a", "waf"), row("a-control-1", "a", "control")
    assert all_see(by_name(web, api), "a")
    assert not all_see(by_name({**web, "serving": False}, api), "a")
    assert not all_see(by_name(api), "a")


class Played:
    """Sees the same whenever it looks."""

    def __init__(self, look: Look) -> None:
        self.seen = look

    @property
    def facts(self) -> Facts:
        return Facts("played", CLUSTERS, (), {"settle_seconds": 0.2}, (), "", "")

    def look(self) -> Look:
        return self.seen

    def forget(self) -> None:
        """Nothing is known for longer than a look."""


def test_what_is_seen_now_is_judged_as_a_watcher_would() -> None:
    found = judged_now(Played(look_of(A_LOST)), interval_seconds=0.1)
    assert isinstance(found, Withdraw) and found.cluster == "a"
    assert told_of(found).startswith("a: east-edge sees `a` down")
    assert judged_now(Played(look_of(ALL_UP))) == Nothing("every Cluster that is seen is well")
    dark = judged_now(Played(look_of({"a": False, "b": False})), interval_seconds=0.1)
    assert isinstance(dark, Alarm) and dark.code == "half-lost"


@pytest.mark.parametrize("verb", [["heal", "--cluster", "a"], ["restore", "a"], ["heal"], ["watch", "--forgive", "a"]])
def test_outside_a_project_they_say_so(
    verb: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(verb) == 1
    assert "No Pulumi.yaml" in capsys.readouterr().err


def test_forgiving_is_left_for_whoever_watches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: p\n")
    assert run(["watch", "--forgive", "a", "--directory", str(tmp_path)]) == 0
    assert "begins anew" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / ".state/watch/local.forgive").iterdir()] == ["a"]
