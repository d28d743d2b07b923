"""A machine's name moves to another server: the old key is refused at once, and the new one has role and policy."""

import time

import pytest

from hdinfra.protocol.release import open_release
from hdinfra.protocol.seal import public_of
from tests.machine.control_fixtures import (
    APIS,
    SCOPE,
    SYSTEM,
    ZONE,
    Api,
    Apis,
    Machine,
    enrolled,
    gossip,
    refusal,
    report,
)

WAF = "a-shop-1"
ENROLMENT = f"/v1/machines/{WAF}/enrolment"


def withdrawn(api: Api) -> int:
    answer = api.delete(ENROLMENT, SYSTEM)
    assert answer.status_code == 200
    return int(answer.json()["serial"])


def test_the_old_server_is_refused_and_the_new_one_has_role_and_policy(api: Api) -> None:
    api.publish(api.stack.release())
    old = enrolled(api)
    assert api.get("/v1/sync", old).status_code == 200
    withdrawn(api)
    for answer in (
        api.get("/v1/sync", old),
        api.post("/v1/report", report(), old),
        api.post("/v1/renew", {"csr": old.csr}, old),
    ):
        assert refusal(answer) == (403, "certificate.superseded")
    new = enrolled(api)
    offered = api.get("/v1/sync", new).json()
    releases = [open_release(one, public_of(api.stack.key), ZONE) for one in offered["releases"]]
    assert [(one.scope, one.number) for one in releases] == [(SCOPE, 1)]
    assert api.post("/v1/report", report(), new).status_code == 200
    told = {one["name"]: one for one in api.get("/v1/machines", SYSTEM).json()["machines"]}[WAF]
    assert (told["role"], told["scope"], told["revoked"], told["serving"]) == ("waf", SCOPE, False, True)
    assert refusal(api.get("/v1/sync", old)) == (403, "certificate.superseded")


def test_a_token_from_before_makes_nobody_a_machine(api: Api) -> None:
    enrolled(api)
    unused = api.stack.token(WAF, at=time.time() - 1)
    withdrawn(api)
    assert refusal(api.enrol(Machine(WAF), unused)) == (403, "token.superseded")


def test_every_api_machine_hears_of_it(apis: Apis) -> None:
    one, two = apis.new(APIS[0]).certified(), apis.new(APIS[1]).certified()
    old = enrolled(one)
    gossip(one, two)
    withdrawn(two)
    assert one.get("/v1/sync", old).status_code == 200
    gossip(one, two)
    assert refusal(one.get("/v1/sync", old)) == (403, "certificate.superseded")


@pytest.mark.parametrize("first", [0, 1])
def test_two_api_machines_that_are_told_at_once_agree(apis: Apis, first: int) -> None:
    both = [apis.new(name).certified() for name in APIS]
    old = enrolled(both[0])
    gossip(*both)
    withdrawn(both[first])
    withdrawn(both[1 - first])
    new = enrolled(both[0])
    gossip(*both)
    for api in both:
        assert refusal(api.get("/v1/sync", old)) == (403, "certificate.superseded")
        assert api.get("/v1/sync", new).status_code == 200


def test_once_more_changes_nothing_for_anybody(api: Api) -> None:
    old = enrolled(api)
    serials = [withdrawn(api) for _ in range(3)]
    assert serials == sorted(set(serials))
    assert refusal(api.get("/v1/sync", old)) == (403, "certificate.superseded")
    assert api.get("/v1/sync", enrolled(api)).status_code == 200


def test_it_is_remembered_and_noted(api: Api) -> None:
    old = enrolled(api)
    withdrawn(api)
    api.node.close()
    api.start()
    assert refusal(api.get("/v1/sync", old)) == (403, "certificate.superseded")
    rows = api.get("/v1/audit", SYSTEM).json()["audit"]
    assert ("machines.withdraw", "stack", "ok") in {(row["action"], row["author"], row["outcome"]) for row in rows}


def test_a_machine_that_never_came_has_nothing_to_withdraw(api: Api) -> None:
    assert refusal(api.delete(ENROLMENT, SYSTEM)) == (404, "machine.unknown")


def test_a_clock_that_went_back_withdraws_all_the_same(api: Api) -> None:
    old = enrolled(api)
    api.clock.ahead = -3_600
    withdrawn(api)
    assert refusal(api.get("/v1/sync", old)) == (403, "certificate.superseded")
