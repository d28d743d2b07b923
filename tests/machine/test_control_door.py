"""Bootstrap, front door and sizes."""

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from hdinfra.control.durable import write_whole
from hdinfra.control.settings import boot_facts
from hdinfra.protocol import certificate
from hdinfra.protocol.entry import endorse
from hdinfra.protocol.seal import canonical, new_key, public_of
from tests.machine.control_fixtures import (
    APIS,
    SYSTEM,
    ZONE,
    Api,
    Apis,
    Machine,
    Stack,
    enrolled,
    refusal,
    report,
)


def test_the_offer_proves_that_it_comes_from_the_machine_with_the_token(apis: Apis) -> None:
    api = apis.new()
    offer = api.get("/v1/bootstrap").json()
    assert offer["token"] == {**offer["token"], "zone": ZONE, "machine": APIS[0], "role": "control"}
    text = json.loads((api.home / "boot.json").read_text())["token"]
    message = canonical({"csr": offer["csr"], "key": offer["key"]})
    assert offer["proof"] == hmac.new(text.encode(), message.encode(), hashlib.sha256).hexdigest()


def test_until_the_stack_has_certified_it_nothing_is_issued(apis: Apis) -> None:
    api = apis.new()
    assert api.get("/v1/ready").json() == {"ready": False, "reason": "the stack has not certified this machine yet"}
    assert api.get("/v1/ready").status_code == 503
    assert refusal(api.enrol(Machine("a-shop-1"))) == (409, "bootstrap.pending")
    body = {"name": "x", "tenant": "acme", "role": "ADMIN"}
    assert refusal(api.post("/v1/tokens", body, SYSTEM)) == (409, "bootstrap.pending")
    assert api.publish(apis.stack.release()).status_code == 200  # it proves itself


def test_certified_it_serves_under_the_stacks_root(api: Api) -> None:
    assert refusal(api.get("/v1/bootstrap")) == (409, "bootstrap.done")
    chain = api.node.settings.server.read_text()
    name = certificate.name_of(chain)
    assert (name.role, name.machine, name.serial) == ("control", APIS[0], api.node.settings.enrolment.serial)
    assert api.get("/v1/version").json() == {"version": "1", "api": APIS[0], "zone": ZONE}


def test_a_renewed_authority_is_taken_and_an_older_one_changes_nothing(api: Api) -> None:
    csr = {"csr": api.node.authority._request, "key": public_of(api.node.authority._entry_key)}
    first = (api.home / "authority.pem").read_text()
    api.clock.ahead = 1
    for ahead, changes in ((90 * 86_400, True), (0, False)):
        issued = certificate.issue_authority(
            api.stack.root, api.stack.root_key, csr["csr"], APIS[0], api.clock() + ahead
        )
        before = (api.home / "authority.pem").read_text()
        body = {"certificate": issued, "endorsement": endorse(ZONE, APIS[0], csr["key"], api.stack.key)}
        assert api.put("/v1/bootstrap", body).status_code == 200
        assert ((api.home / "authority.pem").read_text() != before) is changes
    assert (api.home / "authority.pem").read_text() != first
    api.node.close()
    api.start()
    assert refusal(api.get("/v1/bootstrap")) == (409, "bootstrap.done")
    assert enrolled(api)


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("certificate.foreign", lambda api, body: {**body, "certificate": of_another_stack(api)}),
        ("certificate.foreign", lambda _, body: {**body, "certificate": body["certificate"][:99]}),
        ("certificate.other-key", lambda api, body: {**body, "certificate": other_key(api)}),
        ("seal.foreign", lambda _, body: {**body, "endorsement": endorse(ZONE, APIS[0], "x", new_key())}),
        ("entry.foreign", lambda api, body: {**body, "endorsement": endorse(ZONE, APIS[1], "x", api.stack.key)}),
    ],
)
def test_refuses_what_the_stack_did_not_sign_for_it(apis: Apis, code: str, change: Any) -> None:
    api = apis.new()
    body = api.stack.certification(api.get("/v1/bootstrap").json(), APIS[0])
    assert refusal(api.put("/v1/bootstrap", change(api, body))) == (403, code)
    assert api.get("/v1/ready").status_code == 503


def of_another_stack(api: Api) -> str:
    return str(Stack().certification(api.get("/v1/bootstrap").json(), APIS[0])["certificate"])


def other_key(api: Api) -> str:
    csr = certificate.request(certificate.new_key(), APIS[0])
    return certificate.issue_authority(api.stack.root, api.stack.root_key, csr, APIS[0], api.clock())


def test_its_own_certificate_is_made_anew_in_time(api: Api) -> None:
    before = api.node.settings.server.read_text()
    assert not api.node.authority.keep_server_certificate(api.clock() + 15 * 3600)
    assert api.node.authority.keep_server_certificate(api.clock() + 17 * 3600)
    after = api.node.settings.server.read_text()
    assert after != before
    assert api.node.settings.server.stat().st_mode & 0o777 == 0o600


def test_nobody_passes_beside_nginx(api: Api) -> None:
    for front in ("", "x", api.node.settings.front[:-1]):
        assert refusal(api.request("GET", "/v1/alarms", {"X-Hdinfra-Front": front})) == (403, "front.missing")
    assert api.request("GET", "/v1/version", {"X-Hdinfra-Front": ""}).status_code == 200  # the machine asks itself


def test_ways_that_are_not_there(api: Api) -> None:
    assert refusal(api.get("/v2/ready")) == (404, "path.unknown")
    assert refusal(api.delete("/v1/version")) == (405, "method.unknown")
    assert api.get("/docs").status_code == 404


@pytest.mark.parametrize(
    "sent",
    [
        b'{"token": "x"',
        b"",
        b"[]",
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"token": "\\ud800", "csr": "x"}',
        b'{"\\ud800": 1, "token": "x", "csr": "x"}',
        b'{"token": ' + b"9" * 5_000 + b"}",
    ],
    ids=lambda sent: repr(sent[:30]),
)
def test_refuses_bodies_that_are_cut_short_or_nonsense(api: Api, sent: bytes) -> None:
    status, code = refusal(api.request("POST", "/v1/enrol", {"Content-Type": "application/json"}, content=sent))
    assert code == "request.shape" and status in (400, 422)  # releases of FastAPI differ


class Endless:
    """A body of 100 MiB that counts what is taken from it."""

    def __init__(self) -> None:
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.taken < 100 * 1_048_576:
            self.taken += 65_536
            yield b" " * 65_536


async def streamed(api: Api, path: str, headers: dict[str, str], body: Endless) -> tuple[int, Any]:
    """Past httpx, which would collect the body first."""
    parts, sent = aiter(body), []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": await anext(parts), "more_body": True}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    shown = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    shown.append((b"x-hdinfra-front", api.node.settings.front.encode()))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST" if path == "/v1/enrol" else "PUT",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": shown,
        "scheme": "http",
    }
    await api.app(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.mark.parametrize(("path", "most"), [("/v1/enrol", 1_048_576), ("/v1/policies/instance-shop", 2_097_152)])
def test_a_body_of_100_mib_is_refused_before_it_is_read(apis: Apis, api: Api, path: str, most: int) -> None:
    body = Endless()
    status, said = apis.run(streamed(api, path, {}, body))
    assert (status, said["error"]) == (413, "body.too-long")
    assert body.taken <= most + 65_536
    announced = Endless()
    apis.run(streamed(api, path, {"Content-Length": "104857600"}, announced))
    assert announced.taken == 0


def test_a_full_disk_is_named_and_changes_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = enrolled(api)
    api.publish(api.stack.release())
    etag = api.get("/v1/sync", machine).json()["etag"]

    def full(*_: object) -> None:
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    for name in ("add_statement", "keep_report", "add_audit"):
        monkeypatch.setattr(api.node.store, name, full)
    answer = api.publish(api.stack.release(2))
    assert refusal(answer) == (503, "store.unavailable") and "disk is full" in answer.json()["message"]
    assert api.get("/v1/sync", machine).json()["etag"] == etag
    assert api.post("/v1/report", report(), machine).status_code == 200  # machines are served on
    monkeypatch.undo()
    assert api.publish(api.stack.release(2)).status_code == 200
    assert api.get("/v1/sync", machine).json()["etag"] != etag


def test_alarms_stand_in_the_journal(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    sealed = api.stack.token("a-shop-1")
    api.enrol(Machine("a-shop-1"), sealed)
    with caplog.at_level(logging.WARNING, "hdinfra.control"):
        api.enrol(Machine("a-shop-1"), sealed)
    assert "machine.two-keys: a-shop-1" in caplog.text


def test_secrets_do_not_show(api: Api) -> None:
    shown = repr(api.node.settings)
    assert not any(secret in shown for secret in (api.node.settings.front, api.node.settings.token))


def test_of_the_first_boot_no_more_is_kept_than_needed() -> None:
    first_boot = dict.fromkeys(("root", "signer", "endpoints"), "x")
    facts = boot_facts({**first_boot, "token": "t", "admin": "a", "code": {}}, {"name": "n", "zone": "z"})
    assert facts == {**first_boot, "token": "t", "admin": "a", "name": "n", "zone": "z"}


def test_writing_goes_through_no_link(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("whole")
    (tmp_path / ".front.half").symlink_to(tmp_path / "victim")
    write_whole(tmp_path / "front", "secret")
    assert ((tmp_path / "victim").read_text(), (tmp_path / "front").read_text()) == ("whole", "secret")


def test_the_lifespan_ends_when_it_should(apis: Apis, api: Api) -> None:
    async def live() -> None:
        async with api.app.router.lifespan_context(api.app):
            while api.node.unheard:  # nobody answers at the other's address, and that holds nobody up
                await asyncio.sleep(0.01)

    apis.run(asyncio.wait_for(live(), 10))
    assert api.get("/v1/ready").json() == {"ready": True}
