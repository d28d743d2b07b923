"""What admins do: policies, sites, tokens, the audit log; every refusal."""

import time
from typing import Any

import pytest

from hdinfra.control import store
from hdinfra.protocol.merge import merged
from hdinfra.protocol.release import open_release
from hdinfra.protocol.seal import MAX_BYTES, public_of
from tests.machine.control_fixtures import (
    APIS,
    MEMBERS,
    SCOPE,
    SYSTEM,
    ZONE,
    Api,
    Apis,
    Stack,
    document,
    enrolled,
    gossip,
    refusal,
    report,
    site,
)

SETTINGS = "/v1/sites/shop.test/settings"


@pytest.fixture
def served(api: Api) -> Api:
    """With a release, and one machine that serves it."""
    api.publish(api.stack.release())
    api.post("/v1/report", report(), enrolled(api))
    return api


def test_a_release_is_known_by_its_number(api: Api) -> None:
    sealed = api.stack.release(7, ("a-shop-1",))
    assert api.publish(sealed).json() == {"number": 7}
    assert api.publish(sealed).json() == {"number": 7}  # again
    assert api.publish(api.stack.release(7, tuple(MEMBERS))).json() == {"number": 7}  # more machines
    assert api.get("/v1/policies", SYSTEM).json()["policies"][0] == {
        "scope": SCOPE,
        "number": 7,
        "issued_at": pytest.approx(time.time(), abs=5),
        "members": MEMBERS,
        "released": sorted(MEMBERS),
        "bake_seconds": 0,
        "rollback_of": None,
        "code": {},
        "whole": True,
    }


def test_fewer_machines_are_no_step_back(api: Api) -> None:
    api.publish(api.stack.release(7))
    assert api.publish(api.stack.release(7, ("a-shop-1",))).status_code == 200
    assert api.get("/v1/policies", SYSTEM).json()["policies"][0]["whole"] is True


@pytest.mark.parametrize(
    ("status", "code", "changes"),
    [
        (409, "release.older", {"number": 6}),
        (409, "release.older", {"number": 7, "document": document(site("other.test"))}),
        (409, "release.older", {"number": 7, "members": {"a-shop-1": "a"}}),
        (422, "policy.scope", {"number": 8, "scope": "instance-other"}),
        (403, "release.early", {"number": 8, "issued_at": int(time.time()) + 3_600}),
        (403, "release.foreign", {"number": 8, "zone": "europe"}),
        (403, "release.shape", {"number": 0}),
        (403, "policy.shape", {"number": 8, "document": {"app": "waf"}}),
        (403, "policy.shape", {"number": 8, "document": {"app": "waf", "sites": [site()] * 2_001}}),
        (403, "policy.shape", {"number": 8, "document": {"app": "waf", "sites": [site(mode="OFF")]}}),
    ],
)
def test_refuses_releases(api: Api, status: int, code: str, changes: dict[str, Any]) -> None:
    api.publish(api.stack.release(7))
    before = api.get(f"/v1/policies/{SCOPE}", SYSTEM).json()
    assert refusal(api.publish(api.stack.release(**changes))) == (status, code)
    assert api.get(f"/v1/policies/{SCOPE}", SYSTEM).json() == before


def test_refuses_releases_that_the_stack_did_not_sign(api: Api) -> None:
    good = api.stack.release()
    for sealed, code in (
        (Stack().release(), "seal.foreign"),
        (good[:-30], "seal.shape"),
        (good.replace("a-shop-1", "a-shop-9"), "seal.foreign"),
        (api.stack.token("a-shop-1"), "seal.kind"),
    ):
        assert refusal(api.publish(sealed)) == (403, code)
    assert refusal(api.get(f"/v1/policies/{SCOPE}", SYSTEM)) == (404, "policy.unknown")
    assert refusal(api.get(f"/v1/policies/{SCOPE}/history", SYSTEM)) == (404, "policy.unknown")


def test_the_largest_release_passes(api: Api) -> None:
    origins = [{"address": "203.0.113.9", "port": 80}] * 5
    sites = [site(f"shop-{number}.test", origins=origins) for number in range(2_000)]
    sealed = api.stack.release(document=document(*sites))
    assert MAX_BYTES * 0.8 < len(sealed) < MAX_BYTES
    assert api.publish(sealed).status_code == 200
    found = api.get("/v1/sync", enrolled(api)).json()["releases"]
    assert open_release(found[0], public_of(api.stack.key), ZONE).document["sites"] == sites
    assert api.put("/v1/sites/shop-1999.test/settings", {"paranoia": 3}, SYSTEM).status_code == 200


def test_history_is_newest_first_and_proves_itself(api: Api) -> None:
    for number in range(1, 24):
        api.publish(api.stack.release(number, rollback_of=22 if number == 23 else None))
    told = api.get(f"/v1/policies/{SCOPE}/history", SYSTEM).json()["history"]
    assert [one["number"] for one in told] == list(range(23, 3, -1))
    assert (told[0]["rollback_of"], told[0]["document"]) == (22, document())
    assert open_release(told[5]["sealed"], public_of(api.stack.key), ZONE).number == 18


def test_what_all_may_have_is_never_forgotten(api: Api) -> None:
    api.publish(api.stack.release(1))
    for number in range(2, 40):
        api.publish(api.stack.release(number, ("a-shop-1",)))
    answer = api.get("/v1/sync", enrolled(api, "b-shop-1")).json()
    assert open_release(answer["releases"][0], public_of(api.stack.key), ZONE).number == 1


def test_a_policy_is_shown_merged_with_its_settings(served: Api) -> None:
    number = served.put(SETTINGS, {"mode": "MITIGATION", "exclusions": [942100]}, SYSTEM).json()["number"]
    told = served.get(f"/v1/policies/{SCOPE}", SYSTEM).json()
    assert told["document"]["sites"][0]["mode"] == "MITIGATION"
    assert told["release"]["document"] == document()
    setting = told["settings"][0]
    assert setting.pop("at") == pytest.approx(time.time(), abs=5)
    values = {"mode": "MITIGATION", "exclusions": [942100]}
    assert setting == {
        "host": "shop.test",
        "values": values,
        "author": "stack",
        "number": number,
        "api": APIS[0],
        "state": "rolling",
        "reason": "",
    }


def test_settings_under_a_new_ceiling_are_ignored_and_named(served: Api) -> None:
    served.put(SETTINGS, {"paranoia": 3}, SYSTEM)
    lowered = document(site(highest_paranoia=2))
    served.publish(served.stack.release(2, document=lowered))
    told = served.get(f"/v1/policies/{SCOPE}", SYSTEM).json()
    assert told["document"] == lowered and told["ignored"][0].startswith("shop.test: paranoia 3")
    assert served.get("/v1/sites", SYSTEM).json()["sites"][0]["paranoia"] == 1


def test_a_tenant_sees_and_sets_its_own_sites_alone(served: Api) -> None:
    acme, beta = served.made_token("READ-WRITE", "acme"), served.made_token("ADMIN", "beta")
    assert [one["host"] for one in served.get("/v1/sites", acme).json()["sites"]] == ["shop.test"]
    assert [one["host"] for one in served.get("/v1/sites", SYSTEM).json()["sites"]] == ["shop.test", "beta.test"]
    assert refusal(served.put(SETTINGS, {"paranoia": 2}, beta)) == (404, "site.unknown")
    assert refusal(served.delete(SETTINGS, beta)) == (404, "site.unknown")
    assert served.put(SETTINGS, {"paranoia": 2}, acme).status_code == 200
    (told,) = served.get("/v1/sites", acme).json()["sites"]
    assert (told["paranoia"], told["mode"], told["highest_paranoia"]) == (2, "RECORD", 3)
    assert told["profile"] == "complete"
    assert (told["settings"]["values"], told["settings"]["author"]) == ({"paranoia": 2}, "read-write-acme")


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("setting.ceiling", {"mode": "BYPASS"}),
        ("setting.ceiling", {"paranoia": 4}),
        ("setting.ceiling", {"exclusions": [942100, 942110, 942120]}),
        ("setting.ceiling", {"exclusions": [942100, 942100]}),
        ("setting.ceiling", {"exclusions": [949110]}),  # without it nothing is blocked, whatever the mode
        ("setting.empty", {}),
        ("setting.empty", {"mode": None}),
        ("request.shape", {"mode": "OFF"}),
        ("request.shape", {"paranoia": True}),
        ("request.shape", {"exclusions": [1]}),
        ("request.shape", {"origins": []}),
    ],
)
def test_refuses_settings(served: Api, code: str, values: dict[str, Any]) -> None:
    assert refusal(served.put(SETTINGS, values, SYSTEM)) == (422, code)
    assert served.get(f"/v1/policies/{SCOPE}", SYSTEM).json()["settings"] == []


def test_refuses_settings_of_sites_that_are_not_there(served: Api) -> None:
    assert refusal(served.put("/v1/sites/none.test/settings", {"paranoia": 2}, SYSTEM)) == (404, "site.unknown")
    assert refusal(served.put("/v1/sites/_/settings", {"paranoia": 2}, SYSTEM)) == (422, "request.shape")


def test_delete_gives_the_site_back_to_the_stack(served: Api) -> None:
    first = served.put(SETTINGS, {"paranoia": 2}, SYSTEM).json()["number"]
    assert served.delete(SETTINGS, SYSTEM).json()["number"] > first
    assert served.get("/v1/sites", SYSTEM).json()["sites"][0]["settings"] is None
    assert served.get(f"/v1/policies/{SCOPE}", SYSTEM).json()["document"] == document()


def test_numbers_of_two_api_machines_never_meet(apis: Apis) -> None:
    one, two = apis.new(APIS[0]).certified(), apis.new(APIS[1]).certified()
    numbers = []
    for api in (one, two):
        api.publish(apis.stack.release())
        numbers += [api.put(SETTINGS, {"paranoia": 2}, SYSTEM).json()["number"] for _ in range(3)]
    assert len(set(numbers)) == 6


def test_a_setting_goes_to_the_canary_then_from_cluster_to_cluster(api: Api) -> None:
    machines = {name: enrolled(api, name) for name in MEMBERS}
    api.publish(api.stack.release())
    for machine in machines.values():
        api.post("/v1/report", report(), machine)
    number = api.put(SETTINGS, {"paranoia": 2}, SYSTEM).json()["number"]

    def served_by() -> list[str]:
        return [name for name, machine in machines.items() if api.get("/v1/sync", machine).json()["settings"]]

    def state() -> str:
        return str(api.get(f"/v1/policies/{SCOPE}", SYSTEM).json()["settings"][0]["state"])

    assert (served_by(), state()) == (["a-shop-1"], "rolling")
    api.post("/v1/report", report(number), machines["a-shop-1"])
    assert served_by() == ["a-shop-1", "a-shop-2"]
    api.post("/v1/report", report(number), machines["a-shop-2"])
    assert (served_by(), state()) == (list(MEMBERS), "rolling")
    for name in ("b-shop-1", "b-shop-2"):
        api.post("/v1/report", report(number), machines[name])
    assert (served_by(), state()) == (list(MEMBERS), "served")


def test_a_setting_that_breaks_the_canary_is_halted(api: Api) -> None:
    machines = {name: enrolled(api, name) for name in MEMBERS}
    api.publish(api.stack.release())
    for machine in machines.values():
        api.post("/v1/report", report(), machine)
    number = api.put(SETTINGS, {"paranoia": 2}, SYSTEM).json()["number"]
    failed = {"number": 1, "settings": number, "reason": "nginx: [emerg] unknown directive"}
    api.post("/v1/report", report(failed=failed), machines["a-shop-1"])
    assert all(api.get("/v1/sync", machine).json()["settings"] == [] for machine in machines.values())
    setting = api.get(f"/v1/policies/{SCOPE}", SYSTEM).json()["settings"][0]
    assert (setting["state"], setting["reason"]) == ("halted", "nginx: [emerg] unknown directive")
    assert api.get("/v1/sites", SYSTEM).json()["sites"][0]["paranoia"] == 1
    assert [a["code"] for a in api.get("/v1/alarms", SYSTEM).json()["alarms"]] == ["setting.halted"]
    newer = api.put("/v1/sites/beta.test/settings", {"paranoia": 2}, SYSTEM).json()["number"]
    told = api.get("/v1/sync", machines["a-shop-1"]).json()["settings"]
    assert newer > number and len(told) == 1  # what went wrong does not come along


def test_a_token_is_shown_once_and_known_everywhere(apis: Apis) -> None:
    one, two = apis.new(APIS[0]).certified(), apis.new(APIS[1]).certified()
    secret = one.made_token("ADMIN", "acme")
    gossip(one, two)
    (told,) = two.get("/v1/tokens", secret).json()["tokens"]
    assert told.keys() == {"id", "name", "tenant", "role", "expires", "author", "at"}
    assert secret not in (two.home / "api.db-wal").read_bytes().decode(errors="replace")
    assert two.delete(f"/v1/tokens/{told['id']}", SYSTEM).status_code == 200
    gossip(one, two)
    assert refusal(one.get("/v1/tokens", secret)) == (401, "auth.unknown")


def test_a_token_ends_when_it_expires(api: Api) -> None:
    secret = api.made_token("READ-ONLY", "acme", expires_in_seconds=60)
    assert api.get("/v1/sites", secret).status_code == 200
    api.clock.ahead = 61
    assert refusal(api.get("/v1/sites", secret)) == (401, "auth.expired")


def test_an_admin_reigns_over_its_own_tenant_alone(api: Api) -> None:
    acme = api.made_token("ADMIN", "acme")
    api.made_token("READ-ONLY", "beta")
    (other,) = [one for one in api.get("/v1/tokens", SYSTEM).json()["tokens"] if one["tenant"] == "beta"]
    assert [one["tenant"] for one in api.get("/v1/tokens", acme).json()["tokens"]] == ["acme"]
    assert refusal(api.delete(f"/v1/tokens/{other['id']}", acme)) == (404, "token.unknown-id")
    body = {"name": "x", "tenant": "beta", "role": "READ-ONLY"}
    assert refusal(api.post("/v1/tokens", body, acme)) == (403, "role.denied")
    assert {row["tenant"] for row in api.get("/v1/audit", acme).json()["audit"]} == {"acme"}


@pytest.mark.parametrize(("tenant", "role"), [("*", "ADMIN"), ("acme", "SYSTEM")])
def test_all_tenants_are_for_system_alone(api: Api, tenant: str, role: str) -> None:
    body = {"name": "x", "tenant": tenant, "role": role}
    assert refusal(api.post("/v1/tokens", body, SYSTEM)) == (422, "token.tenant")


def test_there_is_an_end_to_tokens(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hdinfra.control.tokens.MOST_TOKENS", 1)
    api.made_token("READ-ONLY", "acme")
    body = {"name": "x", "tenant": "acme", "role": "READ-ONLY"}
    assert refusal(api.post("/v1/tokens", body, SYSTEM)) == (409, "token.too-many")


def test_every_write_is_noted_also_the_refused(served: Api) -> None:
    acme = served.made_token("READ-ONLY", "acme")
    served.put(SETTINGS, {"paranoia": 2}, SYSTEM)
    served.put(SETTINGS, {"paranoia": 2}, acme)
    served.put(SETTINGS, {"mode": "BYPASS"}, SYSTEM)
    served.put(SETTINGS, {"paranoia": 2})
    rows = served.get("/v1/audit?limit=4", SYSTEM).json()["audit"]
    assert [(row["author"], row["tenant"], row["action"], row["outcome"]) for row in rows] == [
        ("", "", "sites.set", "auth.missing"),
        ("stack", "*", "sites.set", "setting.ceiling"),
        ("read-only-acme", "acme", "sites.set", "role.denied"),
        ("stack", "*", "sites.set", "ok"),
    ]
    assert {row["target"] for row in rows} == {SETTINGS}
    assert refusal(served.get("/v1/audit?limit=0", SYSTEM)) == (422, "request.shape")


def test_strangers_do_not_push_others_out_of_the_audit_log(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "STRANGERS_ROWS", 3)
    monkeypatch.setattr(store, "AUDIT_ROWS", 4)
    for _ in range(5):
        api.made_token("READ-ONLY", "acme")
        api.put(SETTINGS, {"paranoia": 2})
    authors = [row["author"] for row in api.get("/v1/audit", SYSTEM).json()["audit"]]
    assert (authors.count("stack"), authors.count("")) == (4, 3)


def test_the_stack_and_machines_merge_alike(served: Api) -> None:
    served.put(SETTINGS, {"paranoia": 3}, SYSTEM)
    entries = [kept.entry for kept in served.node.offers.said(SCOPE)]
    told = served.get(f"/v1/policies/{SCOPE}", SYSTEM).json()
    assert told["document"] == merged(document(), SCOPE, entries).document
