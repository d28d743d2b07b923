"""A zone whose edge reaches its WAFs through the mesh: what is on the wire, what comes out of it, and new keys."""

import copy
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from docker.models.containers import Container

from bench.project import Project, make_project
from hdinfra.operate.containers import open_containers, said
from hdinfra.operate.load import Load, Shape, Target
from hdinfra.operate.waiting import seconds_until
from tests.local.zone_visitors import BLOG, SHOP, get

EDGES, WAFS = ("east-edge", "west-edge"), ("a-web-1", "b-web-1")
PORTS = {51820, 51821}
MARK = "read-me-on-the-wire"
_ALL_PROTOCOLS = 3
_NEIGHBOURS = range(133, 138)  # neighbour discovery (RFC 4861) is how machines of one network find one another
CONNECT = "import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"
PING = """
import errno, socket, sys
six = ":" in sys.argv[1]
ping = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM, 58 if six else 1)
ping.settimeout(5)
# IPV6_MTU_DISCOVER and IP_MTU_DISCOVER: whole or not at all.
ping.setsockopt(socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP, 23 if six else 10, 2)
try:
    ping.sendto(bytes([128 if six else 8, 0, 0, 0, 0, 1, 0, 1]) + bytes(int(sys.argv[2])), (sys.argv[1], 0))
    print("answered" if len(ping.recv(9000)) > int(sys.argv[2]) else "cut")
except OSError as error:
    print("too large" if error.errno == errno.EMSGSIZE else error)
"""
LISTEN = "import socket; s = socket.create_server(('', 8081)); [s.accept()[0].close() for _ in range(9)]"


@dataclass(frozen=True)
class Packet:
    """One packet as it was on a wire of this computer. `port`: of its receiver, 0 where there is none."""

    source: str
    target: str
    protocol: int
    port: int
    content: bytes
    is_fragment: bool

    @property
    def is_neighbours(self) -> bool:
        """Whether it only says who is there."""
        return self.protocol == socket.IPPROTO_ICMPV6 and self.content[:1] and self.content[0] in _NEIGHBOURS


@dataclass
class Capture:
    """Everything that the bridges of this computer carry, for as long as it is entered."""

    packets: list[Packet] = field(default_factory=list)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def between(self, ones: set[str], others: set[str]) -> list[Packet]:
        """What went from one side to the other, either way."""
        return [p for p in self.packets if {p.source, p.target} & ones and {p.source, p.target} & others]

    @contextmanager
    def running(self) -> Iterator["Capture"]:
        """Capture in a thread."""
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL_PROTOCOLS)) as wire:
            wire.settimeout(0.2)
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**24)
            reader = threading.Thread(target=self._read, args=(wire,), daemon=True)
            reader.start()
            try:
                yield self
            finally:
                self._stopped.set()
                reader.join(10)

    def _read(self, wire: socket.socket) -> None:
        while not self._stopped.is_set():
            try:
                frame = wire.recv(65_535)
            except TimeoutError:
                continue
            if packet := _packet(frame):
                self.packets.append(packet)


def _packet(frame: bytes) -> Packet | None:
    kind, raw = frame[12:14], frame[14:]
    if kind == b"\x08\x00":
        head = (raw[0] & 15) * 4
        source, target, protocol = str(IPv4Address(raw[12:16])), str(IPv4Address(raw[16:20])), raw[9]
        is_fragment = bool(struct.unpack("!H", raw[6:8])[0] & 0x3FFF)
    elif kind == b"\x86\xdd":
        head = 40
        source, target, protocol = str(IPv6Address(raw[8:24])), str(IPv6Address(raw[24:40])), raw[6]
        is_fragment = protocol == socket.IPPROTO_FRAGMENT
    else:
        return None
    ported = protocol in (socket.IPPROTO_TCP, socket.IPPROTO_UDP) and len(raw) >= head + 4
    port = struct.unpack("!H", raw[head + 2 : head + 4])[0] if ported else 0
    return Packet(source, target, protocol, port, raw[head:], is_fragment)


@pytest.fixture(scope="module")
def meshed(tmp_path_factory: pytest.TempPathFactory, worker: str) -> Iterator[Project]:
    """The checkout's own local zone with a mesh, up and serving."""
    project = make_project(tmp_path_factory.mktemp("mesh"), f"mesh-{worker}")
    project.write_spec({**project.spec, "network": {**project.spec.get("network", {}), "mesh": {"version": 1}}})
    try:
        project.must("up")
        yield project
    finally:
        project.down()


def machine(zone: Project, name: str) -> Container:
    """One machine's container."""
    return open_containers().client.containers.get(f"{zone.namespace}-{name}")


def inside(zone: Project, name: str, *argv: str) -> str:
    """What a command says inside a machine; it has to end well."""
    done = machine(zone, name).exec_run(list(argv))
    assert done.exit_code == 0, (argv, done.output)
    return said(done)


def mesh(zone: Project, name: str) -> Any:
    """What the machine says of the mesh."""
    return json.loads(inside(zone, name, "hdctl", "status", "--json"))["mesh"]


def outer(zone: Project, names: tuple[str, ...]) -> set[str]:
    """Public addresses of these machines."""
    status = zone.ask("status")
    known = [m for c in status["clusters"] for m in c["machines"]] + status["edge"]["machines"] + status["lab"]
    return {one[family] for one in known if one["name"] in names for family in ("ipv4", "ipv6")}


def inner(zone: Project, name: str) -> str:
    """The machine's IPv4 address in the mesh."""
    told = json.loads(inside(zone, name, "ip", "-json", "-4", "address", "show"))
    return next(a["local"] for link in told if link["ifname"].startswith("hdmesh") for a in link["addr_info"])


def test_on_the_wire_there_is_nothing_to_read_and_nothing_but_the_meshs_udp(meshed: Project) -> None:
    edges, wafs = outer(meshed, EDGES), outer(meshed, WAFS)
    origins = outer(meshed, ("lab-acme-shop",))
    with Capture().running() as capture:
        for url in meshed.urls * 5:
            assert get(url, SHOP, q=MARK).status_code == 200
        # What goes on to the origins is not the mesh's: it shows that the capture would have seen it.
        readable = seconds_until(
            lambda: any(MARK.encode() in p.content for p in capture.between(wafs, origins)), within=10
        )
    assert readable is not None, "the capture sees nothing"
    between = [packet for packet in capture.between(edges, wafs) if not packet.is_neighbours]
    assert len(between) >= 40
    assert {(packet.protocol, packet.port in PORTS) for packet in between} == {(socket.IPPROTO_UDP, True)}
    assert not [packet for packet in between if MARK.encode() in packet.content or b"HTTP/1.1" in packet.content]


def carried_over(zone: Project, family: int) -> bool:
    """Whether every tunnel ends at the peers' addresses of this family; those that do not are told to.

    What was on its way over the other family when a tunnel moved makes it follow the sender back, once.
    """
    told = 0
    for name in (*EDGES, *WAFS):
        policy = json.loads(inside(zone, name, "cat", "/var/lib/hdinfra/policy.json"))["mesh"]
        link, port = f"hdmesh{policy['version'] % 2}", 51820 + policy["version"] % 2
        ends = dict(line.split() for line in inside(zone, name, "wg", "show", link, "endpoints").splitlines())
        allowed = [line.split() for line in inside(zone, name, "wg", "show", link, "allowed-ips").splitlines()]
        for key, first, _ in allowed:
            (peer,) = [one for one in policy["peers"] if f"{one['inner_ipv4']}/32" == first]
            end = f"{peer['ipv4']}:{port}" if family == 4 else f"[{peer['ipv6']}]:{port}"
            if ends[key] != end:
                inside(zone, name, "wg", "set", link, "peer", key, "endpoint", end)
                told += 1
    return told == 0


def pinged(zone: Project, target: str, size: int) -> list[str]:
    """What became of pings of that size, until one was not lost, three at most: after a change of family wireguard-go
    sends some of the first packets over IPv6 to a wrong address (decision 20)."""
    told: list[str] = []
    while len(told) < 3 and not set(told) - {"timed out"}:
        told.append(inside(zone, "east-edge", "python3", "-c", PING, target, str(size)).strip())
    return told


@pytest.mark.parametrize("outside", [4, 6])
def test_the_largest_packet_goes_whole_in_both_families(meshed: Project, outside: int) -> None:
    """1,420 bytes inside, whatever carries them; one byte more is told to the sender, and nothing is cut in pieces."""
    edges, wafs = outer(meshed, EDGES), outer(meshed, WAFS)
    assert seconds_until(lambda: carried_over(meshed, outside), within=60) is not None
    told = json.loads(inside(meshed, "a-web-1", "cat", "/var/lib/hdinfra/policy.json"))["mesh"]
    own = next(one for one in told["members"] if one["name"] == "a-web-1")
    with Capture().running() as capture:
        for target, headers in ((own["inner_ipv4"], 28), (own["inner_ipv6"], 48)):
            assert "answered" in pinged(meshed, target, 1420 - headers)
            assert pinged(meshed, target, 1421 - headers) == ["too large"]
    ends = {ip_address(p.source).version for p in capture.between(edges, wafs) if p.protocol == socket.IPPROTO_UDP}
    assert outside in ends
    assert not [packet for packet in capture.between(edges, wafs) if packet.is_fragment]


def test_out_of_the_mesh_comes_the_planes_own_port_alone(meshed: Project) -> None:
    """The edge is made to ask for another port, and there is somebody who would answer: it is the WAF that refuses."""
    target = inner(meshed, "a-web-1")
    ask = ("python3", "-c", CONNECT, target)

    def asked(port: str) -> int:
        code: int = machine(meshed, "east-edge").exec_run([*ask, port])[0]
        return code

    try:
        machine(meshed, "a-web-1").exec_run(["python3", "-c", LISTEN], detach=True)
        inside(meshed, "east-edge", "nft", f"add element inet hdinfra upstreams4 {{ {target} . 8081 }}")
        assert (asked("80"), asked("8081")) == (0, 1)
        opened = 'insert rule inet hdinfra inbound iifname "hdmesh*" tcp dport 8081 accept'
        inside(meshed, "a-web-1", "nft", opened)
        assert seconds_until(lambda: asked("8081") == 0, within=20) is not None, "nobody would have answered"
    finally:
        for name in ("a-web-1", "east-edge"):
            inside(meshed, name, "nft", "-f", "/etc/hdinfra/firewall.nft")


def test_what_is_for_the_mesh_is_never_sent_in_the_clear(meshed: Project) -> None:
    """Without its route a packet would take the default one."""
    target, ask = inner(meshed, "b-web-1"), ("python3", "-c", CONNECT)
    edges = outer(meshed, EDGES)
    route = inside(meshed, "east-edge", "ip", "route", "show", target).strip()
    inside(meshed, "east-edge", "ip", "route", "delete", target)
    try:
        with Capture().running() as capture:
            assert machine(meshed, "east-edge").exec_run([*ask, target, "80"])[0] == 1
            assert get(meshed.urls[0], BLOG).status_code == 200
        assert not capture.between(edges, {target})
    finally:
        inside(meshed, "east-edge", "ip", "route", "replace", *route.split())


def test_a_tunnel_that_dies_is_made_anew(meshed: Project) -> None:
    def served() -> bool:
        told = json.loads(inside(meshed, "east-edge", "hdctl", "status", "--json"))
        return not told["mesh"]["silent"] and all(server["up"] for server in told["servers"])

    inside(meshed, "a-web-1", "sh", "-c", "systemctl kill -s KILL 'hdinfra-mesh@*' || ip link delete hdmesh1")
    assert seconds_until(served, within=60) is not None
    assert all(get(url, SHOP).status_code == 200 for url in meshed.urls)


def test_keys_change_under_load_without_one_failure(meshed: Project) -> None:
    def changed() -> bool:
        told = [mesh(meshed, name) for name in (*EDGES, *WAFS)]
        links = [inside(meshed, name, "ls", "/sys/class/net").split() for name in (*EDGES, *WAFS)]
        return all((one["version"], one["switched"]) == (2, True) for one in told) and not any(
            "hdmesh1" in names for names in links
        )

    before = {name: mesh(meshed, name)["public"] for name in (*EDGES, *WAFS)}
    spec = copy.deepcopy(meshed.spec)
    spec["network"]["mesh"]["version"] = 2
    targets = [Target(url, host) for host in (SHOP, BLOG) for url in meshed.urls]
    with Load(targets, Shape(50, 600, first_number=10**15)) as load:
        meshed.write_spec(spec)
        meshed.must("up")
        assert seconds_until(changed, within=120) is not None
    assert len(load.answers) >= 500
    assert [answer for answer in load.answers if answer.failure] == []
    after = {name: mesh(meshed, name)["public"] for name in (*EDGES, *WAFS)}
    assert not set(before.values()) & set(after.values())
    for name in (*EDGES, *WAFS):
        assert inside(meshed, name, "sh", "-c", "ls /var/lib/hdinfra/mesh/*.key").split() == [
            "/var/lib/hdinfra/mesh/2.key"
        ]
        assert inside(meshed, name, "stat", "-c", "%a", "/var/lib/hdinfra/mesh/2.key").strip() == "600"


def test_status_tells_of_the_mesh(meshed: Project) -> None:
    told = meshed.ask("status")
    machines = [m for c in told["clusters"] for m in c["machines"]] + told["edge"]["machines"]
    assert {(one["mesh"]["version"], tuple(one["mesh"]["silent"])) for one in machines} == {(2, ())}
    assert "mesh" in meshed.must("status")


def test_a_version_never_goes_down(meshed: Project) -> None:
    spec = meshed.spec
    lower = copy.deepcopy(spec)
    lower["network"]["mesh"]["version"] = 1
    try:
        meshed.write_spec(lower)
        refused = meshed.run("up")
        assert (refused.returncode, "mesh.version-down" in refused.stderr) == (2, True)
    finally:
        meshed.write_spec(spec)
