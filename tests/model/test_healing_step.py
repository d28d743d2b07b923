"""When a Cluster is given up: only on what two others agree on, once, within bounds, and never in doubt."""

import json
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdinfra.model.healing.case import BLOCKED_SECONDS
from hdinfra.model.healing.memory import (
    Alarm,
    Decision,
    Look,
    Memory,
    Nothing,
    Policy,
    Withdraw,
    begun_anew,
    ended,
    forgiven,
    locked_out,
)
from hdinfra.model.healing.sighting import Sighting
from hdinfra.model.healing.step import step
from tests.model.healing_looks import A_LOST, ALL_UP, CLUSTERS, EDGES, look_of, seen_by

POLICY = Policy(settle_seconds=4)


def decisions(looks: Iterable[Look], policy: Policy = POLICY, memory: Memory | None = None) -> list[Decision]:
    """One look every 2 s."""
    found: list[Decision] = []
    memory = memory or Memory()
    begin = memory.now
    for index, look in enumerate(looks):
        memory, decision = step(policy, memory, look, begin + 2.0 * index)
        found.append(decision)
    return found


def codes(found: list[Decision]) -> list[str]:
    return [one.code for one in found if isinstance(one, Alarm)]


def withdrawn(found: list[Decision]) -> list[str]:
    return [one.cluster for one in found if isinstance(one, Withdraw)]


def test_a_loss_that_two_see_is_acted_on_once_with_its_evidence() -> None:
    found = decisions([look_of(ALL_UP), *[look_of(A_LOST)] * 6])
    assert withdrawn(found) == ["a"]
    assert isinstance(found[3], Withdraw), "seen at 2 s, and 4 s later it is due"
    assert {one.witness for one in found[3].evidence} == {"east-edge", "west-edge"}
    assert found[4] == Nothing("the heal of `a` runs")


def test_one_witness_is_not_enough() -> None:
    alone = Look(seen_by({"east-edge": A_LOST}), CLUSTERS)
    assert withdrawn(decisions([alone] * 10)) == []


def test_what_stands_in_the_cluster_is_no_evidence_of_it() -> None:
    views = seen_by({"a-control-1": {"a": False}, "east-edge": {"a": False}})
    assert withdrawn(decisions([Look(views, CLUSTERS)] * 10)) == []


def test_witnesses_that_disagree_give_one_alarm_and_no_deed() -> None:
    split = Look(seen_by({"east-edge": A_LOST, "west-edge": ALL_UP, "b-control-1": A_LOST}), CLUSTERS)
    found = decisions([split] * 20)
    assert codes(found) == ["split-view"] and withdrawn(found) == []


def test_an_api_machine_that_heard_it_since_contradicts() -> None:
    heard = (Sighting("b-control-1", "b", "a", up=True, age=0.5),)
    found = decisions([look_of(ALL_UP), *[Look((*look_of(A_LOST).sightings, *heard), CLUSTERS)] * 8])
    assert codes(found) == ["split-view"] and withdrawn(found) == []


def test_an_api_machine_that_heard_it_before_does_not() -> None:
    looks = [look_of(ALL_UP)]
    for index in range(4):
        heard = (Sighting("b-control-1", "b", "a", up=True, age=3.0 + 2 * index),)
        looks.append(Look((*look_of(A_LOST).sightings, *heard), CLUSTERS))
    assert withdrawn(decisions(looks)) == ["a"]


def test_half_of_the_clusters_lost_is_an_alarm_and_no_deed() -> None:
    dark = look_of({"a": False, "b": False, "c": True}, ("a", "b", "c", "d"))
    found = decisions([dark] * 10)
    assert codes(found) == ["half-lost"] and withdrawn(found) == []


def test_a_flapping_cluster_settles_after_max_flaps() -> None:
    """Lost and back every 10 s for 10 minutes."""
    looks = [look_of(A_LOST if index // 5 % 2 else ALL_UP) for index in range(300)]
    memory, switches, found = Memory(), 0, []
    policy = Policy(settle_seconds=12)
    for index, look in enumerate(looks):
        before = memory.records["a"].is_lost if "a" in memory.records else False
        memory, decision = step(policy, memory, look, 2.0 * index)
        switches += memory.records["a"].is_lost is not before
        found.append(decision)
    assert switches <= policy.max_flaps and withdrawn(found) == []
    assert codes(found) == ["flapping"]


def test_a_flapping_one_is_forgiven_by_a_human_alone() -> None:
    memory = Memory()
    for index in range(200):
        memory, _ = step(POLICY, memory, look_of(A_LOST if index // 2 % 2 else ALL_UP), 2.0 * index)
    assert memory.records["a"].is_flapping
    assert withdrawn(decisions([look_of(A_LOST)] * 5, memory=forgiven(memory, "a"))) == ["a"]


def test_while_another_change_runs_nothing_is_done() -> None:
    found = decisions([look_of(A_LOST, busy="process 7")] * 6)
    assert withdrawn(found) == []
    assert found[-1] == Nothing("`a` is lost, and process 7 is changing the stack")


@pytest.mark.parametrize("policy", [Policy(settle_seconds=0, keep=("a",)), Policy(settle_seconds=0, act="alarm")])
def test_what_the_spec_keeps_is_left_to_a_human(policy: Policy) -> None:
    found = decisions([look_of(A_LOST)] * 6, policy)
    assert codes(found) == ["not-allowed"] and withdrawn(found) == []


def test_heals_that_fail_are_tried_again_as_often_as_an_hour_allows() -> None:
    memory, found = Memory(), []
    for index in range(500):
        memory, decision = step(POLICY, memory, look_of(A_LOST), 2.0 * index)
        found.append(decision)
        if isinstance(decision, Withdraw):
            memory = ended(memory)
    assert withdrawn(found) == ["a", "a"] and codes(found) == ["budget"]


def test_a_withdrawn_one_that_is_seen_again_is_told_and_stays_out() -> None:
    found = decisions([look_of(ALL_UP, ("b", "c"), ("a",))] * 10)
    assert codes(found) == ["returned"] and withdrawn(found) == []


BLIND = Look((), CLUSTERS)


def test_no_word_from_anybody_is_no_loss_and_a_human_is_called_once() -> None:
    found = decisions([look_of(ALL_UP), *[BLIND] * 20])
    assert withdrawn(found) == [] and codes(found) == ["blind"]
    assert found[1:3] == [Nothing("no witness says anything")] * 2, "not before it has lasted"
    assert isinstance(found[3], Alarm) and "no witness says anything" in found[3].reason


def test_blindness_is_told_again_only_after_something_was_seen() -> None:
    unreadable = Look((), (), blind="the credentials have expired")
    found = decisions([*[unreadable] * 10, *[look_of(ALL_UP)] * 3, *[BLIND] * 10])
    assert codes(found) == ["blind", "blind"]
    assert any(isinstance(one, Alarm) and "the credentials have expired" in one.reason for one in found)


def test_blindness_ends_no_alarm_that_stands() -> None:
    dark = look_of({"a": False, "b": False, "c": True}, ("a", "b", "c", "d"))
    assert codes(decisions([*[dark] * 5, *[Look((), ("a", "b", "c", "d"))] * 10, *[dark] * 5])) == [
        "half-lost",
        "blind",
    ]


def test_a_single_look_that_sees_nothing_calls_nobody() -> None:
    assert codes(decisions([look_of(ALL_UP), BLIND] * 10, Policy(settle_seconds=0))) == []


def silent(look: Look) -> Look:
    """The same as API machines alone have it, to whom no edge speaks."""
    heard = dict.fromkeys(("b-control-1", "c-control-1"), A_LOST)
    return replace(look, sightings=seen_by(heard), silent_edges=EDGES)


def test_while_every_edge_is_silent_a_human_is_called_and_nothing_done() -> None:
    found = decisions([silent(look_of(A_LOST))] * 20)
    assert codes(found) == ["edges-silent"] and withdrawn(found) == []
    assert found[-1] == Nothing("no edge is heard")


def test_a_zone_without_edges_of_ours_is_healed_by_what_api_machines_say() -> None:
    assert withdrawn(decisions([replace(silent(look_of(A_LOST)), silent_edges=())] * 5)) == ["a"]


def test_edges_that_are_heard_again_let_it_be_healed() -> None:
    assert withdrawn(decisions([*[silent(look_of(A_LOST))] * 10, look_of(A_LOST)])) == ["a"]


BLOCKED_LOOKS = int(BLOCKED_SECONDS / 2)


def test_a_lock_that_stays_while_a_cluster_is_lost_calls_a_human_once() -> None:
    holder = "process 7 of ci@runner (lock /state/locks/x.json)"
    found = decisions([look_of(A_LOST, busy=holder)] * (BLOCKED_LOOKS + 20))
    assert codes(found) == ["blocked"] and withdrawn(found) == []
    assert [type(one) for one in found[: BLOCKED_LOOKS - 2]] == [Nothing] * (BLOCKED_LOOKS - 2)
    (alarm,) = (one for one in found if isinstance(one, Alarm))
    assert alarm.cluster == "a" and holder in alarm.reason
    assert "`pulumi cancel --yes --stack india`" in alarm.reason


def test_a_lock_that_goes_lets_it_be_healed_though_a_human_was_called() -> None:
    busy = look_of(A_LOST, busy="process 7 of ci@runner")
    assert withdrawn(decisions([*[busy] * (BLOCKED_LOOKS + 20), look_of(A_LOST)])) == ["a"]


def test_a_lock_while_nothing_is_lost_calls_nobody() -> None:
    assert codes(decisions([look_of(ALL_UP, busy="process 7")] * (BLOCKED_LOOKS + 20))) == []
    kept = Policy(settle_seconds=4, keep=("a",))
    assert codes(decisions([look_of(A_LOST, busy="process 7")] * (BLOCKED_LOOKS + 20), kept)) == ["not-allowed"]


def test_a_heal_that_found_the_stack_locked_is_no_change_and_tried_after_a_pause() -> None:
    memory, tried, found = Memory(), [], []
    for index in range(BLOCKED_LOOKS + 60):
        memory, decision = step(POLICY, memory, look_of(A_LOST), 2.0 * index)
        found.append(decision)
        if isinstance(decision, Withdraw):
            tried.append(2.0 * index)
            memory = locked_out(memory, "the stack is currently locked by 1 lock(s)", 30.0)
            assert memory.changes == ()
    assert codes(found) == ["blocked"], "and not the budget"
    assert {later - earlier for earlier, later in pairwise(tried)} <= {30.0, 32.0}
    memory, decision = step(POLICY, memory, look_of(A_LOST), memory.now + 30.0)
    assert isinstance(decision, Withdraw) and len(memory.changes) == 1
    assert ended(memory).locked_by == ""


def left_behind(look: Look, policy: Policy = POLICY) -> Memory:
    """Of a process that begins after another one was killed in the midst of the heal of `a`."""
    memory, index = Memory(), 0
    while memory.healing is None:
        memory, _ = step(policy, memory, look, 2.0 * index)
        index += 1
    return begun_anew(Memory.of(json.loads(json.dumps(memory.as_json()))))


@pytest.mark.parametrize("after", [2.0, 86_400.0])
def test_a_heal_that_was_left_is_not_carried_on_when_the_cluster_is_well(after: float) -> None:
    memory = left_behind(look_of(A_LOST))
    memory = replace(memory, now=memory.now + after)
    found = decisions([look_of(ALL_UP)] * 10, memory=memory)
    assert withdrawn(found) == []
    assert isinstance(found[0], Nothing) and "given up: it is well now" in found[0].reason


def test_a_heal_that_was_left_goes_on_when_witnesses_ask_for_it_again_and_costs_one_change() -> None:
    memory = left_behind(look_of(A_LOST))
    begun = memory.now
    for index in range(3):
        assert memory.left == "a"
        memory, decision = step(replace(POLICY, changes_per_hour=1), memory, look_of(A_LOST), begun + 2.0 + 2 * index)
        assert isinstance(decision, Withdraw) is (index == 2), "what another process saw is no evidence"
    assert memory.changes == (begun,) and memory.left is None
    day = left_behind(look_of(A_LOST))
    for index in range(3):
        day, decision = step(POLICY, day, look_of(A_LOST), 86_400.0 + 2 * index)
    assert isinstance(decision, Withdraw) and day.changes == (86_404.0,), "of a day ago, it is a change of this hour"


@pytest.mark.parametrize("policy", [replace(POLICY, act="alarm"), replace(POLICY, keep=("a",))])
def test_a_heal_that_was_left_is_given_up_where_the_spec_says_so_now(policy: Policy) -> None:
    found = decisions([look_of(A_LOST)] * 10, policy, left_behind(look_of(A_LOST)))
    assert withdrawn(found) == [] and codes(found) == ["not-allowed"]
    assert isinstance(found[0], Nothing) and "leaves it to a human" in found[0].reason


def test_a_heal_that_was_left_waits_while_half_of_the_clusters_look_lost() -> None:
    dark = look_of({"a": False, "b": False, "c": True})
    found = decisions([dark] * 10, memory=left_behind(look_of(A_LOST)))
    assert withdrawn(found) == [] and codes(found) == ["half-lost"]
    gone = look_of(A_LOST, ("b", "c"))
    assert "no such Cluster" in str(decisions([gone], memory=left_behind(look_of(A_LOST)))[0])


def test_a_heal_that_was_left_half_done_goes_on_unless_somebody_sees_the_cluster_up() -> None:
    memory = left_behind(look_of(A_LOST))
    out = look_of({"b": True, "c": True}, ("b", "c"), ("a",))
    found = decisions([out], memory=memory)
    assert withdrawn(found) == ["a"]
    back = look_of({"a": True, "b": True, "c": True}, ("b", "c"), ("a",))
    assert withdrawn(decisions([back] * 10, memory=memory)) == []
    assert withdrawn(decisions([replace(out, silent_edges=EDGES)] * 10, memory=memory)) == []


def test_hints_are_what_is_to_be_typed() -> None:
    (returned,) = (one for one in decisions([look_of(ALL_UP, ("b", "c"), ("a",))] * 10) if isinstance(one, Alarm))
    assert "`hdinfra restore a --stack india`" in returned.reason
    flapping = decisions([look_of(A_LOST if index // 5 % 2 else ALL_UP) for index in range(300)], Policy())
    (alarm,) = (one for one in flapping if isinstance(one, Alarm))
    assert "`hdinfra watch --forgive a --stack india`" in alarm.reason
    (kept,) = (one for one in decisions([look_of(A_LOST)] * 6, replace(POLICY, keep=("a",))) if isinstance(one, Alarm))
    assert "`hdinfra heal --cluster a --stack india`" in kept.reason


def test_a_clock_that_goes_back_hurries_and_delays_nothing() -> None:
    memory, _ = step(POLICY, Memory(), look_of(A_LOST), 4_000.0)
    memory, _ = step(POLICY, memory, look_of(A_LOST), 4_002.0)
    memory, decision = step(POLICY, memory, look_of(A_LOST), 400.0)
    assert isinstance(decision, Nothing), "2 s have been seen to pass"
    memory, decision = step(POLICY, memory, look_of(A_LOST), 402.0)
    assert isinstance(decision, Withdraw), "4 s have"
    assert memory.changes == (402.0,)


def test_a_clock_that_goes_back_keeps_no_hour_open() -> None:
    memory = Memory(now=10_000.0, changes=(9_990.0,))
    memory, _ = step(POLICY, memory, look_of(ALL_UP), 1_000.0)
    assert memory.changes == (990.0,)
    memory, _ = step(POLICY, memory, look_of(ALL_UP), 990.0 + 3_600.0)
    assert memory.changes == ()


@given(
    st.lists(
        st.tuples(st.sampled_from([A_LOST, ALL_UP, {"a": False, "b": False}, {}]), st.sampled_from([0.5, 2.0, 9.0])),
        max_size=30,
    ),
    st.sets(st.integers(0, 29), max_size=4),
    st.floats(10, 100_000),
)
def test_a_clock_that_was_set_back_decides_as_one_that_stood_still_then(
    looks: list[tuple[dict[str, bool], float]], setbacks: set[int], by: float
) -> None:
    def decided(jump: float) -> list[Decision]:
        memory, now, found = Memory(), 1_000_000.0, []
        for index, (up, pause) in enumerate(looks):
            now += -jump if index in setbacks else pause
            memory, decision = step(replace(POLICY, max_flaps=3), memory, look_of(up), now)
            found.append(decision)
            memory = ended(memory)
        return found

    assert decided(float(round(by))) == decided(0.0)


def test_memory_outlives_the_process() -> None:
    memory = Memory()
    for index in range(5):
        memory, _ = step(POLICY, memory, look_of(A_LOST), 2.0 * index)
        assert Memory.of(json.loads(json.dumps(memory.as_json()))) == memory


def test_a_policy_is_read_from_a_deployed_spec() -> None:
    told = {"settle_seconds": 3, "keep": ["a"], "budget": {"changes_per_hour": 5}, "webhooks": ["http://x.test/"]}
    assert Policy.of(told) == Policy(settle_seconds=3, keep=("a",), changes_per_hour=5)
    assert Policy.of({}) == Policy()
