"""Public keys of the mesh at the API machines: said by machines for themselves, told to those that speak with them."""

from typing import Any

import pytest

from hdinfra.protocol.entry import SealedEntry, open_entry
from hdinfra.protocol.seal import public_of
from tests.machine.control_fixtures import APIS, SYSTEM, ZONE, Api, Apis, Machine, enrolled, gossip, refusal, report

KEY, OTHER = "A" * 43 + "=", "B" * 43 + "="


def word(version: int = 1, public: str = KEY, **changes: Any) -> dict[str, Any]:
    """What a machine says of its place in the mesh."""
    return {"version": version, "public": public, "switched": False, "silent": [], **changes}


def told(api: Api, machine: Machine) -> dict[str, Any]:
    """By machine and version what a sync tells of others' keys, each proven by the stack's own endorsement."""
    found = api.get("/v1/sync", machine).json().get("mesh", [])
    entries = [open_entry(SealedEntry(**one), public_of(api.stack.key), ZONE) for one in found]
    assert {entry.kind for entry in entries} <= {"mesh"}
    return {entry.key: dict(entry.body) for entry in entries}


def test_a_waf_and_an_edge_hear_of_one_another_and_nobody_of_itself(api: Api) -> None:
    waf, edge = enrolled(api), enrolled(api, "east-edge", "load-balancer")
    control = enrolled(api, APIS[0], "control")
    api.post("/v1/report", report(mesh=word()), waf)
    api.post("/v1/report", report(mesh=word(public=OTHER, switched=True)), edge)
    assert told(api, edge) == {"a-shop-1/1": {"public": KEY, "switched": False}}
    assert told(api, waf) == {"east-edge/1": {"public": OTHER, "switched": True}}
    assert told(api, control) == {}


def test_what_is_news_wakes_the_peers_and_what_is_known_does_not(api: Api) -> None:
    waf, edge = enrolled(api), enrolled(api, "east-edge", "load-balancer")

    def etag() -> str:
        return str(api.get("/v1/sync", edge).json()["etag"])

    etags = [etag()]
    for said in (word(), word(switched=True), word(2, OTHER)):
        for _ in range(2):
            api.post("/v1/report", report(mesh=said), waf)
        etags.append(etag())
    assert len(set(etags)) == 4
    assert len(api.node.statements.group("mesh", "a-shop-1")) == 3, "each word is kept once"


def test_the_newest_word_on_a_key_holds_and_old_versions_are_kept_for_a_while(api: Api) -> None:
    waf, edge = enrolled(api), enrolled(api, "east-edge", "load-balancer")
    for version in range(1, 7):
        for switched in (False, True):
            api.post("/v1/report", report(mesh=word(version, switched=switched)), waf)
    found = told(api, edge)
    assert found["a-shop-1/6"] == found["a-shop-1/5"] == {"public": KEY, "switched": True}
    assert len(found) == 4, "eight words are four versions"


def test_the_other_api_machine_hears_of_it_and_says_it_no_second_time(apis: Apis) -> None:
    one, two = apis.new(APIS[0]).certified(), apis.new(APIS[1]).certified()
    waf, edge = enrolled(one), enrolled(one, "east-edge", "load-balancer")
    one.post("/v1/report", report(mesh=word()), waf)
    gossip(one, two)
    assert told(two, edge) == told(one, edge) != {}
    two.post("/v1/report", report(mesh=word()), waf)
    assert len(two.node.statements.group("mesh", "a-shop-1")) == 1


def test_operators_see_who_is_silent(api: Api) -> None:
    api.post("/v1/report", report(mesh=word(silent=["east-edge"])), enrolled(api))
    (found,) = [one for one in api.get("/v1/machines", SYSTEM).json()["machines"] if one["name"] == "a-shop-1"]
    assert (found["mesh"]["version"], found["mesh"]["silent"]) == (1, ["east-edge"])


@pytest.mark.parametrize(
    "bad",
    [
        word(0),
        word(public="short"),
        word(public="A" * 44),
        word(switched="yes"),
        word(private="no such thing"),
        word(silent=["x" * 101]),
    ],
    ids=["version", "short", "no end", "switched", "another field", "long name"],
)
def test_refuses_words_that_are_none(api: Api, bad: dict[str, Any]) -> None:
    answer = api.post("/v1/report", report(mesh=bad), enrolled(api))
    assert refusal(answer)[0] == 422
    assert api.node.statements.groups("mesh") == []


def test_a_zone_without_a_mesh_says_nothing_of_it(api: Api) -> None:
    waf = enrolled(api)
    api.post("/v1/report", report(), waf)
    assert "mesh" not in api.get("/v1/sync", waf).json()
