"""A name server's policy: checked value by value, read by gdnsd itself, and answered by it."""

import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from hdinfra.agent import dns
from hdinfra.agent.dns_policy import AnsweredPlace, DnsPolicy, Entrance, NameServer, NearNetwork
from hdinfra.agent.fields import PolicyError
from hdinfra.agent.gdnsd import CONFIG, GDNSD, ZONE, ZONES
from hdinfra.agent.policy import parse
from hdinfra.model import policy as model
from hdinfra.model.dns import ALIAS
from hdinfra.protocol.dns_query import DnsError, Server, ask
from tests.machine.debian import Debian

DOMAIN = "edge.example.net"
DOCUMENT: dict[str, Any] = {
    "app": "dns",
    "schema_version": 1,
    "name": DOMAIN,
    "servers": [
        {"name": "a-dns-1", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1"},
        {"name": "b-dns-1", "ipv4": "192.0.2.2", "ipv6": ""},
    ],
    "places": [
        {"name": "east", "addresses": ["192.0.2.11", "2001:db8::11"]},
        {"name": "west", "addresses": ["192.0.2.12", "192.0.2.13", "2001:db8::12"]},
    ],
    "entrances": [
        {"name": "main", "places": ["east", "west"], "target": ""},
        {"name": "cdn", "places": [], "target": "zone.cdn.example"},
    ],
    "entrance": "main",
    "near": [{"network": "198.51.100.0/24", "places": ["west", "east"]}],
    "ttl_seconds": 30,
    "interval_seconds": 5,
    "timeout_seconds": 2,
    "failures": 2,
    "recoveries": 3,
}


def policy(**changes: Any) -> DnsPolicy:
    """The document's policy with these values."""
    read = parse(json.dumps(DOCUMENT | changes).encode()).policy
    assert isinstance(read, DnsPolicy)
    return read


def test_reads_what_the_model_writes() -> None:
    written = model.DnsPolicy.model_validate(DOCUMENT)
    read = parse(model.canonical(written).encode()).policy
    assert isinstance(read, DnsPolicy)
    assert read.servers[1] == NameServer("b-dns-1", ip_address("192.0.2.2"), None)
    assert read.places[0] == AnsweredPlace("east", (ip_address("192.0.2.11"), ip_address("2001:db8::11")))
    assert read.near == (NearNetwork(ip_network("198.51.100.0/24"), ("west", "east")),)
    assert (read.in_force, read.recoveries) == (Entrance("main", ("east", "west")), 3)
    assert json.loads(model.canonical(written)) == DOCUMENT


def test_the_agent_knows_the_label_that_the_model_knows() -> None:
    assert dns.ALIAS == ALIAS


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"name": "a b.test"}, r"dns\.name"),
        ({"name": "../a.test"}, r"dns\.name"),
        ({"servers": []}, r"servers"),
        ({"places": [{"name": "east", "addresses": []}]}, r"places: \['west'\]"),
        ({"places": [{"name": "a;b", "addresses": ["192.0.2.1"]}]}, r"dns\.places\[0\]\.name"),
        ({"places": [{"name": "a", "addresses": ["192.0.2.1/24"]}]}, r"dns\.places\[0\]\.addresses\[0\]"),
        ({"entrance": "nowhere"}, r"entrance"),
        ({"entrances": [{"name": "main", "places": ["mars"], "target": ""}]}, r"places: \['mars'\]"),
        ({"entrances": [{"name": "main", "places": [], "target": ""}]}, r"entrances\.main"),
        ({"entrances": [{"name": "main", "places": ["east"], "target": "a.test"}]}, r"entrances\.main"),
        ({"entrances": [{"name": "main", "places": [], "target": "a.test\n"}]}, r"dns\.entrances\[0\]\.target"),
        ({"near": [{"network": "0.0.0.0/0", "places": ["east"]}]}, r"dns\.near\[0\]\.network"),
        ({"near": DOCUMENT["near"] * 2}, r"near"),
        ({"timeout_seconds": 5}, r"timeout_seconds"),
        ({"ttl_seconds": 4}, r"dns\.ttl_seconds"),
        ({"failures": True}, r"dns\.failures"),
        ({"more": 1}, r"dns: keys"),
    ],
)
def test_refuses_what_no_server_may_answer_by(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(PolicyError, match=rf"^{path}"):
        policy(**changes)


def many_places(count: int) -> dict[str, Any]:
    """That many places, all of them in one entrance, and networks near to each."""
    names = [f"p{number}" for number in range(count)]
    return {
        "places": [{"name": name, "addresses": [f"192.0.2.{n}", f"2001:db8::{n:x}"]} for n, name in enumerate(names)],
        "entrances": [{"name": "all", "places": names, "target": ""}],
        "entrance": "all",
        "near": [
            {"network": f"10.{n // 256}.{n % 256}.0/24", "places": [names[n % count], names[0]][: 1 + bool(n % count)]}
            for n in range(500)
        ],
    }


POLICIES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "elsewhere": {"entrance": "cdn"},
    "nothing but elsewhere": {"entrances": [DOCUMENT["entrances"][1]], "entrance": "cdn", "near": [], "places": []},
    "one family": {
        "places": [{"name": "east", "addresses": ["2001:db8::1"]}, {"name": "west", "addresses": ["192.0.2.1"]}]
    },
    "a network near to no place of the entrance": {"entrances": [{"name": "main", "places": ["east"], "target": ""}],
        "near": [{"network": "198.51.100.0/24", "places": ["west"]}]},
    "the shortest times": {"interval_seconds": 2, "timeout_seconds": 1, "ttl_seconds": 5, "failures": 1},
    "the longest times": {"interval_seconds": 255, "timeout_seconds": 254, "ttl_seconds": 3600, "failures": 10},
    "words of gdnsd": {
        "places": [{"name": "plugin", "addresses": ["192.0.2.1"]}, {"name": "map", "addresses": ["192.0.2.2"]}],
        "entrances": [{"name": "resources", "places": ["plugin", "map"], "target": ""}],
        "entrance": "resources",
        "near": [],
    },
    "as many as there may be": many_places(64),
}  # fmt: skip


@pytest.mark.parametrize("name", POLICIES)
def test_files_pass_their_programs(debian: Callable[[str], Debian], name: str) -> None:
    place = debian("dns")
    place.run("mkdir", "-p", "/run/gdnsd")
    place.policy(dns.render(policy(**POLICIES[name])))
    argv = GDNSD.check("/etc/hdinfra/policy")
    code, words = place.run(*argv)
    assert (code, "warn" in words, "error" in words) == (0, False, False), words
    code, words = place.run("nft", "-c", "-f", "/etc/hdinfra/firewall.nft")
    assert code == 0, words


def test_gdnsd_refuses_a_zone_with_a_flaw(debian: Callable[[str], Debian]) -> None:
    """The check can fail: a zone that says something twice in two ways."""
    place = debian("dns")
    files = dict(dns.render(policy()))
    files[f"{ZONES}{DOMAIN}"] += "main 30 CNAME other.example.\n"
    place.policy(files)
    code, words = place.run(*GDNSD.check("/etc/hdinfra/policy"))
    assert code != 0
    assert "CNAME" in words


def test_a_switch_changes_the_zone_alone() -> None:
    before, after = dns.render(policy()), dns.render(policy(entrance="cdn"))
    changed = [path for path in before if before[path] != after[path]]
    assert changed == [f"{ZONES}{DOMAIN}"]
    assert (GDNSD.reads(changed[0]), ZONE.reads(changed[0]), GDNSD.reads(CONFIG)) == (False, True, True)
    assert re.search(r" SOA .*", before[changed[0]])[0] != re.search(r" SOA .*", after[changed[0]])[0]  # type: ignore[index]
    assert "sites 30 CNAME zone.cdn.example.\n" in after[changed[0]]


def test_whoever_may_be_asked_is_in_the_firewall() -> None:
    opened = dns.render(policy())["/etc/hdinfra/policy/firewall/upstreams.nft"]
    assert len(opened.splitlines()) == 5
    assert "upstreams6 { 2001:db8::12 . 80 }" in opened


@contextmanager
def answering(make: Callable[[bytes], bytes]) -> Iterator[Server]:
    """A stand-in for a name server that answers one question over UDP."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))
        door.settimeout(10)

        def serve() -> None:
            asked, whom = door.recvfrom(2_000)
            door.sendto(make(asked), whom)

        thread = threading.Thread(target=serve)
        thread.start()
        yield Server("127.0.0.1", door.getsockname()[1])
        thread.join()


def _head(asked: bytes, flags: int = 0x8400, answers: int = 0) -> bytes:
    end = asked.index(b"\0", 12) + 5
    return asked[:2] + struct.pack("!5H", flags, 1, answers, 0, 0) + asked[12:end]


def test_reads_addresses_behind_an_alias() -> None:
    def make(asked: bytes) -> bytes:
        alias = b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 30, 7) + b"\x04main\xc0\x12"
        address = b"\x04main\xc0\x12" + struct.pack("!HHIH", 1, 1, 5, 4) + bytes([192, 0, 2, 11])
        return _head(asked, answers=2) + alias + address

    with answering(make) as server:
        reply = ask(server, f"sites.{DOMAIN}", "A", subnet=ip_network("198.51.100.0/24"))
    assert (reply.code, reply.authoritative) == (0, True)
    assert (reply.values("CNAME"), reply.values("A")) == ((f"main.{DOMAIN}",), ("192.0.2.11",))
    assert [record.ttl for record in reply.records] == [30, 5]


@pytest.mark.parametrize(
    "make",
    [
        lambda asked: bytes([asked[0] ^ 1]) + _head(asked)[1:],
        lambda asked: asked,
        lambda asked: _head(asked, answers=1),
        lambda asked: _head(asked, answers=1) + b"\xc0" + bytes([len(_head(asked))]),
        lambda _: b"x",
    ],
    ids=["another number", "a question", "cut short", "in circles", "no message"],
)
def test_what_is_no_answer_is_told_as_that(make: Callable[[bytes], bytes]) -> None:
    with answering(make) as server, pytest.raises(DnsError):
        ask(server, f"sites.{DOMAIN}", "A", seconds=5)


def test_nobody_is_told_within_the_time() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))
        with pytest.raises(DnsError, match=r"127\.0\.0\.1 port \d+: "):
            ask(Server("127.0.0.1", door.getsockname()[1]), DOMAIN, "SOA", seconds=0.05)
