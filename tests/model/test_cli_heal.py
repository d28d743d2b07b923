"""`hdinfra heal` and `restore` without an engine: what is left alone, what stops them, and what they say."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from hdinfra.model.healing.memory import Alarm, Look, Nothing, Withdraw
from hdinfra.model.healing.order import Order
from hdinfra.model.healing.spec import HealingBudget
from hdinfra.model.held import Held
from hdinfra.model.held_file import dump_held, load_held
from hdinfra.model.planner import plan_zone
from hdinfra.model.spec_file import parse_spec
from hdinfra.operate.apart import excluding, urns_of
from hdinfra.operate.cli import run
from hdinfra.operate.decide import keep_deployed_but_switch
from hdinfra.operate.drills.heal_plays import _said_how_to_go_on
from hdinfra.operate.drills.stage import Stage
from hdinfra.operate.engine import Deployed
from hdinfra.operate.errors import HealError, LockedError
from hdinfra.operate.heal import HealOrder, Manner, Obstacle, Watched, _Heal, alone, heal, update
from hdinfra.operate.healing_plan import Change, Standing, standing_of
from hdinfra.operate.progress import Progress
from hdinfra.operate.restore import _must_be_well, all_see, restore
from hdinfra.operate.watch import judged_now
from hdinfra.operate.watch_eyes import Facts
from hdinfra.operate.watcher import told_of
from hdinfra.operate.workspace import Workspace
from tests.graph.specs import ROOT
from tests.model.healing_looks import A_LOST, ALL_UP, CLUSTERS, look_of, seen_by

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
    Change(("c-web-1",), (), 10.0).within(budget, "india")
    with pytest.raises(HealError, match=told):
        change.within(budget, "india")


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


def ticking() -> Callable[[], float]:
    """A clock that goes on by a tenth of a second whenever it is asked."""
    ticks = count()
    return lambda: next(ticks) / 10


class Turning(Played):
    """Sees the first for some looks, and then the second."""

    def __init__(self, first: Look, then: Look) -> None:
        super().__init__(first)
        self.then, self.taken = then, 0

    def look(self) -> Look:
        self.taken += 1
        return self.seen if self.taken <= 5 else self.then


def test_an_alarm_about_one_hides_no_loss_of_another() -> None:
    staying, out = ("b", "c", "d"), ("a",)
    view = {"a": True, "b": False, "c": True, "d": True}
    heard: list[Alarm] = []
    found = judged_now(Played(look_of(view, staying, out)), heard.append, clock=ticking(), interval_seconds=0.1)
    assert isinstance(found, Withdraw) and found.cluster == "b"
    assert [alarm.code for alarm in heard] == ["returned"]
    well = look_of({**view, "b": True}, staying, out)
    split = replace(well, sightings=seen_by({"east-edge": view, "west-edge": {**view, "b": True}}, age=0))
    last = judged_now(Turning(split, well), heard.append, clock=ticking(), interval_seconds=0.1)
    assert isinstance(last, Alarm) and last.code == "split-view", "what is said of a return answers nothing"


def test_who_sees_nothing_says_so() -> None:
    found = judged_now(Played(Look((), CLUSTERS)), clock=ticking(), interval_seconds=0.1)
    assert isinstance(found, Alarm) and found.code == "blind"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Whose engine finds the stack locked, whatever it is asked."""
    (tmp_path / "Pulumi.yaml").write_text("name: p\n")
    (tmp_path / "stacks").mkdir()
    engine = tmp_path / "bin" / "pulumi"
    engine.parent.mkdir()
    engine.write_text("#!/bin/sh\necho 'error: [409] Conflict: Another update is currently in progress.'\nexit 255\n")
    engine.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(engine.parent / "python"))
    return Workspace(tmp_path, "india", {"PATH": "/usr/bin:/bin", "PULUMI_BACKEND_URL": "s3://state"})


QUIET = Progress(Console(quiet=True))
ORDER = Order(serial=1, spec="0" * 64)


def test_the_engines_own_lock_is_told_as_one_and_is_no_operators_fault(project: Workspace) -> None:
    project.prepare()
    with pytest.raises(LockedError) as told:
        update(project, ORDER, Watched(QUIET), Manner())
    assert told.value.exit_code == 75 and "Another update is currently in progress" in told.value.message
    assert "`pulumi cancel --yes --stack india`" in told.value.retry
    assert not list(project.state.glob("*.order.json"))


def test_of_two_heals_and_restores_the_second_is_told_who_is_first(project: Workspace) -> None:
    order = project.state / "india.order.json"
    with alone(project):
        order.write_text("of the first")
        for second in (
            lambda: heal(project, HealOrder("b"), QUIET),
            lambda: restore(project, "a", QUIET, lambda _: True),
        ):
            with pytest.raises(LockedError, match=f"healed or restored by process {os.getpid()} since"):
                second()
        assert order.read_text() == "of the first"
    with alone(project):
        pass  # the first has ended


def test_a_heal_that_would_take_something_else_away_never_begins(
    project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = parse_spec((ROOT / "stacks/drill.yaml").read_text(), "drill.yaml")
    standing = Standing("", spec, plan_zone(spec).held, {})
    monkeypatch.setattr("hdinfra.operate.heal.change_of", lambda *_: Change((), (), 0.0, ("b-web-1",)))
    monkeypatch.setattr("hdinfra.operate.heal.update", lambda *_: pytest.fail("it began"))
    with pytest.raises(HealError, match="take away or make anew b-web-1"):
        _Heal(project, HealOrder("a", over_budget=True), QUIET, standing, deployed("a-provider")).run()


def held_by(entrance: str | None, serial: int) -> Held:
    return Held(serial=serial, entrance=entrance)


def test_a_switch_during_a_heal_outlives_it(project: Workspace) -> None:
    healed = Deployed(
        {
            "deployment": {
                "resources": [
                    {
                        "type": "pulumi:pulumi:Stack",
                        "urn": f"{BEGIN}x::s",
                        "outputs": {"held": held_by(None, 8).model_dump(mode="json")},
                    }
                ]
            }
        }
    )
    before = held_by(None, 7)
    project.lock_file.write_text(dump_held(held_by("spare", 8)))
    assert keep_deployed_but_switch(project, healed, before)
    kept = load_held(project.lock_file)
    assert kept and (kept.entrance, kept.serial) == ("spare", 9)
    project.lock_file.write_text(dump_held(before))
    assert not keep_deployed_but_switch(project, healed, before)
    assert load_held(project.lock_file) == held_by(None, 8)
    old = held_by("spare", 3)
    project.lock_file.write_text(dump_held(old))
    assert not keep_deployed_but_switch(project, healed, old), "a file that was old before has nothing to say"
    assert load_held(project.lock_file) == held_by(None, 8)


def test_a_restore_that_waits_in_vain_says_what_to_type() -> None:
    with pytest.raises(HealError) as told:
        _must_be_well("india", "a", lambda _: False, 0, QUIET)
    assert told.value.retry == "hdinfra status --stack india, then hdinfra restore a --stack india"


def test_a_drill_that_ends_halfway_names_its_stack_and_one_cluster_at_a_time() -> None:
    said: list[str] = []
    stage = SimpleNamespace(workspace=SimpleNamespace(stack="drill"), say=said.append)
    with pytest.raises(KeyboardInterrupt), _said_how_to_go_on(cast("Stage", stage), ["a", "b"]):
        raise KeyboardInterrupt
    assert "`hdinfra restore a --stack drill && hdinfra restore b --stack drill`" in said[0]


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
