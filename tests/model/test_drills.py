"""Drills' arithmetic: each bound can break, and what happened is neither lost nor moved in time."""

import json
import threading
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdinfra.operate.drills import whole_set
from hdinfra.operate.drills.bounds import Bound, Drill, Sense, Verdict
from hdinfra.operate.drills.catalogue import DRILLS, TRAFFIC
from hdinfra.operate.drills.finding import of_traffic
from hdinfra.operate.drills.log import Log
from hdinfra.operate.drills.record import Record
from hdinfra.operate.drills.stage import Order, Outcome, found
from hdinfra.operate.drills.timeline import Health, Lane, Timeline, timeline_of
from hdinfra.operate.drills.whole_set import PLAYS
from hdinfra.operate.progress import Progress
from hdinfra.operate.report import Answer, Ledger, Traffic
from hdinfra.operate.workspace import Workspace

EDGE = "http://127.0.0.1:8180"
EVERY_BOUND = [(drill, bound) for drill in DRILLS.values() for bound in drill.bounds]


def answer(due: float, seconds: float = 0.01, failure: str | None = None, number: int | None = None) -> Answer:
    """One request's fate."""
    return Answer("GET" if number is None else "POST", "shop.acme.test", EDGE, due, seconds, failure, number)


def kept(drill: Drill) -> dict[str, float | None]:
    """Measures that keep every promise of it, just so."""
    return {bound.key: bound.limit for bound in drill.bounds}


@pytest.mark.parametrize("drill", DRILLS.values(), ids=DRILLS)
def test_a_drill_that_keeps_every_promise_is_well(drill: Drill) -> None:
    assert all(verdict.kept for verdict in drill.judge(kept(drill)))
    assert {bound.key for bound in TRAFFIC} <= {bound.key for bound in drill.bounds}


@pytest.mark.parametrize(("drill", "bound"), EVERY_BOUND, ids=[f"{d.name}:{b.key}" for d, b in EVERY_BOUND])
def test_every_bound_can_be_broken_and_says_what_was_promised(drill: Drill, bound: Bound) -> None:
    worse = bound.limit + 0.01 if bound.sense is Sense.AT_MOST else bound.limit - 0.01
    for measured in (worse, None):
        broken = [one for one in drill.judge({**kept(drill), bound.key: measured}) if not one.kept]
        assert [one.bound for one in broken] == [bound]
        assert bound.what in broken[0].broken_promise
        assert bound.told in broken[0].broken_promise


def test_what_was_never_measured_keeps_no_promise() -> None:
    drill = DRILLS["cluster-loss"]
    measured = kept(drill)
    del measured["back"]
    assert [one.bound.key for one in drill.judge(measured) if not one.kept] == ["back"]


def test_a_measure_that_nobody_would_see_is_a_defect() -> None:
    with pytest.raises(KeyError, match="measured `mood`"):
        DRILLS["slow"].judge({**kept(DRILLS["slow"]), "mood": 1})
    with pytest.raises(KeyError, match="no bound `mood`"):
        DRILLS["slow"].with_limits({"mood": 1})


def test_limits_can_be_ordered() -> None:
    drill = DRILLS["slow"].with_limits({"slowest": 0.5})
    assert [one.limit for one in drill.bounds if one.key == "slowest"] == [0.5]
    assert [one.limit for one in drill.bounds if one.key != "slowest"] == [
        one.limit for one in DRILLS["slow"].bounds if one.key != "slowest"
    ]


def test_every_drill_is_played_and_every_play_declared() -> None:
    assert PLAYS.keys() | {"cluster-loss"} == DRILLS.keys()


@pytest.mark.parametrize(
    ("answers", "written", "broken"),
    [
        ([answer(1), answer(2, number=7)], {7: 1}, []),
        ([answer(1), answer(2, failure="status 503")], {}, ["failed-gets"]),
        ([answer(1), answer(2, number=7)], {7: 2}, ["posts-twice"]),
        ([answer(1), answer(2, number=7)], {}, ["posts-lost"]),
        ([answer(1), answer(2, seconds=3.01)], {}, ["slowest"]),
        ([answer(2, number=7)], {7: 1}, ["gets"]),
        ([], {}, ["gets", "slowest"]),
        ([answer(1), answer(2, failure="ReadTimeout", number=7)], {}, []),
    ],
)
def test_users_fates_break_the_bounds_of_traffic(
    answers: list[Answer], written: dict[int, int], broken: list[str]
) -> None:
    drill = Drill("calm", "nothing", TRAFFIC)
    finding = found(
        drill, Outcome("nothing"), Record(answers=answers, due=len(answers)), {"shop.acme.test": written}, (0, 3)
    )
    assert [one.bound.key for one in finding.verdicts if not one.kept] == broken
    assert finding.well is not bool(broken)
    assert len(finding.broken_promises) == len(broken)


def test_requests_that_do_not_count_are_left_out_of_the_bounds_but_not_of_the_picture() -> None:
    answers = [answer(1), replace(answer(2, failure="ConnectError"), edge="http://lost")]
    outcome = Outcome("an edge", counts=lambda one: one.edge == EDGE)
    finding = found(Drill("calm", "nothing", TRAFFIC), outcome, Record(answers=answers, due=len(answers)), {}, (0, 3))
    assert finding.well
    buckets = finding.timeline.buckets
    assert sum(bucket.answered for bucket in buckets) == 1
    assert sum(bucket.failed for bucket in buckets) == 0
    assert sum(bucket.aside for bucket in buckets) == 1


def test_a_computer_too_busy_to_send_has_proved_nothing() -> None:
    answers = [answer(at / 100) for at in range(89)] + [answer(1, number=1)]
    drill, written = Drill("calm", "nothing", TRAFFIC), {"shop.acme.test": {1: 1}}
    for due, broken in ((99, []), (101, ["gets"])):
        finding = found(drill, Outcome("nothing"), Record(answers=answers, due=due), written, (0, 3))
        assert [one.bound.key for one in finding.verdicts if not one.kept] == broken


def test_a_drill_that_promises_nothing_is_not_well() -> None:
    quiet = found(Drill("calm", "nothing", TRAFFIC), Outcome("x"), Record(answers=[answer(0)], due=1), {}, (0, 1))
    assert quiet.well
    assert not replace(quiet, verdicts=()).well


def test_the_json_is_plain_and_whole() -> None:
    finding = found(DRILLS["slow"], Outcome("a is slow", {"stalls": 1}), Record(answers=[answer(0)], due=1), {}, (0, 1))
    told = json.loads(json.dumps(finding.as_json()))
    assert list(told) == [
        "drill", "breaks", "about", "well", "bounds", "broken_promises", "facts", "traffic", "ledger",
        "timeline", "maps",
    ]  # fmt: skip
    assert (told["drill"], told["well"]) == ("slow", False)
    assert {"key": "stalls", "what": "times that it stood still", "sense": "at least", "limit": 3, "unit": "times",
            "measured": 1, "kept": False} in told["bounds"]  # fmt: skip
    assert told["broken_promises"] == ["times that it stood still: 1 times; at least 3 times was promised"]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 500), st.floats(0, 30), st.sampled_from([None, "status 503"])), min_size=1, max_size=80
    ),
    st.floats(0, 100),
)
def test_every_request_is_in_one_bucket_and_the_slowest_is_seen(
    fates: list[tuple[float, float, str | None]], begin: float
) -> None:
    answers = [answer(due, seconds, failure) for due, seconds, failure in fates]
    told = timeline_of(answers, [], begin, begin)
    assert sum(bucket.answered for bucket in told.buckets) == sum(one.failure is None for one in answers)
    assert sum(bucket.failed for bucket in told.buckets) == sum(one.failure is not None for one in answers)
    assert max(bucket.slowest for bucket in told.buckets) == pytest.approx(
        max(one.seconds for one in answers), abs=1e-3
    )
    assert len(told.buckets) <= 91
    assert told.seconds + 0.001 >= max(one.due + one.seconds for one in answers) - min(
        [begin, *(a.due for a in answers)]
    )


class Ticking:
    """A clock that goes on by one second at each look."""

    def __init__(self) -> None:
        self.now = 99.0

    def __call__(self) -> float:
        """The time."""
        self.now += 1
        return self.now


def told_by(log: Log, begin: float = 100, end: float = 120) -> Timeline:
    """The timeline of a log alone."""
    return timeline_of([], log.events, begin, end)


def test_a_fault_lasts_from_its_beginning_to_its_end_also_when_it_crashes() -> None:
    log = Log(Ticking())
    with pytest.raises(RuntimeError), log.fault("kill of a"):
        raise RuntimeError
    with log.fault("kill of b"):
        open_ended = told_by(log)
    assert [(span.text, span.begin, span.end) for span in told_by(log).faults] == [
        ("kill of a", 0, 1),
        ("kill of b", 2, 3),
    ]
    assert open_ended.faults[-1].end == 20


def view(**up: list[bool]) -> list[dict[str, object]]:
    """An edge's view: whether each Cluster's servers are up."""
    return [{"cluster": cluster, "up": one} for cluster, all_of_it in up.items() for one in all_of_it]


def test_a_view_is_kept_when_it_changes_and_an_edge_that_is_away_says_nothing() -> None:
    log = Log(Ticking())
    log.viewed("east", view(a=[True, True], b=[True]))
    log.viewed("east", view(a=[True, True], b=[True]))
    log.viewed("east", view(a=[True, False], b=[True]))
    log.viewed("east", view(a=[False, False], b=[True]))
    log.viewed("west", None)
    log.viewed("east", None)
    late = told_by(log, begin=101.5)
    assert [(span.begin, span.end) for span in late.views[0].spans] == [(0, 0.5), (0.5, 1.5), (1.5, 2.5), (2.5, 18.5)]
    strips = {strip.name: strip.spans for strip in told_by(log).views}
    assert [(span.begin, span.end, span.health) for span in strips["east sees a"]] == [
        (0, 2, Health.UP),
        (2, 3, Health.PARTLY),
        (3, 4, Health.DOWN),
        (4, 20, Health.SILENT),
    ]
    assert [span.health for span in strips["east sees b"]] == [Health.UP, Health.SILENT]
    assert strips.keys() == {"east sees a", "east sees b"}


def test_decisions_and_plans_are_marks_in_their_order() -> None:
    log = Log(Ticking())
    log.decided("withdraw a")
    log.planned("b-web-1 comes")
    assert [(mark.at, mark.lane, mark.text) for mark in told_by(log).marks] == [
        (0, Lane.DECISION, "withdraw a"),
        (1, Lane.PLAN, "b-web-1 comes"),
    ]


def test_many_threads_may_tell_at_once() -> None:
    log = Log()
    threads = [
        threading.Thread(target=lambda edge=name: [log.viewed(edge, view(a=[up])) for up in (True, False) * 50])
        for name in ("east", "west")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(log.events) == 200


def test_the_traffic_of_nobody_has_no_slowest_answer() -> None:
    assert of_traffic(Traffic(0, 0, 0), Ledger(), 0)["slowest"] is None
    assert Verdict(TRAFFIC[-1], None).bound.shown(None) == "never"


def test_a_drill_takes_those_ordered_limits_that_it_has_bounds_for(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Order] = []
    monkeypatch.setattr(whole_set, "perform", lambda *given: taken.append(given[3]))
    order = Order(limits={"slowest": 5.0, "capacity-back": 120.0})
    for name in ("slow", "operator-loss"):
        whole_set.one(name, cast(Workspace, None), order, cast(Progress, None))
    assert [one.limits for one in taken] == [{"slowest": 5.0}, {"slowest": 5.0, "capacity-back": 120.0}]
