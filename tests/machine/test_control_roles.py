"""The allow matrix, cell by cell, over HTTP."""

from collections.abc import Callable

import httpx
import pytest

from hdinfra.control.roles import ALLOWED, GRANTS, Action, Role
from tests.machine.control_fixtures import SYSTEM, Api, enrolled, refusal

S, A, W, R = Role.SYSTEM, Role.ADMIN, Role.READ_WRITE, Role.READ_ONLY

MATRIX: dict[Action, set[Role]] = {
    Action.PUBLISH: {S},
    Action.READ_POLICIES: {S},
    Action.READ_MACHINES: {S},
    Action.WITHDRAW_MACHINES: {S},
    Action.READ_ALARMS: {S},
    Action.READ_SITES: {S, A, W, R},
    Action.SET_SITES: {S, A, W},
    Action.READ_TOKENS: {S, A},
    Action.MAKE_TOKENS: {S, A},
    Action.REVOKE_TOKENS: {S, A},
    Action.READ_AUDIT: {S, A},
}
Deed = Callable[[Api, str], httpx.Response]
NEW_TOKEN = {"name": "new", "tenant": "acme", "role": "READ-ONLY"}
DEEDS: dict[Action, list[Deed]] = {
    Action.PUBLISH: [lambda api, by: api.publish(api.stack.release(2), by=by)],
    Action.READ_POLICIES: [
        lambda api, by: api.get("/v1/policies", by),
        lambda api, by: api.get("/v1/policies/instance-shop", by),
        lambda api, by: api.get("/v1/policies/instance-shop/history", by),
    ],
    Action.READ_MACHINES: [lambda api, by: api.get("/v1/machines", by)],
    Action.WITHDRAW_MACHINES: [lambda api, by: api.delete(f"/v1/machines/{enrolled(api).name}/enrolment", by)],
    Action.READ_ALARMS: [lambda api, by: api.get("/v1/alarms", by)],
    Action.READ_SITES: [lambda api, by: api.get("/v1/sites", by)],
    Action.SET_SITES: [
        lambda api, by: api.put("/v1/sites/shop.test/settings", {"paranoia": 2}, by),
        lambda api, by: api.delete("/v1/sites/shop.test/settings", by),
    ],
    Action.READ_TOKENS: [lambda api, by: api.get("/v1/tokens", by)],
    Action.MAKE_TOKENS: [lambda api, by: api.post("/v1/tokens", NEW_TOKEN, by)],
    Action.REVOKE_TOKENS: [lambda api, by: api.delete(f"/v1/tokens/{spare(api)}", by)],
    Action.READ_AUDIT: [lambda api, by: api.get("/v1/audit", by)],
}


def spare(api: Api) -> str:
    """The id of a token that may go."""
    api.made_token("READ-ONLY", "acme", name="spare")
    return next(one["id"] for one in api.get("/v1/tokens", SYSTEM).json()["tokens"] if one["name"] == "spare")


def holder(api: Api, role: Role) -> str:
    api.publish(api.stack.release())
    return SYSTEM if role is S else api.made_token(role.value, "acme")


def test_every_action_has_a_row_and_a_deed() -> None:
    assert set(MATRIX) == set(DEEDS) == set(Action)
    assert all(DEEDS.values())


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("role", Role)
def test_cell(api: Api, role: Role, action: Action) -> None:
    by = holder(api, role)
    for deed in DEEDS[action]:
        answer = deed(api, by)
        if role in MATRIX[action]:
            assert answer.status_code in (200, 201), answer.text
        else:
            assert refusal(answer) == (403, "role.denied")


@pytest.mark.parametrize("action", Action)
def test_nobody_without_a_token(api: Api, action: Action) -> None:
    for deed in DEEDS[action]:
        assert refusal(deed(api, "")) == (401, "auth.missing")
        assert refusal(deed(api, "a guess")) == (401, "auth.unknown")


@pytest.mark.parametrize("maker", Role)
@pytest.mark.parametrize("made", Role)
def test_who_may_make_tokens_of_which_role(api: Api, maker: Role, made: Role) -> None:
    by = holder(api, maker)
    body = {"name": "made", "tenant": "*" if made is S else "acme", "role": made.value}
    allowed = {S: {S, A, W, R}, A: {A, W, R}, W: set(), R: set()}
    answer = api.post("/v1/tokens", body, by)
    if made in allowed[maker]:
        assert answer.status_code == 201
    else:
        assert refusal(answer) == (403, "role.denied")


def test_the_tables_are_whole() -> None:
    assert set(ALLOWED) == set(GRANTS) == set(Role)
