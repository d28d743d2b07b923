"""How long a GiB takes from an edge to a WAF through the mesh, beside the bare network between the same machines."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from docker.models.containers import Container

from bench.figure import Figure
from bench.project import Project, make_project
from bench.talk import say
from hdinfra.operate.containers import open_containers, said

_PORT = 5201
_MIB = 128
_SECONDS_A_GIB = 8.6  # 1 Gbit/s: what small machines of the clouds have between one another
_RECEIVE = f"""
import socket
server = socket.create_server(("", {_PORT}))
part = bytearray(1 << 20)
while True:
    with server.accept()[0] as connection:
        while connection.recv_into(part):
            pass
        connection.sendall(b"!")
"""
_SEND = f"""
import socket, sys, time
part = bytes(1 << 20)
with socket.create_connection((sys.argv[1], {_PORT}), 30) as connection:
    begin = time.monotonic()
    for _ in range({_MIB}):
        connection.sendall(part)
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(1) == b"!"
    print(time.monotonic() - begin)
"""


@contextmanager
def meshed() -> Iterator[Project]:
    """A zone with a mesh, of the benchmark's own."""
    with TemporaryDirectory(prefix="hdinfra-bench-") as folder:
        project = make_project(Path(folder), "bench-mesh")
        spec = project.spec
        project.write_spec({**spec, "network": {**spec.get("network", {}), "mesh": {"version": 1}}})
        try:
            say("bringing a zone with a mesh up")
            project.must("up")
            yield project
        finally:
            project.down()


def measure_mesh(zone: Project, pairs: int) -> Iterable[Figure]:
    """The median of pairs, each way by turns; the machines' firewalls are opened for it, in this zone alone."""
    containers = open_containers().client.containers
    edge, waf = (containers.get(f"{zone.namespace}-{name}") for name in ("east-edge", "a-web-1"))
    for machine in (edge, waf):
        for chain in ("inbound", "outbound"):
            _must(machine, "nft", f"insert rule inet hdinfra {chain} tcp dport {_PORT} accept")
    waf.exec_run(["python3", "-c", _RECEIVE], detach=True)
    policy = json.loads(_must(waf, "cat", "/var/lib/hdinfra/policy.json"))["mesh"]
    own = next(one for one in policy["members"] if one["name"] == "a-web-1")
    _seconds(edge, own["inner_ipv4"])  # the first one waits for the receiver's start
    found = [(_seconds(edge, own["inner_ipv4"]), _seconds(edge, own["ipv4"])) for _ in range(pairs)]
    for through, bare in found:
        say(f"a GiB through the mesh {through:.2f} s ({8.59 / through:.2f} Gbit/s), bare {bare:.2f} s")
    through, bare = (median(column) for column in zip(*found, strict=True))
    yield Figure("mesh-transfer", round(through, 2), "s a GiB", _SECONDS_A_GIB, round(bare, 2))


def _seconds(sender: Container, target: str) -> float:
    return float(_must(sender, "python3", "-c", _SEND, target)) * 1024 / _MIB


def _must(machine: Container, *argv: str) -> str:
    done = machine.exec_run(list(argv))
    if done.exit_code:
        raise AssertionError(f"{argv[0]} in `{machine.name}` ended with {done.exit_code}: {said(done)}")
    return said(done)
