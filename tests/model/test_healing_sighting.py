"""From what API machines answer to what was seen, by whom, and how long ago."""

from typing import Any

from hdinfra.model.healing.sighting import LIVE_SECONDS, Sighting, sightings_of, silent_edges


def row(name: str, cluster: str, seen: float | None, **more: Any) -> dict[str, Any]:
    return {"name": name, "cluster": cluster, "seen_seconds": seen, "clusters": {}, **more}


def told(found: tuple[Sighting, ...]) -> set[tuple[str, str, bool, float]]:
    return {(one.witness, one.cluster, one.up, one.age) for one in found}


def test_an_api_machine_sees_whom_it_hears_and_counts_itself_for_nothing() -> None:
    machines = [
        row("b-control-1", "b", 0.1),
        row("b-web-1", "b", 2.0),
        row("a-web-1", "a", LIVE_SECONDS + 1),
        row("a-web-2", "a", 90.0),
        row("c-web-1", "c", None),
    ]
    found = sightings_of({"b-control-1": {"machines": machines}})
    assert told(found) == {("b-control-1", "b", True, 2.0), ("b-control-1", "a", False, 0.0)}
    assert {one.stands for one in found} == {"b"}


def test_one_machine_that_is_heard_makes_its_cluster_heard() -> None:
    machines = [row("b-control-1", "b", 0.1), row("a-web-1", "a", 60.0), row("a-web-2", "a", 1.5)]
    found = sightings_of({"b-control-1": {"machines": machines}})
    assert ("b-control-1", "a", True, 1.5) in told(found)


def test_an_edges_word_counts_once_and_from_whom_it_is_newest() -> None:
    old = row("east-edge", "east", 9.0, clusters={"a": {"up": 2, "all": 2}})
    new = row("east-edge", "east", 1.0, clusters={"a": {"up": 0, "all": 2}, "b": {"up": 1, "all": 2}})
    found = sightings_of({"a-control-1": {"machines": [old]}, "b-control-1": {"machines": [new]}})
    edges = [one for one in found if one.witness == "east-edge"]
    assert told(tuple(edges)) == {("east-edge", "a", False, 1.0), ("east-edge", "b", True, 1.0)}


def test_an_edge_that_is_silent_itself_says_nothing_of_others() -> None:
    silent = row("east-edge", "east", LIVE_SECONDS + 1, clusters={"a": {"up": 0, "all": 1}})
    found = sightings_of({"b-control-1": {"machines": [silent]}})
    assert told(found) == {("b-control-1", "east", False, 0.0)}


def test_a_withdrawn_cluster_that_returns_is_heard_though_no_policy_names_its_machines() -> None:
    machines = [row("b-control-1", "b", 0.1), row("a-web-1", "", 1.0), row("x-web-1", "", 1.0)]
    found = sightings_of({"b-control-1": {"machines": machines}}, ("a",))
    assert told(found) == {("b-control-1", "a", True, 1.0)}


def test_edges_are_silent_only_when_no_api_machine_heard_any() -> None:
    edge = {"role": "load-balancer"}
    late, never = row("east-edge", "east", LIVE_SECONDS + 1, **edge), row("west-edge", "west", None, **edge)
    waf = row("a-web-1", "a", 1.0, role="waf")
    assert silent_edges({"b-control-1": {"machines": [late, never, waf]}}) == ("east-edge", "west-edge")
    heard = row("west-edge", "west", 1.0, **edge)
    assert silent_edges({"b-control-1": {"machines": [late, never]}, "c-control-1": {"machines": [heard]}}) == ()
    assert silent_edges({"b-control-1": {"machines": [waf]}}) == (), "its edges are not ours"
    assert silent_edges({}) == ()
