"""A stack and its API machines in this process: real keys and signatures; nginx's part is played by headers."""

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from hdinfra.control.app import create_app
from hdinfra.control.node import Node
from hdinfra.control.peers import take
from hdinfra.control.settings import read_settings
from hdinfra.control.setup import set_up
from hdinfra.protocol import certificate, token
from hdinfra.protocol.entry import endorse
from hdinfra.protocol.release import Release, seal_release
from hdinfra.protocol.seal import new_key, public_of

ZONE = "india"
APIS = ("a-control-1", "b-control-1")
MEMBERS = {"a-shop-1": "a", "a-shop-2": "a", "b-shop-1": "b", "b-shop-2": "b"}
SCOPE = "instance-shop"
SYSTEM = "system-token"  # any text: what is kept is its SHA-256
Json = dict[str, Any]


class Clock:
    """Real time, shifted by hand."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


def site(host: str = "shop.test", tenant: str = "acme", **changes: Any) -> Json:
    """A site as a release carries it."""
    plain = {
        "host": host,
        "tenant": tenant,
        "mode": "RECORD",
        "paranoia": 1,
        "exclusions": [],
        "lowest_mode": "RECORD",
        "highest_paranoia": 3,
        "most_exclusions": 2,
        "origins": [{"address": "203.0.113.9", "port": 80}],
        "health_path": "/healthz",
        "response_timeout_seconds": 30,
    }
    return {**plain, **changes}


def document(*sites: Json) -> Json:
    """A WAF's policy."""
    return {"app": "waf", "schema_version": 1, "edges": [], "sites": list(sites or (site(), site("beta.test", "beta")))}


class Stack:
    """What stays with the stack: its keys."""

    def __init__(self) -> None:
        self.key, self.root_key = new_key(), certificate.new_key()
        self.root = certificate.new_root(ZONE, self.root_key, time.time())

    def token(self, machine: str, role: str = "waf", at: float | None = None, zone: str = ZONE) -> str:
        """An enrolment token; `at` seconds since 1970."""
        return token.issue(token.Token(zone, machine, role, int((at or time.time()) * 1000)), self.key)

    def release(self, number: int = 1, released: tuple[str, ...] = tuple(MEMBERS), **changes: Any) -> str:
        """Signed."""
        plain = Release(ZONE, SCOPE, number, int(time.time()), MEMBERS, released, document())
        return seal_release(replace(plain, **changes), self.key)

    def first_boot(self, name: str) -> Json:
        """As it lies on an API machine."""
        endpoints = [{"name": api, "ipv4": "127.0.0.1", "ipv6": "::1", "port": 1} for api in APIS]
        return {
            "token": self.token(name, "control"),
            "root": self.root,
            "signer": public_of(self.key),
            "endpoints": endpoints,
            "admin": hashlib.sha256(SYSTEM.encode()).hexdigest(),
            "code": {},
        }

    def certification(self, offer: Mapping[str, Any], api: str) -> Json:
        """What the stack answers to GET /v1/bootstrap."""
        issued = certificate.issue_authority(self.root, self.root_key, offer["csr"], api, time.time())
        return {"certificate": issued, "endorsement": endorse(ZONE, api, offer["key"], self.key)}


@dataclass
class Machine:
    """A machine's side: its key, and the certificate once it has one."""

    name: str
    role: str = "waf"
    key: str = field(default_factory=certificate.new_key)
    certificate: str = ""

    @property
    def csr(self) -> str:
        return certificate.request(self.key, self.name)

    @property
    def headers(self) -> dict[str, str]:
        """As nginx passes a verified certificate on."""
        leaf = self.certificate.partition("-----END CERTIFICATE-----\n")
        return {"X-Hdinfra-Verify": "SUCCESS", "X-Hdinfra-Certificate": quote(leaf[0] + leaf[1], safe="")}


def report(settings: int = 0, number: int = 1, **changes: Any) -> Json:
    """A machine that serves."""
    plain = {
        "number": number,
        "settings": settings,
        "digest": "",
        "serving": True,
        "failed": None,
        "drained": False,
        "overrides": {},
        "code": "",
        "problems": [],
    }
    return {**plain, **changes}


class Api:
    """One API machine without TLS; requests go to the application in this process."""

    def __init__(self, home: Path, stack: Stack, name: str, run: Callable[[Any], Any]) -> None:
        configuration = home / "etc"
        configuration.mkdir(parents=True)
        self.stack, self.name, self.clock, self._run, self.home = stack, name, Clock(), run, home / "var"
        identity = {"name": name, "zone": ZONE, "place": name[0], "role": "control"}
        (configuration / "first-boot.json").write_text(json.dumps(stack.first_boot(name)))
        (configuration / "identity.json").write_text(json.dumps(identity))
        set_up(configuration, self.home, (os.geteuid(), os.getegid()))
        self.start()

    def start(self) -> None:
        """Also again, after `node.close`."""
        self.node = Node(read_settings(self.home), self.clock)
        self.app = create_app(self.node)

    def certified(self) -> "Api":
        """By the stack."""
        offer = self.get("/v1/bootstrap").json()
        assert self.put("/v1/bootstrap", self.stack.certification(offer, self.name)).status_code == 200
        return self

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """As nginx would pass it on."""
        front = {"X-Hdinfra-Front": self.node.settings.front}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.request(method, path, headers={**front, **(headers or {})}, timeout=60, **more)

    def request(self, method: str, path: str, headers: Mapping[str, str] | None = None, **more: Any) -> httpx.Response:
        found: httpx.Response = self._run(self.ask(method, path, headers, **more))
        assert found.status_code < 500 or found.status_code == 503, found.text
        return found

    def get(self, path: str, by: str | Machine | None = None) -> httpx.Response:
        return self.request("GET", path, shown(by))

    def put(self, path: str, body: Json, by: str | Machine | None = None) -> httpx.Response:
        return self.request("PUT", path, shown(by), json=body)

    def post(self, path: str, body: Json, by: str | Machine | None = None) -> httpx.Response:
        return self.request("POST", path, shown(by), json=body)

    def delete(self, path: str, by: str | Machine | None = None) -> httpx.Response:
        return self.request("DELETE", path, shown(by))

    def enrol(self, machine: Machine, sealed: str | None = None) -> httpx.Response:
        """With a fresh token unless one is given; the machine keeps what it gets."""
        body = {"token": sealed or self.stack.token(machine.name, machine.role), "csr": machine.csr}
        answer = self.post("/v1/enrol", body)
        if answer.status_code == 200:
            machine.certificate = answer.json()["certificate"]
        return answer

    def publish(self, sealed: str, scope: str = SCOPE, by: str = SYSTEM) -> httpx.Response:
        return self.put(f"/v1/policies/{scope}", {"release": sealed}, by)

    def made_token(self, role: str, tenant: str, by: str = SYSTEM, **more: Any) -> str:
        answer = self.post(
            "/v1/tokens", {"name": f"{role.lower()}-{tenant}", "tenant": tenant, "role": role} | more, by
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])


def shown(by: str | Machine | None) -> dict[str, str]:
    """How that caller shows who it is."""
    if isinstance(by, Machine):
        return by.headers
    return {"Authorization": f"Bearer {by}"} if by else {}


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Status and code; the message must be there."""
    said = answer.json()
    assert said.keys() == {"error", "message"} and said["message"]
    return answer.status_code, said["error"]


class Apis:
    """Makes API machines of one stack in a folder, all in one event loop."""

    def __init__(self, folder: Path) -> None:
        self.stack, self._folder, self._runner = Stack(), folder, asyncio.Runner()
        self.made: list[Api] = []

    def run(self, coroutine: Any) -> Any:
        return self._runner.run(coroutine)

    def new(self, name: str = APIS[0]) -> Api:
        """Not certified yet."""
        api = Api(self._folder / f"{name}-{len(self.made)}", self.stack, name, self.run)
        self.made.append(api)
        return api

    def close(self) -> None:
        for api in self.made:
            api.node.close()
        self._runner.close()


@pytest.fixture
def apis(tmp_path: Path) -> Iterator[Apis]:
    """A stack without API machines yet."""
    found = Apis(tmp_path)
    yield found
    found.close()


@pytest.fixture
def api(apis: Apis) -> Api:
    """One API machine that the stack has certified."""
    return apis.new().certified()


def enrolled(api: Api, name: str = "a-shop-1", role: str = "waf") -> Machine:
    """A machine with a certificate of that API machine."""
    machine = Machine(name, role)
    assert api.enrol(machine).status_code == 200
    return machine


def told_by(api: Api, after: int = 0) -> Json:
    """All that it would tell another API machine."""
    told = api.node.store.statements(after, 100_000_000)
    entries = [{"entry": one.text, "endorsement": one.endorsement} for one in told if one.kind == "entry"]
    return {"releases": [one.text for one in told if one.kind == "release"], "entries": entries}


def gossip(*apis: Api) -> None:
    """What they pull from one another."""
    for one in apis:
        for other in apis:
            take(one.node, told_by(other))
