"""Machines of a mesh on a made-up WireGuard: in whatever order they step, report, hear and take policy, each is reached
at every moment, and in the end the old keys are gone."""

import json
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdinfra.agent.commands import Result
from hdinfra.agent.mesh import Mesh
from hdinfra.agent.mesh_keys import OwnKeys, PeerKeys
from hdinfra.agent.mesh_policy import MeshMachine, MeshPolicy
from hdinfra.agent.problems import Problems
from hdinfra.agent.versions import Trust
from hdinfra.agent.wireguard import Device
from hdinfra.protocol.entry import Entry, endorse, seal_entry
from hdinfra.protocol.seal import new_key, public_of

SIGNER, API = new_key(), new_key()
ENDORSEMENT = endorse("india", "a-control-1", public_of(API), SIGNER)
NAMES = ("a-web-1", "b-web-1", "east-edge")


def mesh_machine(number: int) -> MeshMachine:
    """The machine of that number, which stands in a place of its own."""
    outside = ip_address(f"192.0.2.{number}"), ip_address(f"2001:db8::{number}")
    inside = ip_address(f"10.64.240.{number}"), ip_address(f"fd00::{number}")
    return MeshMachine(NAMES[number], NAMES[number].partition("-")[0], *outside, *inside)


ALL = tuple(map(mesh_machine, range(3)))


def sealed(machine: str, version: int, body: dict[str, Any], number: int) -> dict[str, str]:
    """An API machine's word."""
    entry = Entry("india", "mesh", f"{machine}/{version}", number, "a-control-1", 0, machine, body)
    found = seal_entry(entry, API, ENDORSEMENT)
    return {"entry": found.entry, "endorsement": found.endorsement}


@dataclass
class Interface:
    """What `wg set` told."""

    port: str = ""
    public: str = ""
    peers: dict[str, dict[str, str]] = field(default_factory=dict)
    answered: dict[str, float] = field(default_factory=dict)


@dataclass
class Host:
    """One machine: the real agent over a made-up kernel."""

    name: str
    root: Path
    world: "World"
    version: int = 1
    interfaces: dict[str, Interface] = field(default_factory=dict)
    routes: dict[str, str] = field(default_factory=dict)
    kernel: bool = True

    def __post_init__(self) -> None:
        (self.root / "net").mkdir(parents=True)
        self.start()

    def start(self) -> None:
        """A new process of the agent, which knows what is on the disk."""
        trust, problems = Trust(public_of(SIGNER), "india", self.name), Problems()
        self.keys, self.heard = OwnKeys(self.root), PeerKeys(self.root, trust, problems)
        device = Device(self.run, self.root / "net")
        self.mesh = Mesh(self.name, self.policy, self.keys, self.heard, device, self.root, problems)
        self.problems = problems

    def policy(self) -> MeshPolicy:
        """What is in force here."""
        edge = self.name.endswith("edge")
        others = tuple(one for one in ALL if one.name.endswith("edge") != edge)
        return MeshPolicy(self.version, 1420, tuple(one for one in ALL if one not in others), others)

    def run(self, argv: Sequence[str]) -> Result:
        """`ip`, `wg` and `systemctl`."""
        match list(argv):
            case ["ip", "link", "add", "dev", name, "type", "wireguard"]:
                return self.made(name) if self.kernel else Result(2, "Unknown device type.")
            case ["systemctl", "restart", unit]:
                return self.made(unit.removeprefix("hdinfra-mesh@").removesuffix(".service"))
            case ["ip", "link", "delete", "dev", name]:
                del self.interfaces[name]
                (self.root / "net" / name).unlink()
                self.routes = {to: dev for to, dev in self.routes.items() if dev != name}
            case ["ip", "route", "replace", to, "dev", name, "src", _]:
                self.routes[to] = name
            case ["wg", "set", name, "listen-port", port, "private-key", path]:
                interface = self.interfaces[name]
                interface.port, interface.public = port, self.keys.public(int(Path(path).stem))
            case ["wg", "set", name, "peer", public, "remove"]:
                self.interfaces[name].peers.pop(public)
            case ["wg", "set", name, "peer", public, *told]:
                self.interfaces[name].peers[public] = dict(zip(told[::2], told[1::2], strict=True))
            case ["wg", "show", name, "latest-handshakes"]:
                return Result(0, "".join(f"{key}\t{int(at)}\n" for key, at in self.world.handshakes(self, name)))
        return Result(0, "")

    def made(self, name: str) -> Result:
        """A fresh interface."""
        self.interfaces[name] = Interface()
        (self.root / "net" / name).touch()
        return Result(0, "")


@dataclass
class World:
    """Hosts, and what the API machines have heard of them. `cut`: pairs whose outer path is down."""

    folder: Path
    told: list[dict[str, str]] = field(default_factory=list)
    said: dict[str, Any] = field(default_factory=dict)
    cut: set[frozenset[str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.hosts = {name: Host(name, self.folder / name, self) for name in NAMES}

    def handshakes(self, host: Host, name: str) -> Iterator[tuple[str, float]]:
        """As `wg show latest-handshakes`: where both ends know one another they have shaken hands."""
        interface = host.interfaces[name]
        for public in interface.peers:
            if self.meets(host, interface, public):
                interface.answered[public] = time.time()
            yield public, interface.answered.get(public, 0)

    def meets(self, host: Host, interface: Interface, public: str) -> bool:
        """Whether the holder of that key listens there and knows us."""
        port = interface.peers[public]["endpoint"].rpartition(":")[2]
        return any(
            other.public == public and other.port == port and interface.public in other.peers
            for one in self.hosts.values()
            if frozenset((one.name, host.name)) not in self.cut
            for other in one.interfaces.values()
        )

    def reached(self, one: str, other: str) -> bool:
        """Whether a packet to the other's inner addresses would be read there."""
        host, target = self.hosts[one], next(machine for machine in ALL if machine.name == other)
        ways = {host.routes.get(address) for address in target.inner}
        (way,) = ways
        if way is None:
            return False
        interface = host.interfaces[way]
        holders = [key for key, told in interface.peers.items() if told["allowed-ips"] == ",".join(target.inner)]
        return any(self.meets(host, interface, key) for key in holders)

    def all_reached(self) -> bool:
        """Both ways, each WAF and the edge."""
        pairs = [("a-web-1", "east-edge"), ("b-web-1", "east-edge")]
        return all(self.reached(*pair) and self.reached(*reversed(pair)) for pair in pairs)

    def report(self, name: str) -> None:
        """The machine says how it is; what is news becomes an entry."""
        state = self.hosts[name].mesh.state
        if state is None:
            return
        body = {"public": state.public, "switched": state.switched}
        if self.said.get(f"{name}/{state.version}") != body:
            self.said[f"{name}/{state.version}"] = body
            self.told.append(sealed(name, state.version, body, len(self.told) + 1))

    def do(self, name: str, deed: str) -> None:
        """One thing that may happen at any time."""
        host = self.hosts[name]
        match deed:
            case "step":
                host.mesh.step()
            case "report":
                self.report(name)
            case "hear":
                host.heard.hear(self.told)
            case "restart":
                host.start()
            case "policy":
                host.version = 2

    def settle(self, rounds: int = 8) -> None:
        """Everything happens, a few times over."""
        for _ in range(rounds):
            for deed in ("step", "report", "hear"):
                for name in NAMES:
                    self.do(name, deed)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Three machines whose mesh stands at version 1."""
    made = World(tmp_path)
    made.settle()
    assert made.all_reached()
    return made


DEEDS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(["step", "report", "hear", "policy", "restart"])), max_size=60
)


@settings(max_examples=12, deadline=None)
@given(DEEDS)
def test_keys_change_and_nobody_is_out_of_reach_for_a_moment(deeds: list[tuple[str, str]]) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.settle()
        for name, deed in deeds:
            world.do(name, deed)
            assert world.all_reached(), (name, deed)
        for name in NAMES:
            world.do(name, "policy")
            assert world.all_reached()
        world.settle(12)
        assert world.all_reached()
        for host in world.hosts.values():
            assert set(host.interfaces) == {"hdmesh0"}, "the keys of version 1 were left"
            assert [path.name for path in (host.root / "var/lib/hdinfra/mesh").glob("*.key")] == ["2.key"]
            assert host.mesh.state is not None and host.mesh.state.switched
            assert host.problems.texts() == []


def test_old_keys_stay_while_one_peer_still_needs_them(world: World) -> None:
    for name in ("a-web-1", "east-edge"):
        world.do(name, "policy")
    world.settle()
    assert world.all_reached()
    edge = world.hosts["east-edge"]
    assert set(edge.interfaces) == {"hdmesh0", "hdmesh1"}
    state = edge.mesh.state
    assert state and state.peers == {"a-web-1": 2, "b-web-1": 1} and not state.switched
    assert edge.routes["10.64.240.0/32"] == "hdmesh0" and edge.routes["10.64.240.1/32"] == "hdmesh1"


def test_old_keys_stay_until_the_peer_has_said_that_it_needs_them_no_more(world: World) -> None:
    """This machine was answered by the new keys, and the edge has not looked since: it still comes by the old ones."""
    for deed in ("policy", "step", "report", "hear"):
        for name in NAMES:
            world.do(name, deed)
    world.do("east-edge", "step")
    world.do("a-web-1", "step")
    waf = world.hosts["a-web-1"]
    assert waf.mesh.state and waf.mesh.state.switched
    assert world.hosts["east-edge"].routes["10.64.240.0/32"] == "hdmesh1"
    assert world.all_reached()
    assert set(waf.interfaces) == {"hdmesh0", "hdmesh1"}


def test_a_peer_is_not_met_by_new_keys_before_it_has_answered_to_them(world: World) -> None:
    for deed in ("policy", "step", "report", "hear"):
        for name in NAMES:
            world.do(name, deed)
    world.do("a-web-1", "step")
    assert world.all_reached()
    assert world.hosts["a-web-1"].routes["10.64.240.2/32"] == "hdmesh1"


def test_private_keys_are_roots_alone_and_no_two_are_alike(world: World) -> None:
    keys = [path for host in world.hosts.values() for path in host.root.rglob("*.key")]
    assert len({path.read_bytes() for path in keys}) == len(keys) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}
    told = json.dumps([world.told, [host.mesh.state.told() for host in world.hosts.values() if host.mesh.state]])
    assert not any(path.read_text().strip() in told for path in keys)


def test_a_kernel_without_wireguard_gets_the_userspace_one(tmp_path: Path) -> None:
    world = World(tmp_path)
    for host in world.hosts.values():
        host.kernel = False
    world.settle()
    assert world.all_reached()


def test_a_machine_made_anew_is_met_with_its_new_key(world: World, tmp_path: Path) -> None:
    before = world.hosts["b-web-1"].keys.public(1)
    world.hosts["b-web-1"] = Host("b-web-1", tmp_path / "again", world)
    world.settle()
    assert world.all_reached()
    assert before not in world.hosts["east-edge"].interfaces["hdmesh1"].peers


def test_a_peer_that_is_gone_is_named_and_tried_at_both_addresses(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.cut.add(frozenset(("b-web-1", "east-edge")))
    later = time.time() + 200
    monkeypatch.setattr("hdinfra.agent.wireguard.time.time", lambda: later)
    clock = [time.monotonic()]
    monkeypatch.setattr("hdinfra.agent.wireguard.time.monotonic", lambda: clock[0])
    edge, tried = world.hosts["east-edge"], set()
    for _ in range(4):
        clock[0] += 20
        edge.mesh.step()
        tried |= {
            told["endpoint"] for told in edge.interfaces["hdmesh1"].peers.values() if "240.1/" in told["allowed-ips"]
        }
    assert tried == {"192.0.2.1:51821", "[2001:db8::1]:51821"}
    assert edge.mesh.state and edge.mesh.state.silent == ("b-web-1",)


def test_entries_that_prove_nothing_are_passed_over(world: World) -> None:
    heard, edge = world.hosts["east-edge"].heard, world.hosts["east-edge"]
    before = heard.of("a-web-1", 1)
    stranger = new_key()
    body = {"public": edge.keys.public(1), "switched": True}
    entry = Entry("india", "mesh", "a-web-1/1", 999, "a-control-1", 0, "a-web-1", body)
    forged = seal_entry(entry, stranger, endorse("india", "a-control-1", public_of(stranger), stranger))
    heard.hear([{"entry": forged.entry, "endorsement": forged.endorsement}])
    assert heard.of("a-web-1", 1) == before
    assert "one is not believed" in edge.problems.texts()[0]
    heard.hear([sealed("a-web-1", 1, {"public": "c2hvcnQ=", "switched": True}, 1_000)])
    assert heard.of("a-web-1", 1) == before
    heard.hear(world.told)
    assert edge.problems.texts() == []
