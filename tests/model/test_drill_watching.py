"""The watcher of a drill judges as the real one does, writes down what it would do, and does nothing."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hdinfra.model.healing.memory import Look, Policy
from hdinfra.operate.drills.log import Log
from hdinfra.operate.drills.timeline import Lane
from hdinfra.operate.drills.watching import Watching
from hdinfra.operate.errors import EngineError
from hdinfra.operate.waiting import seconds_until
from hdinfra.operate.watch import Outcome, Watch
from hdinfra.operate.watch_eyes import Facts
from hdinfra.operate.watch_journal import Journal
from tests.model.healing_looks import A_LOST, ALL_UP, CLUSTERS, look_of, seen_by

FACTS = Facts("drill", CLUSTERS, (), {"settle_seconds": 0}, (), "", "")
DISAGREE = {"east-edge": A_LOST, "west-edge": ALL_UP}


class PlayedEyes:
    """Sees what it is given, look by look, and then the last for ever."""

    def __init__(self, looks: list[Look], facts: Facts = FACTS) -> None:
        self.facts = facts
        self.taken = 0
        self._looks = looks

    def look(self) -> Look:
        """The next."""
        self.taken += 1
        return self._looks[min(self.taken, len(self._looks)) - 1]

    def forget(self) -> None:
        """Nothing is known beside."""


def watching(eyes: PlayedEyes, folder: Path, log: Log | None = None) -> Watching:
    """A watcher that looks as fast as it can, at a clock that goes on by a second a look."""
    ticks: Iterator[int] = iter(range(10_000))
    watch = Watch(eyes, lambda _: Outcome(False, "a test"), Journal(folder, "local"), lambda: float(next(ticks)))
    return Watching(watch, log or Log(), interval=0.001)


def seen_all(eyes: PlayedEyes, count: int) -> None:
    """Wait until so many looks were taken."""
    assert seconds_until(lambda: eyes.taken >= count, within=30) is not None


def test_a_cluster_that_flaps_is_switched_six_times_and_a_human_is_called_once(tmp_path: Path) -> None:
    log = Log()
    turns = [look_of(up) for _ in range(12) for up in (ALL_UP, ALL_UP, A_LOST, A_LOST, A_LOST)]
    eyes = PlayedEyes(turns, replace(FACTS, healing={"settle_seconds": 60}))
    with watching(eyes, tmp_path, log) as seen:
        assert seen.has_seen("a", within=30)
        assert seen.has_alarm("flapping", within=30)
        seen_all(eyes, 80)
    assert (seen.switches, seen.alarms("flapping"), seen.withdrawals) == (Policy().max_flaps, 1, 0)
    told = [event.text for event in log.events if event.lane is Lane.DECISION]
    assert told[:2] == ["a counts as lost", "a counts as back"]
    assert any("alarm" in line and "flapping" in line for line in seen.watch.journal.path.read_text().splitlines())


def test_witnesses_that_disagree_call_a_human_once(tmp_path: Path) -> None:
    eyes = PlayedEyes([look_of(ALL_UP), *[Look(seen_by(DISAGREE), CLUSTERS)] * 20])
    with watching(eyes, tmp_path) as seen:
        assert seen.has_alarm("split-view", within=30)
        seen_all(eyes, 30)
    assert (seen.alarms(), seen.withdrawals, seen.switches) == (1, 0, 0)


def test_a_cluster_that_would_be_given_up_is_counted_each_time(tmp_path: Path) -> None:
    eyes = PlayedEyes([look_of(ALL_UP), look_of(A_LOST)])
    with watching(eyes, tmp_path) as seen:
        assert seconds_until(lambda: seen.withdrawals >= 1, within=30) is not None
    assert seen.withdrawals >= 1


def test_what_was_never_seen_is_not_known(tmp_path: Path) -> None:
    with watching(PlayedEyes([look_of({"b": True})]), tmp_path) as seen:
        assert not seen.has_seen("a", within=0.2)
        assert not seen.has_alarm("flapping", within=0.1)


def test_a_watcher_that_crashes_ends_the_drill(tmp_path: Path) -> None:
    class Blind(PlayedEyes):
        """Falls over."""

        def look(self) -> Look:
            """It never comes to that."""
            raise RuntimeError("no eyes")

    with pytest.raises(RuntimeError, match="no eyes"), watching(Blind([]), tmp_path) as seen:
        seen.has_seen("a", within=30)


def test_a_look_at_which_nobody_answers_saw_nothing(tmp_path: Path) -> None:
    class Alone(PlayedEyes):
        """Every other look fails."""

        def look(self) -> Look:
            """As the API machines answer."""
            if super().look() and self.taken % 2:
                raise EngineError("nobody answers")
            return look_of(ALL_UP)

    eyes = Alone([look_of(ALL_UP)])
    with watching(eyes, tmp_path) as seen:
        seen_all(eyes, 20)
    assert seen.decisions == []
