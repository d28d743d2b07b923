"""API machines converge: whatever order and interleaving statements come in, all serve the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hdinfra.control.entry_kinds import KEPT
from hdinfra.control.peers import take
from hdinfra.protocol.certificate import name_of
from hdinfra.protocol.entry import Entry
from tests.machine.control_fixtures import (
    APIS,
    MEMBERS,
    SCOPE,
    SYSTEM,
    Api,
    Apis,
    Json,
    Machine,
    Stack,
    enrolled,
    gossip,
    refusal,
    report,
    told_by,
)


@contextmanager
def forgetful() -> Iterator[None]:
    """API machines that keep little, so that much is pruned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hdinfra.control.statements.RELEASES_KEPT", 3)
        patch.setitem(KEPT, "setting", 3)
        patch.setitem(KEPT, "halt", 2)
        yield


class World:
    """All statements that ever were, and fresh API machines to tell them to."""

    def __init__(self, folder: Path) -> None:
        self.apis = Apis(folder)
        with forgetful():
            self.statements = self._made()

    def _made(self) -> list[Json]:
        one, two = (self.apis.new(name).certified() for name in APIS)
        canary, said = enrolled(one), {}
        for step in range(6):
            for api in (one, two) if step % 2 else (two, one):
                self._write(api, step)
                said |= {str(single): single for each in (one, two) for single in singly(told_by(each))}
            failed = {"number": 1, "settings": one.node.statements.highest_number, "reason": "x"}
            one.post("/v1/report", report(failed=failed), canary)
            if step % 2:
                gossip(one, two)
        two.enrol(Machine("a-shop-1"), self.apis.stack.token("a-shop-1"))
        said |= {str(single): single for single in singly(told_by(two))}
        return [said[text] for text in sorted(said)]

    def _write(self, api: Api, step: int) -> None:
        """Each number first for one machine, on one API machine; then for more, on the other."""
        released = ("a-shop-1",) if api.name == APIS[step % 2] else tuple(MEMBERS)[: 2 + step % 3]
        api.publish(self.apis.stack.release(step + 1, released, issued_at=1_000))
        api.put("/v1/sites/shop.test/settings", {"paranoia": 1 + step % 3}, SYSTEM)
        api.made_token("ADMIN", "acme")
        for token in api.get("/v1/tokens", SYSTEM).json()["tokens"][1:]:
            api.delete(f"/v1/tokens/{token['id']}", SYSTEM)


def singly(told: Json) -> list[Json]:
    releases = [{"releases": [text], "entries": []} for text in told["releases"]]
    return releases + [{"releases": [], "entries": [entry]} for entry in told["entries"]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    found = World(tmp_path_factory.mktemp("world"))
    yield found
    found.apis.close()


def served(api: Api) -> Any:
    """All that callers can see, but for this machine's own notes."""
    offers = {name: api.node.offers.of(name).etag for name in MEMBERS}
    policies = api.get("/v1/policies", SYSTEM).json()
    policy = api.get(f"/v1/policies/{SCOPE}", SYSTEM)
    keys = {name: api.node.keys._seen(name) for name in api.node.keys.machines()}
    return offers, policies, policy.json(), api.get("/v1/tokens", SYSTEM).json(), keys


def told_in_order(world: World, order: list[Json]) -> Api:
    api = world.apis.new(APIS[0])
    for statement in order:
        take(api.node, statement)
    return api


@settings(max_examples=20, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_order_converges_to_the_same(world: World, data: st.DataObject) -> None:
    assert len(world.statements) > 20
    order = data.draw(st.permutations(world.statements))
    twice = data.draw(st.lists(st.sampled_from(world.statements), max_size=5))
    cut = data.draw(st.integers(0, len(order)))
    with forgetful():
        one = told_in_order(world, [*order, *twice])
        two = told_in_order(world, order[:cut])
        three = told_in_order(world, order[cut:])
        for far, near in ((two, three), (three, two)):  # each has half, and they pull from one another
            take(near.node, told_by(far))
        assert served(one) == served(two) == served(three)
        assert served(one)[1]["policies"][0]["number"] == 6
    for api in (one, two, three):
        api.node.close()


def test_what_does_not_prove_itself_is_passed_over(api: Api) -> None:
    stranger = Stack()
    told = {"releases": [stranger.release(), api.stack.release()[:-9]], "entries": [{"entry": "x", "endorsement": "y"}]}
    take(api.node, told)
    assert api.get("/v1/policies", SYSTEM).json() == {"policies": []}
    take(api.node, {"releases": [api.stack.release()], "entries": []})
    assert len(api.get("/v1/policies", SYSTEM).json()["policies"]) == 1


def test_entries_of_unknown_kind_or_shape_are_passed_over(api: Api) -> None:
    before = told_by(api)
    for kind, key, body in (
        ("mystery", "x", {}),
        ("setting", "no-scope", {}),
        ("key", "a/b/c", {"role": "waf"}),
        ("halt", "a/b", {"machine": "x", "reason": "y"}),
        ("token", "x", {"hash": 1}),
        ("completed", "x", {}),
    ):
        entry = api.node.authority.sign(entry_of(api, kind, key, body))
        take(api.node, {"releases": [], "entries": [{"entry": entry.entry, "endorsement": entry.endorsement}]})
    assert told_by(api) == before


def entry_of(api: Api, kind: str, key: str, body: Json) -> Entry:
    return Entry(api.node.settings.zone, kind, key, 1, api.name, 0, "x", body)


def test_only_api_machines_are_told_all(api: Api) -> None:
    other = enrolled(api, APIS[1], "control")
    api.publish(api.stack.release())
    told = api.get("/v1/peer/statements", other).json()
    assert len(told["releases"]) == 1 and told["last"] > 0 and told["ledger"]
    again = api.get(f"/v1/peer/statements?after={told['last']}", other).json()
    assert (again["releases"], again["entries"], again["last"]) == ([], [], told["last"])
    assert refusal(api.get("/v1/peer/statements", enrolled(api))) == (403, "peer.role")
    assert refusal(api.get("/v1/peer/statements")) == (403, "certificate.missing")
    assert refusal(api.get("/v1/peer/statements", SYSTEM)) == (403, "certificate.missing")


def test_a_peers_own_key_is_not_taken_for_a_second_one(api: Api) -> None:
    """The API and the hdsync of one API machine have a key each, under one enrolment."""
    sealed = api.stack.token(APIS[1], "control")
    hdsync, its_api = Machine(APIS[1], "control"), Machine(APIS[1], "control")
    api.enrol(hdsync, sealed)
    name = name_of(hdsync.certificate)
    its_api.certificate = api.node.authority.issue(its_api.csr, name, api.clock())
    assert api.get("/v1/peer/statements", its_api).status_code == 200
    assert api.get("/v1/sync", hdsync).status_code == 200
    assert api.get("/v1/alarms", SYSTEM).json() == {"alarms": []}
    newer = enrolled(api, APIS[1], "control")
    assert refusal(api.get("/v1/peer/statements", its_api)) == (403, "certificate.superseded")
    assert api.get("/v1/peer/statements", newer).status_code == 200


def test_statements_come_in_batches_that_a_peer_can_hold(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    other = enrolled(api, APIS[1], "control")
    for number in range(1, 6):
        api.publish(api.stack.release(number))
    monkeypatch.setattr("hdinfra.control.peers._BATCH_CHARACTERS", 10)
    after, seen = 0, []
    while (told := api.get(f"/v1/peer/statements?after={after}", other).json())["last"] > after:
        after = told["last"]
        seen += told["releases"]
        assert len(told["releases"]) + len(told["entries"]) == 1
    assert len(seen) == 5


def test_an_api_machine_made_anew_learns_all_from_the_other(apis: Apis) -> None:
    one, two = apis.new(APIS[0]).certified(), apis.new(APIS[1]).certified()
    machine = enrolled(one)
    one.publish(apis.stack.release())
    for api in (one, two):
        gossip(one, two)
        api.post("/v1/report", report(), machine)
    number = one.put("/v1/sites/shop.test/settings", {"paranoia": 2}, SYSTEM).json()["number"]
    secret = one.made_token("ADMIN", "acme")
    one.post("/v1/report", report(number), machine)
    gossip(one, two)
    anew = apis.new(APIS[0]).certified()
    take(anew.node, told_by(two))
    assert anew.get("/v1/sync", machine).json()["settings"] == one.get("/v1/sync", machine).json()["settings"]
    assert anew.get("/v1/tokens", secret).status_code == 200
    assert anew.put("/v1/sites/shop.test/settings", {"paranoia": 3}, SYSTEM).json()["number"] > number
