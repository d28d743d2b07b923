"""`hdinfra watch`: killed at any moment it neither does a thing twice nor forgets it, and its log says why."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, CompletedProcess, Popen
from typing import Any

import pytest

from hdinfra.model.healing.memory import Alarm, Nothing, Withdraw
from hdinfra.operate.errors import HealError
from hdinfra.operate.watch import Outcome, heal_apart
from hdinfra.operate.watch_hooks import Hooks
from hdinfra.operate.watch_journal import Journal
from hdinfra.operate.workspace import Workspace
from tests.model.healing_looks import A_LOST, ALL_UP
from tests.model.played_zone import HEALING, Killed, PlayedZone, kinds, looks, watch_of


def test_a_loss_is_healed_once_and_the_log_has_the_evidence(tmp_path: Path) -> None:
    zone = PlayedZone()
    watch = watch_of(zone, tmp_path)
    watch.begin()
    for _ in range(20):
        watch.once()
    assert zone.heals == ["a"]
    entries = {str(entry["kind"]): entry for entry in watch.journal.entries()}
    witnesses = {(one["witness"], one["up"]) for one in entries["withdraw"]["evidence"]}
    assert witnesses == {("east-edge", False), ("west-edge", False)}
    assert (entries["healed"]["cluster"], entries["healed"]["reason"]) == ("a", "made c-web-1")
    assert "c-web-0" in entries["healed"]["said"], "what a heal says on its way is lost"
    assert kinds(tmp_path)[:2] == ["start", "nothing"]


def test_a_heal_apart_is_told_with_what_it_said_on_its_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = iter(
        [
            (0, '{"comes": ["c-web-1"]}', "a killed run left c-web-0 half done\n"),
            (3, "", "no room anywhere\n"),
            (75, "", ""),
        ]
    )
    monkeypatch.setattr(
        "hdinfra.operate.watch.subprocess.run", lambda command, **_: CompletedProcess(command, *next(ends))
    )
    heals, order = heal_apart(Workspace(tmp_path, "played", {})), Withdraw("a", ())
    said = "a killed run left c-web-0 half done"
    assert heals(order) == Outcome(True, "made c-web-1", {"comes": ["c-web-1"]}, said)
    assert heals(order) == Outcome(False, "no room anywhere")
    assert heals(order) == Outcome(False, "it ended with 75", locked=True)


@dataclass
class Deadly:
    """Kills at the n-th of everything that leaves a trace, before it or after it."""

    at: int
    count: int = 0

    def wrap(self, deed: Callable[..., Any]) -> Callable[..., Any]:
        def dies(*args: Any, **kwargs: Any) -> Any:
            self.strike()
            result = deed(*args, **kwargs)
            self.strike()
            return result

        return dies

    def strike(self) -> None:
        self.count += 1
        if self.count == self.at:
            raise Killed


def deadly_run(zone: PlayedZone, folder: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> bool:
    """One watcher that dies at that moment; whether it did."""
    death = Deadly(at)
    watch = watch_of(zone, folder)
    watch.heals = death.wrap(watch.heals)
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "write", death.wrap(Journal.write))
        patched.setattr(Journal, "remember", death.wrap(Journal.remember))
        patched.setattr(Hooks, "send", death.wrap(Hooks.send))
        try:
            watch.begin()
            for _ in range(8):
                watch.once()
        except Killed:
            return True
    return False


def test_killed_at_any_moment_the_next_one_finishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = 0
    for at in range(1, 100):
        zone, folder = PlayedZone(), tmp_path / str(at)
        died = deadly_run(zone, folder, monkeypatch, at)
        after = watch_of(zone, folder)
        after.begin()
        for _ in range(8):
            after.once()
        assert zone.withdrawn == ("a",) and zone.made == 1, f"killed at {at}"
        assert after.memory.healing is None and after.memory.left is None
        assert len(after.memory.changes) == 1, "the hour's budget is charged once"
        if not died:
            break
        moments += 1
    assert moments >= 12, "it died at every write, before and after"


def restored(zone: PlayedZone) -> None:
    """The Cluster came back and an operator let it in."""
    zone.view, zone.withdrawn = dict(ALL_UP), ()


def left_to_humans(zone: PlayedZone) -> None:
    """The spec was changed."""
    zone.healing = {**HEALING, "act": "alarm"}


def kept(zone: PlayedZone) -> None:
    """The same, for this Cluster."""
    zone.healing = {**HEALING, "keep": ["a"]}


def darker(zone: PlayedZone) -> None:
    """Half of the Clusters look lost."""
    zone.view = {"a": False, "b": False, "c": True}


def removed(zone: PlayedZone) -> None:
    """Nobody speaks of it any more."""
    zone.view = {"b": True, "c": True}


@pytest.mark.parametrize("change", [restored, left_to_humans, kept, darker, removed])
def test_killed_at_any_moment_and_the_world_changes_the_next_one_looks_first(
    change: Callable[[PlayedZone], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day passes between the two."""
    moments = begun = 0
    for at in range(1, 100):
        zone, folder = PlayedZone(), tmp_path / str(at)
        if not deadly_run(zone, folder, monkeypatch, at):
            break
        moments += 1
        was_begun = Journal(folder, "played").memory().healing == "a"
        was_withdrawn, before = "a" in zone.withdrawn, len(zone.heals)
        change(zone)
        zone.now += 86_400.0
        after = watch_of(zone, folder)
        after.begin()
        looks(after, 12)
        begun += was_begun
        if not was_withdrawn or change is restored:
            assert len(zone.heals) == before, f"killed at {at}: it was healed unseen"
        told = [entry for entry in after.journal.entries() if entry["kind"] == "given-up"]
        if was_begun and change is restored:
            assert [one["cluster"] for one in told] == ["a"] and "well now" in told[0]["reason"]
            assert after.memory.left is None
    assert moments >= 12 and begun >= 5


def test_a_heal_that_outlives_its_watcher_is_waited_for(tmp_path: Path) -> None:
    zone = PlayedZone()

    def dies(_: Withdraw) -> Outcome:
        raise Killed

    watch = watch_of(zone, tmp_path)
    watch.heals = dies
    watch.begin()
    with pytest.raises(Killed):
        for _ in range(8):
            watch.once()
    zone.busy = "process 7"
    after = watch_of(zone, tmp_path)
    after.begin()
    assert after.once() == Nothing("a heal of `a` was begun, and process 7 is changing the stack")
    assert zone.heals == []
    zone.busy = ""
    looks(after, 2)
    assert zone.heals == ["a"] and zone.made == 1
    entry = next(one for one in after.journal.entries() if one["kind"] == "going-on")
    assert {one["witness"] for one in entry["evidence"]} == {"east-edge", "west-edge"}, "by what is seen now"


def test_a_heal_that_finds_the_stack_locked_uses_nothing_up_and_a_human_is_called_in_the_end(tmp_path: Path) -> None:
    zone = PlayedZone(locked=1_000)
    watch = watch_of(zone, tmp_path)
    watch.begin()
    looks(watch, 600)
    assert 10 < len(zone.heals) < 60, "with pauses"
    entries = list(watch.journal.entries())
    assert [one["code"] for one in entries if one["kind"] == "alarm"] == ["blocked"]
    assert len(entries) < 20, "what does not change is not written again"
    zone.locked = 0
    looks(watch, 20)
    assert zone.withdrawn == ("a",) and zone.made == 1
    assert len(watch.memory.changes) == 1 and watch.memory.locked_by == ""


def test_a_heal_that_fails_is_tried_as_often_as_the_budget_allows(tmp_path: Path) -> None:
    zone = PlayedZone(fails=100)
    watch = watch_of(zone, tmp_path)
    watch.begin()
    for _ in range(60):
        watch.once()
    assert zone.heals == ["a", "a"]
    alarms = [entry["code"] for entry in watch.journal.entries() if entry["kind"] == "alarm"]
    assert alarms == ["budget"]


def test_what_does_not_change_is_not_written_again(tmp_path: Path) -> None:
    zone = PlayedZone(view=dict(ALL_UP))
    watch = watch_of(zone, tmp_path)
    watch.begin()
    for _ in range(50):
        watch.once()
    assert kinds(tmp_path) == ["start", "nothing"]


def test_a_flapping_one_is_forgiven_while_somebody_watches(tmp_path: Path) -> None:
    zone = PlayedZone()
    watch = watch_of(zone, tmp_path)
    watch.begin()
    for index in range(60):
        zone.view = dict(A_LOST if index % 4 < 2 else ALL_UP)
        zone.healing = {"settle_seconds": 60}
        watch.once()
    assert watch.memory.records["a"].is_flapping
    Journal(tmp_path, "played").ask_to_forgive("a")
    watch.once()
    assert not watch.memory.records["a"].is_flapping
    assert "over" in kinds(tmp_path), "the alarm does not stand any more"


def test_half_a_line_takes_no_whole_one_along(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "played")
    journal.write("start")
    with journal.path.open("a") as file:
        file.write('{"at": "2026-')
    journal.write("stop")
    assert kinds(tmp_path) == ["start", "stop"]


def test_an_unreadable_memory_is_an_empty_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "played")
    (tmp_path / "played.memory.json").write_text('{"now": 1')
    assert journal.memory().records == {}


HOLD = """
import sys
from pathlib import Path
from hdinfra.operate.watch_journal import Journal
with Journal(Path(sys.argv[1]), "played").lease():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_of_two_watchers_one_acts(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "played")
    with Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdin=PIPE, stdout=PIPE, text=True) as other:
        assert other.stdout and other.stdout.readline() == "held\n"
        with pytest.raises(HealError, match=f"watched already by process {other.pid} since"), journal.lease():
            pass
        other.kill()
        other.wait(30)
        with journal.lease():
            pass  # the kernel ended it with the process


def test_an_alarm_is_a_decision_as_well(tmp_path: Path) -> None:
    watch = watch_of(PlayedZone(view={"a": False, "b": False}), tmp_path)
    found = [watch.once() for _ in range(4)]
    assert [one.code for one in found if isinstance(one, Alarm)] == ["half-lost"]
