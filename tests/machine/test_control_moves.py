"""API machines that move: the newest `control` release says where they are, to one another and to all machines."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hdinfra.control import peers
from hdinfra.control.node import Node
from hdinfra.control.peers import take
from hdinfra.control.shapes import SyncAnswer
from hdinfra.protocol.certificate import Name
from hdinfra.protocol.endpoint import Endpoint
from tests.machine.control_fixtures import APIS, SCOPE, SYSTEM, Api, Apis, Json, Machine, enrolled


def endpoint(name: str, port: int = 9000) -> Json:
    """As a `control` policy names an API machine."""
    return {"name": name, "ipv4": "127.0.0.1", "ipv6": "::1", "port": port}


def naming(api: Api, number: int, *apis: Json) -> str:
    """A `control` release that names these."""
    document = {"app": "control", "schema_version": 1, "callers": [], "apis": list(apis)}
    return api.stack.release(number, APIS, scope="control", members={name: name[0] for name in APIS}, document=document)


def test_api_machines_are_where_the_newest_control_release_says(api: Api) -> None:
    assert [(one.name, one.port) for one in api.node.peers] == [(APIS[1], 1)]
    api.publish(naming(api, 1, endpoint(APIS[0]), endpoint(APIS[1])), "control")
    assert [(one.name, one.port) for one in api.node.peers] == [(APIS[1], 9000)]
    api.publish(naming(api, 3, endpoint(APIS[0]), endpoint("c-control-1", 9001)), "control")
    take(api.node, {"releases": [naming(api, 2, endpoint("d-control-1"))], "entries": []})
    assert [(one.name, one.port) for one in api.node.peers] == [("c-control-1", 9001)]
    api.node.close()
    api.start()
    assert ([one.name for one in api.node.peers], api.node.unheard) == (["c-control-1"], {"c-control-1"})


@pytest.mark.parametrize(
    "named", [[], None, "x", [5], [{"name": "x"}], [{**endpoint("x"), "port": "9000"}], [{**endpoint("x"), "ipv4": []}]]
)
def test_a_control_release_that_names_none_leaves_the_first_boots(api: Api, named: Any) -> None:
    document = {"app": "control", "schema_version": 1, "callers": [], "apis": named}
    api.publish(api.stack.release(1, scope="control", document=document), "control")
    assert [one.port for one in api.node.peers] == [1]
    assert "endpoints" not in api.get("/v1/sync", enrolled(api)).json()


def test_machines_are_told_where_the_api_machines_are(api: Api) -> None:
    machine = enrolled(api)
    api.publish(api.stack.release())
    api.publish(naming(api, 1, *map(endpoint, APIS)), "control")
    answer = api.get("/v1/sync", machine).json()
    assert answer["endpoints"] == [endpoint(name) for name in APIS]
    assert SyncAnswer.model_validate(answer).model_dump(mode="json", exclude_unset=True) == answer
    again = api.get(f"/v1/sync?seen={answer['etag']}", machine).json()
    assert (again["endpoints"], "releases" in again) == (answer["endpoints"], False)


def test_who_starts_asks_all_that_it_hears_of_and_who_is_ready_stays_so(apis: Apis) -> None:
    starting, ready = apis.new().certified(), apis.new().certified()
    ready.node.unheard.clear()
    for api in (starting, ready):
        api.publish(naming(api, 1, *map(endpoint, (*APIS, "c-control-1"))), "control")
    assert (starting.node.unheard, ready.node.unheard) == ({APIS[1], "c-control-1"}, set())
    starting.publish(naming(starting, 2, *map(endpoint, (APIS[0], "c-control-1"))), "control")
    assert starting.node.unheard == {"c-control-1"}, "nobody asks the one that is gone, so it would never be heard"


def test_numbers_are_shared_out_among_those_that_are(apis: Apis) -> None:
    names = (*APIS, "c-control-1")
    numbers = set()
    for name in names:
        api = apis.new(name).certified()
        api.publish(api.stack.release())
        api.publish(naming(api, 1, *map(endpoint, names)), "control")
        numbers.add(api.put("/v1/sites/shop.test/settings", {"paranoia": 2}, SYSTEM).json()["number"])
    assert len(numbers) == 3


@asynccontextmanager
async def following(node: Node) -> AsyncIterator[None]:
    """As the application does it."""
    task = asyncio.create_task(peers.follow_all(node))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def becomes(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def test_follows_whoever_is_named_and_nobody_else(apis: Apis, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Endpoint] = []
    followed: list[Endpoint] = []

    async def follow(_: Node, to: Endpoint) -> None:
        begun.append(to)
        followed.append(to)
        try:
            await asyncio.Event().wait()
        finally:
            followed.remove(to)

    def is_followed(*named: tuple[str, int]) -> bool:
        return sorted((one.name, one.port) for one in followed) == sorted(named)

    async def told() -> None:
        b, moved, c = (APIS[1], 1), (APIS[1], 2), ("c-control-1", 9000)
        async with following(api.node):
            await becomes(partial(is_followed, b))
            for number, named in enumerate(([b, c], [moved, c], [c]), start=1):
                said = [endpoint(APIS[0]), *(endpoint(*one) for one in named)]
                take(api.node, {"releases": [naming(api, number, *said)], "entries": []})
                await becomes(partial(is_followed, *named))
        assert ([(one.name, one.port) for one in begun], followed) == ([b, c, moved], [])

    monkeypatch.setattr(peers, "follow", follow)
    apis.run(told())


def test_an_api_machine_that_was_made_anew_elsewhere_is_found(apis: Apis, api: Api, tmp_path: Path) -> None:
    """Over real TLS, with a stand-in for the other one."""
    sealed = api.stack.release()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        first = b"after=0" in asked
        told = {"ledger": "x", "last": 1, "releases": [sealed] if first else [], "entries": []}
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + json.dumps(told).encode())
        await writer.drain()
        writer.close()

    async def found() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=its_tls(api, tmp_path))
        port = server.sockets[0].getsockname()[1]
        async with server, following(api.node):
            await becomes(lambda: not api.node.unheard)  # nobody answers where the first boot says it is
            assert api.node.statements.scopes() == []
            take(api.node, {"releases": [naming(api, 1, endpoint(APIS[1], port))], "entries": []})
            await becomes(lambda: SCOPE in api.node.statements.scopes())

    apis.run(found())


def its_tls(api: Api, folder: Path) -> ssl.SSLContext:
    """Of the other API machine, certified by this one."""
    other = Machine(APIS[1], "control")
    issued = api.node.authority.issue(other.csr, Name(api.node.settings.zone, "control", other.name, 1), api.clock())
    (folder / "other.pem").write_text(issued + other.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "other.pem")
    return context
