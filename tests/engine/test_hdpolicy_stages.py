"""Who gets a release when: laws of the pure decisions, for any fleet and any behaviour of its machines."""

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hdinfra.plugins.policy.plane import Past, Standing, newest_reports
from hdinfra.plugins.policy.rollout import Wanted, last_good
from hdinfra.plugins.policy.stages import Done, Fail, Grow, Report, Superseded, Wait, canary, grown, next_deed
from hdinfra.plugins.policy.watch import Pace, Watch
from hdinfra.protocol.release import Release

NAMES = [f"m{number}" for number in range(8)]
members_of = st.dictionaries(st.sampled_from(NAMES), st.sampled_from("abc"), min_size=1)
NUMBER = 7


def release(members: dict[str, str], released: tuple[str, ...], number: int = NUMBER) -> Release:
    return Release("z", "s", number, 1, members, released, {"app": "waf", "n": number})


def report(name: str, number: int = NUMBER, **how: object) -> Report:
    return replace(Report(name, number, True, 1.0), **how)  # type: ignore[arg-type]


@given(members_of, st.data())
def test_all_get_it_one_first_and_one_cluster_at_a_time(members: dict[str, str], data: st.DataObject) -> None:
    first = data.draw(st.sampled_from(sorted(members)))
    reports = {name: report(name) for name in members}
    current, seen = release(members, (first,)), []
    while isinstance(deed := next_deed(current, reports, set(members), 0), Grow):
        assert set(current.released) < set(deed.released)
        assert len({members[name] for name in set(deed.released) - set(current.released)}) == 1
        current = replace(current, released=deed.released)
        seen.append(deed)
    assert deed == Done()
    assert set(current.released) == set(members)
    assert len(seen) <= len(set(members.values()))


@given(members_of, st.data(), st.floats(0.001, 100))
def test_nobody_but_the_canary_before_the_bake_is_over(
    members: dict[str, str], data: st.DataObject, left: float
) -> None:
    first = data.draw(st.sampled_from(sorted(members)))
    heeded = data.draw(st.sets(st.sampled_from(sorted(members))))
    reports = {name: report(name) for name in data.draw(st.sets(st.sampled_from(sorted(members))))}
    assert isinstance(next_deed(release(members, (first,)), reports, heeded, left), Wait)


@given(members_of, st.data())
def test_a_silent_canary_holds_everything_up(members: dict[str, str], data: st.DataObject) -> None:
    first = data.draw(st.sampled_from(sorted(members)))
    reports = {name: report(name) for name in members if name != first}
    assert next_deed(release(members, (first,)), reports, set(members) - {first}, 0) == Wait((first,))


@given(members_of, st.data())
def test_one_that_went_back_ends_it_whatever_the_others_say(members: dict[str, str], data: st.DataObject) -> None:
    released = tuple(data.draw(st.sets(st.sampled_from(sorted(members)), min_size=1)))
    bad = data.draw(st.sampled_from(sorted(members)))
    reports = {name: report(name) for name in members}
    reports[bad] = report(bad, NUMBER - 1, failed=NUMBER, reason="boom")
    deed = next_deed(release(members, released), reports, set(members), 0)
    assert deed == Fail(bad, "boom")


def test_settings_that_failed_later_are_not_the_release_that_failed() -> None:
    told = {"m0": report("m0", failed=NUMBER, reason="settings")}
    assert next_deed(release({"m0": "a"}, ("m0",)), told, {"m0"}, 0) == Done()


def test_a_newer_number_is_somebody_elses() -> None:
    told = {"m0": report("m0", NUMBER + 1)}
    assert next_deed(release({"m0": "a"}, ("m0",)), told, {"m0"}, 0) == Superseded("m0", NUMBER + 1)


def test_next_cluster_is_the_first_by_name_that_is_not_complete() -> None:
    members = {"x": "b", "y": "a", "z": "a"}
    assert grown(members, ("y",)) == ("y", "z")
    assert grown(members, ("x",)) == ("x", "y", "z")


def test_canary_is_the_first_alive_that_serves_well() -> None:
    members = {"a": "1", "b": "1", "c": "1"}
    told = {"a": report("a", serving=False), "b": report("b", seen_seconds=31.0), "c": report("c")}
    assert canary(members, told, 30) == "c"
    assert canary(members, {"a": told["a"], "b": told["b"]}, 30) == "a"
    assert canary(members, {"b": told["b"]}, 30) is None


def test_the_last_word_counts_whichever_api_machine_heard_it() -> None:
    old = {"machines": [{"name": "m0", "number": 1, "serving": True, "seen_seconds": 9}]}
    new = {"machines": [{"name": "m0", "number": 2, "serving": False, "seen_seconds": 1}, {"name": "other"}]}
    never = {"machines": [{"name": "m0", "number": None, "serving": None, "seen_seconds": None}]}
    for order in ((old, new, never), (never, new, old)):
        assert {name: told.number for name, told in newest_reports(order, {"m0"}).items()} == {"m0": 2}


def past(number: int, proven: bool = True, **how: object) -> Past:
    made = release({"m0": "a"}, ("m0",), number)
    return Past(replace(made, **how), proven)  # type: ignore[arg-type]


def test_the_way_back_leaves_out_what_went_wrong() -> None:
    standing = Standing((past(5, rollback_of=4), past(4), past(3)))
    assert [told.release.number for told in [standing.good(), standing.good(below=5)] if told] == [5, 3]
    halted = Standing((past(6, members={"m0": "a", "m1": "b"}), past(5)))
    assert (halted.good() or past(0)).release.number == 5
    went_back = {"m0": report("m0", 3, failed=5)}
    assert (Standing((past(5), past(3))).good(reports=went_back) or past(0)).release.number == 3


def test_unsigned_words_are_believed_only_if_the_stack_remembers_nothing_else() -> None:
    own = Wanted("s", {"m0": "a"}, {"app": "waf", "own": True})
    claimed = Standing((past(5, proven=False),))
    assert (last_good(claimed, {}, own, "z") or past(0).release).document == own.document
    assert (last_good(claimed, {}, None, "z") or past(0).release).number == 5
    assert (last_good(Standing((past(5),)), {}, own, "z") or past(0).release).number == 5
    assert last_good(Standing(), {}, None, "z") is None


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def watching(members: dict[str, str], fresh: set[str], clock: Callable[[], float]) -> Watch:
    return Watch(members, fresh, Pace(), clock)


def test_only_those_are_waited_for_who_may_still_come() -> None:
    clock = Time()
    watch = watching({"new": "a", "gone": "a", "never": "a", "well": "a"}, {"new"}, clock)
    watch.remember({"gone": report("gone", seen_seconds=31.0), "well": report("well")})
    assert watch.heeded() == {"new", "never", "well"}
    clock.now += 13
    assert watch.heeded() == {"new", "well"}
    clock.now += 78
    assert watch.heeded() == frozenset()


def test_who_used_to_serve_must_go_on_and_who_was_ill_is_given_up() -> None:
    clock = Time()
    watch = watching({"ill": "a", "well": "a", "new": "a"}, {"new"}, clock)
    told = {"ill": report("ill", 6, serving=False), "well": report("well", 6), "new": report("new", 0, serving=False)}
    watch.remember(told)
    watch.begin_roll_out()
    clock.now += 59
    watch.remember(told)
    assert watch.overdue(("ill", "well", "new"), frozenset()) is None
    clock.now += 1
    assert watch.overdue(("ill", "new"), frozenset()) is None
    assert watch.heeded() == {"well", "new"}
    failed = watch.overdue(("well",), frozenset())
    assert failed == Fail("well", "it does not serve it after 60 s; it reported 2 s ago: release 6, serving")
    assert isinstance(watch.overdue(("ill",), frozenset({"ill"})), Fail)
    clock.now += 31
    assert watch.overdue(("new",), frozenset()) is None
    assert watch.heeded() == frozenset()


def test_bake_begins_anew_when_serving_stops_or_the_canary_falls_silent() -> None:
    clock = Time()
    watch, current = watching({"m0": "a"}, set(), clock), release({"m0": "a"}, ("m0",))
    watch.bake_seconds = 10
    watch.remember({"m0": report("m0", seen_seconds=0.0)})
    watch.note_serving(current)
    clock.now += 9
    assert watch.bake_left() == 1
    watch.remember({"m0": report("m0", serving=False, seen_seconds=0.0)})
    watch.note_serving(current)
    assert watch.bake_left() == 10
    watch.remember({"m0": report("m0", seen_seconds=0.0)})
    watch.note_serving(current)
    clock.now += 31
    watch.note_serving(current)
    assert watch.bake_left() == 10


def test_what_a_predecessor_said_is_not_the_new_machines_word() -> None:
    clock = Time()
    watch = watching({"m0": "a", "m1": "a"}, {"m0"}, clock)
    watch.remember({"m0": report("m0"), "m1": report("m1")})
    watch.forget_predecessors()
    assert watch.reports.keys() == {"m1"}
    clock.now += 5
    watch.remember({"m0": report("m0", seen_seconds=4.0)})
    watch.forget_predecessors()
    assert watch.reports.keys() == {"m0", "m1"}
