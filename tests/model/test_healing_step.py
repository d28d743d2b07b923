"""When a Cluster is given up: only on what two others agree on, once, within bounds, and never in doubt."""

import json
from collections.abc import Iterable

import pytest

from hdinfra.model.healing.memory import Alarm, Decision, Look, Memory, Nothing, Policy, Withdraw, ended, forgiven
from hdinfra.model.healing.sighting import Sighting
from hdinfra.model.healing.step import step
from tests.model.healing_looks import A_LOST, ALL_UP, CLUSTERS, look_of, seen_by

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


def test_no_word_from_anybody_is_no_loss() -> None:
    assert decisions([Look((), CLUSTERS)] * 5)[-1] == Nothing("no witness says anything")


def test_a_clock_that_goes_back_hurries_and_delays_nothing() -> None:
    memory, _ = step(POLICY, Memory(), look_of(A_LOST), 1_000.0)
    memory, _ = step(POLICY, memory, look_of(A_LOST), 10.0)
    assert memory.now == 1_000.0
    memory, decision = step(POLICY, memory, look_of(A_LOST), 1_004.0)
    assert isinstance(decision, Withdraw)


def test_memory_outlives_the_process() -> None:
    memory = Memory()
    for index in range(5):
        memory, _ = step(POLICY, memory, look_of(A_LOST), 2.0 * index)
        assert Memory.of(json.loads(json.dumps(memory.as_json()))) == memory


def test_a_policy_is_read_from_a_deployed_spec() -> None:
    told = {"settle_seconds": 3, "keep": ["a"], "budget": {"changes_per_hour": 5}, "webhooks": ["http://x.test/"]}
    assert Policy.of(told) == Policy(settle_seconds=3, keep=("a",), changes_per_hour=5)
    assert Policy.of({}) == Policy()
