"""When every health check is wrong, visitors are served all the same, and whoever monitors is told."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from bench.project import Project
from hdinfra.operate.containers import open_containers, said
from hdinfra.operate.waiting import seconds_until
from tests.local.zone_visitors import SHOP, get

_ASK = """
import socket, sys
for command in sys.argv[1:]:
    with socket.socket(socket.AF_UNIX) as haproxy:
        haproxy.connect("/run/haproxy/admin.sock")
        haproxy.sendall(command.encode() + b"\\n")
        while part := haproxy.recv(1 << 16):
            sys.stdout.write(part.decode())
"""


def ask(project: Project, machine: str, *commands: str) -> str:
    """What a machine's HAProxy answers."""
    container = open_containers().client.containers.get(f"{project.namespace}-{machine}")
    return said(container.exec_run(["python3", "-c", _ASK, *commands]))


@contextmanager
def checks_failing(project: Project, machine: str, backend_ends: str) -> Iterator[int]:
    """Every checked server of these backends is down by order, although what it stands for is well."""
    rows = [line.split(",") for line in ask(project, machine, "show stat").splitlines() if line.count(",") > 20]
    servers = [
        f"{row[0]}/{row[1]}"
        for row in rows
        if row[0].endswith(backend_ends) and row[1] not in ("FRONTEND", "BACKEND") and not row[1].startswith("blind")
    ]
    ask(project, machine, *(f"disable health {server}" for server in servers))
    ask(project, machine, *(f"set server {server} health down" for server in servers))
    try:
        yield len(servers)
    finally:
        ask(project, machine, *(f"set server {server} health up" for server in servers))
        ask(project, machine, *(f"enable health {server}" for server in servers))


def health(project: Project) -> int:
    """The first edge's own word."""
    return httpx.get(f"{project.urls[0]}/healthz", trust_env=False).status_code


def test_an_edge_without_a_machine_that_passes_its_checks_asks_all_the_same(zone: Project) -> None:
    with checks_failing(zone, "east-edge", "-read") as servers:
        assert servers == 4
        assert health(zone) == httpx.codes.SERVICE_UNAVAILABLE
        assert get(zone.urls[0], SHOP).status_code == httpx.codes.OK
        assert get(zone.urls[0], SHOP, q="<script>alert(1)</script>").status_code == httpx.codes.FORBIDDEN
    assert seconds_until(lambda: health(zone) == httpx.codes.OK, within=20) is not None


def test_a_waf_whose_origins_all_fail_their_checks_asks_all_the_same(zone: Project) -> None:
    with checks_failing(zone, "a-web-1", "-read") as at_a, checks_failing(zone, "b-web-1", "-read") as at_b:
        assert (at_a, at_b) == (4, 4)
        assert [get(url, SHOP).status_code for url in zone.urls for _ in range(4)] == [httpx.codes.OK] * 8
