"""A Cluster is lost whose provider answers nothing: what it carried is made elsewhere, and nothing of it is touched."""

import os
import signal

import pytest
import yaml

from hdinfra.operate.engine import Engine, changed_by
from hdinfra.operate.errors import HealError
from hdinfra.operate.heal import Manner, Watched, update
from hdinfra.operate.healing_plan import standing_of
from hdinfra.operate.restore import restore
from hdinfra.operate.waiting import seconds_until
from tests.engine.lost_zone import DRILL_MACHINES, QUIET, REGION, Lost, lost, shelf

__all__ = ["lost", "shelf"]  # fixtures, defined beside what they make


def test_what_a_lost_cluster_carried_is_made_elsewhere_and_nothing_of_it_is_touched(lost: Lost) -> None:
    carried = sorted(DRILL_MACHINES & set(lost.of("a")))
    assert carried, "the planner put something there"
    before = lost.of("a")
    lost.spec.write_text("this: is no spec that anybody deployed\n")
    lost.without()
    done = lost.heal()
    assert [name.partition("-")[2] for name in done.change.comes] == [name.partition("-")[2] for name in carried]
    assert set(done.change.comes) <= lost.machines()
    assert lost.of("a") == before, "everything of it stays in the state as it was"
    asked = {(one["call"], one["urn"].rpartition("::")[2]) for one in lost.workspace.calls()}
    assert not [name for _, name in asked if name.startswith("a-")], "neither read, changed nor deleted"
    assert [told for call, told in asked if call == "Configure" and "lab-north" in told], "its silence was met"
    assert "Read" not in {call for call, _ in asked}, "what is missing is made at once, and nothing looked at before"
    held = lost.output("held")
    assert held["withdrawn"] == ["a"]
    assert yaml.safe_load(lost.lock.read_text())["serial"] == held["serial"]


def test_a_dry_run_tells_and_does_nothing(lost: Lost) -> None:
    lost.without()
    before = lost.workspace.deployment()
    done = lost.heal(dry_run=True)
    assert done.change.comes and done.dry_run
    assert lost.workspace.deployment() == before and lost.touched() == set()


def test_a_provider_that_makes_nothing_new_leaves_it_to_another_operator(lost: Lost) -> None:
    lost.without()
    first = lost.heal(dry_run=True).change.comes
    refusing = first[0].partition("-")[0]
    lost.workspace.environment["STANDIN_FULL"] = f"hdlocal:{REGION[refusing]}"
    done = lost.heal()
    assert done.avoided == (refusing,)
    assert first[0] not in lost.machines()
    assert set(done.change.comes) <= lost.machines()
    held = lost.output("held")
    assert (held["withdrawn"], held["avoided"]) == (["a"], [refusing])


def test_a_returned_cluster_gets_its_work_back_and_the_extra_machines_go(lost: Lost) -> None:
    before = lost.machines()
    lost.without()
    lost.heal()
    lost.workspace.environment["STANDIN_DOWN"] = ""
    seen: list[set[str]] = []

    def well(cluster: str) -> bool:
        seen.append(lost.machines())
        return cluster == "a"

    restore(lost.opened, "a", QUIET, well)
    assert lost.machines() == before
    assert seen and seen[0] > before, "while traffic comes back, both are there"
    looked = [one["urn"].rpartition("::")[2] for one in lost.workspace.calls() if one["call"] == "Read"]
    assert [name for name in looked if name.startswith("a-")], "it may have come back without some of its machines"
    assert len(looked) == len(set(looked)), "once"
    held = lost.output("held")
    assert held["withdrawn"] == [] and "stood" not in held
    lost.forget_calls()
    restore(lost.opened, "a", QUIET, well)
    assert lost.touched() == set()


def test_an_order_holds_for_what_it_was_given_on_alone(lost: Lost) -> None:
    """Two watchers on two computers: the second one's update finds that the first one's was deployed."""
    engine = Engine(lost.opened)
    lost.opened.prepare()
    order = standing_of(engine.deployed_with_secrets(), lost.opened).order(withdraw=("a",))
    for late in ({"serial": order.serial - 1}, {"spec": "0" * 64}):
        run = update(lost.opened, order.model_copy(update=late), Watched(QUIET), Manner(patience_seconds=300))
        assert run.code != 0 and "the stack was changed since this was ordered" in "".join(run.complaints)
    assert lost.touched() == set()
    assert lost.output("held")["withdrawn"] == []


def test_a_heal_that_was_killed_with_its_engine_goes_on(lost: Lost) -> None:
    lost.without()
    coming = lost.heal(dry_run=True).change.comes
    taking = coming[0].partition("-")[0]
    lost.workspace.environment["STANDIN_STUCK"] = f"hdlocal:{REGION[taking]}"
    with lost.healing() as heal:
        assert seconds_until(lambda: any(name.startswith(f"{taking}-") for name in lost.created()), within=60)
        engine = int(changed_by(lost.opened).split()[1])
        heal.kill()
        heal.wait()
        # The engine goes on without whoever started it, and nobody else may change the stack.
        with pytest.raises(HealError, match=f"being changed by process {engine}"):
            lost.heal()
        os.killpg(engine, signal.SIGKILL)
    assert lost.workspace.deployment()["pending_operations"]
    lost.without()
    lost.workspace.environment["STANDIN_STUCK"] = ""
    done = lost.heal()
    assert done.change.comes == coming
    assert coming[0] in lost.created()
    assert set(coming) <= lost.machines()
    assert not lost.workspace.deployment().get("pending_operations")
    assert lost.output("held")["withdrawn"] == ["a"]
