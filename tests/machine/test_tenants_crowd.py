"""One tenant's origin never answers while visitors come by the hundred: the neighbours and the machine's own health
are asked all along, in the real HAProxy."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hdinfra.agent.policy import TenantLimits
from hdinfra.agent.router import CONNECTIONS, LENT, OF_ALL, at_once
from hdinfra.plugins.local.engine import Engine
from tests.machine.debian import Debian
from tests.machine.sync_stack import eventually
from tests.machine.tenants_machine import LIMITS, applied, policy, status, waf_machine

MOST = LIMITS["cpu_weight"]
# An origin that lets everybody in and says nothing.
SILENT = """
import asyncio
async def hold(reader, writer):
    while await reader.read(4096): ...
async def main():
    server = await asyncio.start_server(hold, "127.0.0.1", 8082, backlog=1024)
    await server.serve_forever()
asyncio.run(main())
"""
# Arguments: how many POSTs for each host, then the hosts. Writes down what was answered, and holds on to the rest.
FLOOD = """
import asyncio, collections, json, pathlib, sys
told = {host: collections.Counter() for host in sys.argv[2:]}
def write():
    pathlib.Path("/root/flood.new").write_text(json.dumps(told))
    pathlib.Path("/root/flood.new").rename("/root/flood")
async def ask(host):
    reader, writer = await asyncio.open_connection("127.0.0.1", 80)
    writer.write(f"POST / HTTP/1.1\\r\\nHost: {host}\\r\\nContent-Length: 2\\r\\n\\r\\nab".encode())
    told[host]["sent"] += 1
    line = await reader.readline()
    told[host][line.split()[1].decode() if line else "closed"] += 1
    await reader.read()  # as an edge, that keeps a connection which the machine does not close
async def main():
    asks = [asyncio.create_task(ask(host)) for _ in range(int(sys.argv[1])) for host in told]
    while True:
        write()
        await asyncio.sleep(0.1)
asyncio.run(main())
"""
HUNG = tuple((f"hung{number}", f"www.hung{number}.test") for number in range(1, 8))
GOOD = ("acme", "shop.acme.test")


@pytest.fixture(scope="module")
def place(engine: Engine) -> Iterator[Debian]:
    """A WAF machine with both origins: 8081 answers, 8082 does not."""
    with waf_machine(engine) as machine:
        machine.put({"/root/silent.py": SILENT, "/root/flood.py": FLOOD})
        assert machine.run("systemd-run", "--unit=silent", "/usr/bin/python3", "/root/silent.py")[0] == 0
        yield machine


def serving(place: Debian, hung: tuple[tuple[str, str], ...]) -> None:
    """The good tenant's site beside these, each of another tenant."""
    document = policy(GOOD, *hung, mode="BYPASS", lowest_mode="BYPASS", response_timeout_seconds=300)
    for site in document["sites"]:
        if site["tenant"] != GOOD[0]:
            site["origins"] = [{"address": "127.0.0.1", "port": 8082}]
    applied(place, document)


@contextmanager
def flooded(place: Debian, each: int, hosts: list[str]) -> Iterator[None]:
    """So many POSTs for each host, until they are let go."""
    place.run("rm", "-f", "/root/flood")
    argv = ("/usr/bin/python3", "/root/flood.py", str(each), *hosts)
    assert place.run("systemd-run", "--unit=flood", "--property=LimitNOFILE=8192", *argv)[0] == 0
    try:
        yield
    finally:
        place.run("systemctl", "stop", "flood")


def answers(place: Debian) -> dict[str, dict[str, int]]:
    """What the flood was told, by host."""
    code, words = place.run("cat", "/root/flood")
    told: dict[str, dict[str, int]] = json.loads(words) if code == 0 else {}
    return told


def well(place: Debian) -> int:
    return status(place, "waf.hdinfra.internal", "/healthz")


def test_a_flood_for_one_tenant_is_refused_beyond_its_share_and_nobody_else_notices(place: Debian) -> None:
    serving(place, HUNG[:1])
    host, seen = HUNG[0][1], []

    def all_asked() -> bool:
        seen.append((status(place, GOOD[1]), well(place)))
        told = answers(place).get(host, {})
        # Nobody wanted the others' shares before; who asks for its own meanwhile takes from what is lent.
        held = told.get("sent", 0) - told.get("503", 0)
        return told.keys() == {"sent", "503"} and told["sent"] == CONNECTIONS + 200 and MOST < held <= LENT

    with flooded(place, CONNECTIONS + 200, [host]):
        eventually(all_asked, 60, lambda: (answers(place), set(seen)))
        assert (status(place, GOOD[1]), well(place)) == (200, 200)
    assert set(seen) == {(200, 200)}
    eventually(lambda: status(place, GOOD[1]) == 200, 20)


def test_tenants_that_conspire_do_not_take_the_machines_health(place: Debian) -> None:
    serving(place, HUNG)
    hosts, seen = [host for _, host in HUNG], []

    def all_asked() -> bool:
        seen.append(well(place))
        told = answers(place).values()
        sent, refused = (sum(one.get(what, 0) for one in told) for what in ("sent", "503"))
        return (sent, refused) == (300 * len(hosts), 300 * len(hosts) - OF_ALL)

    assert len(hosts) * MOST > OF_ALL
    with flooded(place, 300, hosts):
        eventually(all_asked, 60, lambda: (answers(place), set(seen)))
        seen.append(well(place))
        assert status(place, GOOD[1]) == 503
    assert set(seen) == {200}
    eventually(lambda: status(place, GOOD[1]) == 200, 20)


def test_descriptors_are_enough_for_all_that_is_let_through(place: Debian) -> None:
    ask = 'printf "show info\\n" | python3 -c "{}"'.format(
        "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect('/run/haproxy/admin.sock');"
        "s.sendall(sys.stdin.buffer.read()); print(s.makefile().read())"
    )
    told = dict(line.split(": ", 1) for line in place.run("sh", "-c", ask)[1].splitlines() if ": " in line)
    assert int(told["Maxconn"]) >= CONNECTIONS + 2 * OF_ALL
    assert int(told["Ulimit-n"]) >= CONNECTIONS + 3 * OF_ALL


@pytest.mark.parametrize(("weight", "most"), [(25, 32), (100, 100), (200, 200), (800, 200), (None, 200)])
def test_a_share_goes_by_the_plan(weight: int | None, most: int) -> None:
    limits: dict[str, Any] = {"name": "acme", "tasks_max": 64, **LIMITS}
    assert at_once(None if weight is None else TenantLimits(**{**limits, "cpu_weight": weight})) == most
