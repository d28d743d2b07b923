"""Enrolment, renewal, sync and reports; every refusal that a machine can meet."""

import asyncio
import time

import pytest

from hdinfra.protocol import certificate
from hdinfra.protocol.entry import SealedEntry, open_entry
from hdinfra.protocol.release import open_release
from hdinfra.protocol.seal import public_of
from tests.machine.control_fixtures import (
    APIS,
    MEMBERS,
    SYSTEM,
    ZONE,
    Api,
    Apis,
    Machine,
    Stack,
    enrolled,
    gossip,
    refusal,
    report,
)

WAF = "a-shop-1"


def test_a_token_gives_a_certificate_for_its_machine_alone(api: Api) -> None:
    sealed = api.stack.token(WAF)
    machine = Machine(WAF)
    api.enrol(machine, sealed)
    name = certificate.name_of(machine.certificate)
    assert (name.zone, name.role, name.machine) == (ZONE, "waf", WAF)
    assert certificate.key_id(machine.certificate) == certificate.key_id(machine.csr)
    authority = machine.certificate.split("-----END CERTIFICATE-----\n")[1] + "-----END CERTIFICATE-----\n"
    certificate.check_issued(machine.certificate, authority)
    certificate.check_issued(authority, api.stack.root)


def test_a_lost_answer_strands_no_machine(api: Api) -> None:
    sealed, machine = api.stack.token(WAF), Machine(WAF)
    assert api.enrol(machine, sealed).status_code == 200
    assert api.enrol(machine, sealed).status_code == 200
    assert api.get("/v1/sync", machine).status_code == 200
    assert api.get("/v1/alarms", SYSTEM).json() == {"alarms": []}


@pytest.mark.parametrize(
    ("code", "made"),
    [
        ("token.expired", lambda stack: stack.token(WAF, at=time.time() - 901)),
        ("token.early", lambda stack: stack.token(WAF, at=time.time() + 330)),
        ("token.foreign", lambda stack: stack.token(WAF, zone="europe")),
        ("seal.foreign", lambda _: Stack().token(WAF)),
        ("seal.shape", lambda stack: stack.token(WAF)[:-20]),
        ("seal.kind", lambda stack: stack.release()),
        ("seal.foreign", lambda stack: stack.token(WAF).replace(WAF, "\\ud800")),
    ],
)
def test_refuses_tokens(api: Api, code: str, made: object) -> None:
    assert callable(made)
    assert refusal(api.enrol(Machine(WAF), made(api.stack))) == (403, code)
    assert api.node.keys.machines() == []


@pytest.mark.parametrize(
    ("code", "csr"),
    [("certificate.shape", "no request"), ("certificate.shape", Machine(WAF).csr[:90])],
    ids=["no request", "cut short"],
)
def test_refuses_requests_that_are_none(api: Api, code: str, csr: str) -> None:
    assert refusal(api.post("/v1/enrol", {"token": api.stack.token(WAF), "csr": csr})) == (403, code)


def test_refuses_the_token_of_a_predecessor(api: Api) -> None:
    older = api.stack.token(WAF, at=time.time() - 60)
    enrolled(api)
    assert refusal(api.enrol(Machine(WAF), older)) == (403, "token.superseded")


def test_a_token_replayed_on_the_same_api_machine_revokes_both(api: Api) -> None:
    sealed, machine = api.stack.token(WAF), Machine(WAF)
    api.enrol(machine, sealed)
    assert refusal(api.enrol(Machine(WAF), sealed)) == (403, "token.used")
    assert refusal(api.get("/v1/sync", machine)) == (403, "machine.revoked")
    assert refusal(api.enrol(machine, sealed)) == (403, "machine.revoked")
    assert [(a["code"], a["machine"]) for a in api.get("/v1/alarms", SYSTEM).json()["alarms"]] == [
        ("machine.two-keys", WAF)
    ]
    told = {m["name"]: m for m in api.get("/v1/machines", SYSTEM).json()["machines"]}
    assert told[WAF]["revoked"] is True


def test_a_token_replayed_on_the_other_api_machine_revokes_both_on_both(apis: Apis) -> None:
    one, two = apis.new(APIS[0]).certified(), apis.new(APIS[1]).certified()
    sealed, machine, thief = one.stack.token(WAF), Machine(WAF), Machine(WAF)
    assert one.enrol(machine, sealed).status_code == 200
    assert two.enrol(thief, sealed).status_code == 200  # it has not heard of the machine yet
    assert refusal(two.get("/v1/sync", machine)) == (403, "machine.revoked")  # noticed when the machine comes
    gossip(one, two)
    for api in (one, two):
        assert {refusal(api.get("/v1/sync", who)) for who in (machine, thief)} == {(403, "machine.revoked")}
        assert [a["code"] for a in api.get("/v1/alarms", SYSTEM).json()["alarms"]] == ["machine.two-keys"]


def test_a_token_that_the_other_api_machine_has_seen_is_used(apis: Apis) -> None:
    one, two = apis.new(APIS[0]).certified(), apis.new(APIS[1]).certified()
    sealed = one.stack.token(WAF)
    one.enrol(Machine(WAF), sealed)
    gossip(one, two)
    assert refusal(two.enrol(Machine(WAF), sealed)) == (403, "token.used")


def test_a_machine_made_anew_ends_its_predecessor_and_its_revocation(api: Api) -> None:
    sealed, old = api.stack.token(WAF, at=time.time() - 1), Machine(WAF)
    api.enrol(old, sealed)
    api.enrol(Machine(WAF), sealed)
    new = enrolled(api)
    assert api.get("/v1/sync", new).status_code == 200
    assert refusal(api.get("/v1/sync", old)) == (403, "certificate.superseded")
    assert refusal(api.post("/v1/report", report(), old)) == (403, "certificate.superseded")


def test_refuses_machines_without_a_certificate_of_ours(api: Api) -> None:
    assert refusal(api.get("/v1/sync")) == (403, "certificate.missing")
    expired = {"X-Hdinfra-Verify": "FAILED:certificate has expired", "X-Hdinfra-Certificate": ""}
    assert refusal(api.request("GET", "/v1/sync", expired)) == (403, "certificate.missing")
    for escaped, code in (("", "certificate.shape"), ("%00%ff", "certificate.shape")):
        headers = {"X-Hdinfra-Verify": "SUCCESS", "X-Hdinfra-Certificate": escaped}
        assert refusal(api.request("GET", "/v1/sync", headers)) == (403, code)
    root = Machine("x", certificate=api.stack.root)
    assert refusal(api.get("/v1/sync", root)) == (403, "certificate.name")


def test_refuses_a_certificate_of_another_zone(api: Api) -> None:
    key = certificate.new_key()
    name = certificate.Name("europe", "waf", WAF, 1)
    leaf = certificate.issue_leaf(api.stack.root, api.stack.root_key, certificate.request(key, WAF), name, time.time())
    assert refusal(api.get("/v1/sync", Machine(WAF, "waf", key, leaf))) == (403, "certificate.foreign")


def test_renews_for_the_same_key_alone(api: Api) -> None:
    machine = enrolled(api)
    answer = api.post("/v1/renew", {"csr": machine.csr}, machine)
    assert certificate.name_of(answer.json()["certificate"]) == certificate.name_of(machine.certificate)
    assert refusal(api.post("/v1/renew", {"csr": Machine(WAF).csr}, machine)) == (403, "certificate.other-key")


def test_a_machine_gets_the_highest_release_that_lists_it(api: Api) -> None:
    machine = enrolled(api)
    assert api.get("/v1/sync", machine).json()["releases"] == []
    for sealed in (api.stack.release(1), api.stack.release(2, ("b-shop-1",)), api.stack.release(3, (WAF,))):
        assert api.publish(sealed).status_code == 200
    answer = api.get("/v1/sync", machine).json()
    release = open_release(answer["releases"][0], public_of(api.stack.key), ZONE)
    assert (release.number, len(answer["releases"]), answer["settings"]) == (3, 1, [])
    assert abs(answer["now"] - time.time()) < 5
    other = api.get("/v1/sync", enrolled(api, "b-shop-2")).json()
    assert open_release(other["releases"][0], public_of(api.stack.key), ZONE).number == 1


def test_what_was_seen_is_not_sent_again(api: Api) -> None:
    machine = enrolled(api)
    api.publish(api.stack.release())
    etag = api.get("/v1/sync", machine).json()["etag"]
    assert api.get(f"/v1/sync?seen={etag}", machine).json().keys() == {"now", "etag"}
    api.publish(api.stack.release(2, ("b-shop-1",)))
    assert api.get(f"/v1/sync?seen={etag}", machine).json()["etag"] == etag


def test_settings_come_with_what_is_needed_to_believe_them(api: Api) -> None:
    machine = enrolled(api)
    api.publish(api.stack.release())
    api.post("/v1/report", report(), machine)
    number = api.put("/v1/sites/shop.test/settings", {"mode": "MITIGATION"}, SYSTEM).json()["number"]
    told = api.get("/v1/sync", machine).json()["settings"]
    entries = [open_entry(SealedEntry(**one), public_of(api.stack.key), ZONE) for one in told]
    assert [(e.number, e.key, e.body) for e in entries] == [(number, "instance-shop/shop.test", {"mode": "MITIGATION"})]


async def hanging(api: Api, machine: Machine, etag: str, deed: object) -> tuple[float, dict[str, object]]:
    """Seconds from the deed to the answer of a GET that hung before it."""
    waiting = asyncio.create_task(api.ask("GET", f"/v1/sync?seen={etag}&wait=20", machine.headers))
    while not api.node.offered._next._waiters:  # no sleep: until it hangs
        await asyncio.sleep(0)
    assert callable(deed)
    begin = time.monotonic()
    await deed()
    answer = await waiting
    return time.monotonic() - begin, answer.json()


def test_a_hanging_get_is_woken_by_a_write(apis: Apis, api: Api) -> None:
    machine = enrolled(api)
    api.publish(api.stack.release())
    etag = api.get("/v1/sync", machine).json()["etag"]
    body = {"release": api.stack.release(2)}
    bearer = {"Authorization": f"Bearer {SYSTEM}"}
    took, answer = apis.run(
        hanging(api, machine, etag, lambda: api.ask("PUT", "/v1/policies/instance-shop", bearer, json=body))
    )
    assert answer["etag"] != etag and answer["releases"]
    assert took < 5  # of the 20 that it would have hung


def test_a_hanging_get_is_woken_by_the_end_of_a_bake(apis: Apis, api: Api) -> None:
    canary, other = enrolled(api), enrolled(api, "b-shop-1")
    api.publish(api.stack.release(bake_seconds=0.4))
    for machine in (canary, other):
        api.post("/v1/report", report(), machine)
    number = api.put("/v1/sites/shop.test/settings", {"paranoia": 2}, SYSTEM).json()["number"]
    etag = api.get("/v1/sync", other).json()["etag"]
    took, answer = apis.run(
        hanging(api, other, etag, lambda: api.ask("POST", "/v1/report", canary.headers, json=report(number)))
    )
    assert len(answer["settings"]) == 1  # type: ignore[arg-type]
    assert 0.4 <= took < 0.5


def test_a_machine_that_is_revoked_while_it_hangs_gets_nothing(apis: Apis, api: Api) -> None:
    sealed, machine = api.stack.token(WAF), Machine(WAF)
    api.enrol(machine, sealed)
    api.publish(api.stack.release())
    etag = api.get("/v1/sync", machine).json()["etag"]
    body = {"token": sealed, "csr": Machine(WAF).csr}

    async def steal() -> None:
        await api.ask("POST", "/v1/enrol", json=body)
        await api.ask("PUT", "/v1/policies/instance-shop", {"Authorization": f"Bearer {SYSTEM}"}, json=more)

    more = {"release": api.stack.release(2)}
    _, answer = apis.run(hanging(api, machine, etag, steal))
    assert answer["error"] == "machine.revoked"


def test_a_get_hangs_no_longer_than_it_wants(api: Api) -> None:
    machine = enrolled(api)
    begin = time.monotonic()
    assert api.get("/v1/sync?seen=none&wait=0.2", machine).json()["etag"] == "none"
    assert 0.2 <= time.monotonic() - begin < 2
    assert refusal(api.get("/v1/sync?wait=31", machine)) == (422, "request.shape")


def test_operators_see_every_machine_with_its_own_words(api: Api) -> None:
    machine = enrolled(api)
    api.publish(api.stack.release())
    failed = {"number": 1, "settings": 0, "reason": "nginx: [emerg] x"}
    sent = report(
        failed=failed,
        serving=False,
        problems=["disk full"],
        overrides={"shop.test": "BYPASS"},
        digest="0" * 64,
        profile="1" * 64,
        clusters={"a": {"up": 0, "all": 2}, "b": {"up": 2, "all": 2}},
    )
    assert api.post("/v1/report", sent, machine).json()["now"] > 0
    told = {one.pop("name"): one for one in api.get("/v1/machines", SYSTEM).json()["machines"]}
    assert sorted(told) == sorted(MEMBERS)
    found = told[WAF]
    assert {name: found[name] for name in sent} == sent
    assert (found["role"], found["cluster"], found["scope"]) == ("waf", "a", "instance-shop")
    assert found["seen_seconds"] < 5 and found["serial"] > 0 and found["revoked"] is False
    assert told["b-shop-1"]["seen_seconds"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"number": -1},
        {"number": 2**53},
        {"number": "1"},
        {"more": 1},
        {"digest": "x"},
        {"failed": {}},
        {"clusters": {"a": {"up": -1, "all": 1}}},
        {"clusters": {"../a": {"up": 1, "all": 1}}},
    ],
)
def test_refuses_reports_of_another_shape(api: Api, change: dict[str, object]) -> None:
    assert refusal(api.post("/v1/report", {**report(), **change}, enrolled(api))) == (422, "request.shape")


def test_reports_and_keys_outlive_a_restart(api: Api) -> None:
    machine = enrolled(api)
    api.publish(api.stack.release())
    api.post("/v1/report", report(), machine)
    before, etag = known(api), api.get("/v1/sync", machine).json()["etag"]
    assert before[0]["settings"] == 0 and before[0]["serial"]
    api.node.close()
    api.start()
    assert known(api) == before
    assert api.get("/v1/sync", machine).json()["etag"] == etag


def known(api: Api) -> list[dict[str, object]]:
    told = api.get("/v1/machines", SYSTEM).json()["machines"]
    return [{name: one[name] for name in one.keys() - {"seen_seconds"}} for one in told]


def test_an_unchanged_report_writes_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = enrolled(api)
    api.post("/v1/report", report(), machine)
    monkeypatch.setattr(api.node.store, "keep_report", lambda *_: pytest.fail("written"))
    assert api.post("/v1/report", report(), machine).status_code == 200


def test_an_edge_says_which_pool_takes_users(api: Api) -> None:
    edge = enrolled(api, "east-edge", "load-balancer")
    api.post("/v1/report", report(failover={"chosen": {"shop": "second"}}), edge)
    found = next(one for one in api.get("/v1/machines", SYSTEM).json()["machines"] if one["name"] == "east-edge")
    assert found["failover"] == {"chosen": {"shop": "second"}}
    bad = api.post("/v1/report", report(failover={"chosen": {"shop": "Second pool"}}), edge)
    assert refusal(bad)[0] == 422
