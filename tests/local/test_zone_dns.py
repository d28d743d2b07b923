"""A zone with name servers of its own: what they answer to whom, and how soon they stop answering with what is dead."""

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from bench.dns_answers import DOMAIN, FAILURES, INTERVAL, NEAR_WEST, TIMEOUT, TTL, dns_project
from bench.project import Project
from hdinfra.model.dns import TABLE_SECONDS
from hdinfra.operate.containers import Containers, open_containers
from hdinfra.operate.faults import frozen, killed
from hdinfra.operate.waiting import seconds_until

SERVERS, PLACES = ("a-dns-1", "b-dns-1"), ("east", "west")
# What a busy computer adds to a bound that is the servers' own: a check is started late, and so is our question.
LATE_SECONDS = 1.0


@dataclass(frozen=True)
class DnsZone:
    """The zone, and where its machines are, by their names."""

    project: Project
    addresses: Mapping[str, tuple[str, str]]
    containers: Containers

    def native(self, name: str) -> str:
        """The container of a machine."""
        return f"{self.project.namespace}-{name}"

    def doors(self, server: str) -> list[tuple[str, int]]:
        """Where the server is asked: at its own addresses, and at the one that the local cloud shows."""
        published = self.project.spec["dns"]["publish"]["port"] + SERVERS.index(server)
        return [*((address, 53) for address in self.addresses[server]), ("127.0.0.1", published)]

    def ask(self, server: str, name: str, kind: str, subnet: Any = None) -> tuple[str, ...]:
        """What it answers over UDP at its own IPv4 address, sorted."""
        query = dns.message.make_query(name, kind, options=[_subnet(subnet)] if subnet else [])
        return _values(dns.query.udp(query, self.addresses[server][0], timeout=5))

    def everybody(self, kind: str = "A", label: str = "main") -> set[tuple[str, ...]]:
        """All that the servers answer."""
        return {self.ask(server, f"{label}.{DOMAIN}", kind) for server in SERVERS}


def _subnet(network: IPv4Network | IPv6Network) -> dns.edns.ECSOption:
    return dns.edns.ECSOption(str(network.network_address), network.prefixlen)


def _values(answer: dns.message.Message) -> tuple[str, ...]:
    return tuple(sorted(item.to_text().rstrip(".") for found in answer.answer for item in found))


@pytest.fixture(scope="module")
def zone(tmp_path_factory: pytest.TempPathFactory, worker: str) -> Iterator[DnsZone]:
    """The Zone of `make drill` with name servers in two of its Clusters, at addresses and ports of its own."""
    project = dns_project(tmp_path_factory.mktemp("dns"), f"dns-{worker}")
    try:
        project.must("up")
        machines = project.ask("plan")["machines"]
        public = {one["name"]: (one["public"][0], one["public"][1]) for one in machines}
        yield DnsZone(project, public, open_containers())
    finally:
        project.down()


def place(zone: DnsZone, name: str, family: int = 0) -> tuple[str, ...]:
    """What an answer with that place holds: 0 of its IPv4 address, 1 of its IPv6 address."""
    return (zone.addresses[f"{name}-edge"][family],)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("over", [dns.query.udp, dns.query.tcp], ids=["udp", "tcp"])
def test_each_server_answers_over_everything(zone: DnsZone, server: str, over: Any) -> None:
    wanted = {
        (f"sites.{DOMAIN}", "CNAME"): (f"main.{DOMAIN}",),
        (f"main.{DOMAIN}", "A"): place(zone, "east"),
        (f"main.{DOMAIN}", "AAAA"): place(zone, "east", 1),
        (f"spare.{DOMAIN}", "A"): place(zone, "west"),
        (f"cdn.{DOMAIN}", "CNAME"): ("zone.cdn.invalid",),
        (DOMAIN, "NS"): (f"ns1.{DOMAIN}", f"ns2.{DOMAIN}"),
        (f"ns2.{DOMAIN}", "AAAA"): (zone.addresses["b-dns-1"][1],),
    }
    for address, port in zone.doors(server):
        for (name, kind), values in wanted.items():
            answer = over(dns.message.make_query(name, kind), address, port=port, timeout=5)
            assert (_values(answer), bool(answer.flags & dns.flags.AA)) == (values, True), f"{name} at {address}"
        nothing = over(dns.message.make_query(f"other.{DOMAIN}", "A"), address, port=port, timeout=5)
        assert nothing.rcode() == dns.rcode.NXDOMAIN
        foreign = over(dns.message.make_query("example.com", "A"), address, port=port, timeout=5)
        assert foreign.rcode() == dns.rcode.REFUSED, "it answers for its own domain alone"


def test_both_servers_say_the_same(zone: DnsZone) -> None:
    assert len({zone.ask(server, DOMAIN, "SOA") for server in SERVERS}) == 1
    told = zone.project.ask("edge", "show")
    assert (told["agreed"], told["entrance"], len(told["servers"])) == (True, "main", 4)
    status = zone.project.ask("status")["dns"]
    both = [*place(zone, "east"), *place(zone, "east", 1)]
    assert [status["answers"][server]["entrances"]["main"] for server in SERVERS] == [both, both]
    assert all(health["up"] for told in status["answers"].values() for health in told["places"])


@pytest.mark.parametrize("network", NEAR_WEST)
def test_users_are_led_to_the_place_near_to_them(zone: DnsZone, network: str) -> None:
    for server in SERVERS:
        assert zone.ask(server, f"main.{DOMAIN}", "A", ip_network(network)) == place(zone, "west")
        assert zone.ask(server, f"main.{DOMAIN}", "AAAA", ip_network(network)) == place(zone, "west", 1)
        assert zone.ask(server, f"main.{DOMAIN}", "A", ip_network("198.51.100.0/24")) == place(zone, "east")


@pytest.mark.parametrize("fault", [killed, frozen])
def test_a_dead_place_is_out_of_the_answers_in_time(zone: DnsZone, fault: Any) -> None:
    alive = {family: {place(zone, "east", family)} for family in (0, 1)}
    assert (zone.everybody("A"), zone.everybody("AAAA")) == (alive[0], alive[1])
    with fault(zone.containers, [zone.native("east-edge")]):
        west = ({place(zone, "west")}, {place(zone, "west", 1)})
        took = seconds_until(lambda: (zone.everybody("A"), zone.everybody("AAAA")) == west, within=30)
        assert took is not None
        assert took <= INTERVAL * FAILURES + TIMEOUT + TABLE_SECONDS + LATE_SECONDS
    back = seconds_until(lambda: (zone.everybody("A"), zone.everybody("AAAA")) == (alive[0], alive[1]), within=60)
    assert back is not None, "a place that is well again is answered with again"


def test_no_client_may_ask_as_often_as_it_likes(zone: DnsZone) -> None:
    """Whose address was forged gets no flood of ours: over UDP there is a measure, and TCP stays open."""
    query = dns.message.make_query(f"main.{DOMAIN}", "A").to_wire()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        door.connect((zone.addresses["a-dns-1"][0], 53))
        door.setblocking(False)
        began, answered = time.monotonic(), 0
        for _ in range(6_000):
            with suppress(BlockingIOError):  # our own buffer is full: that question was never asked
                door.send(query)
            answered += _drained(door)
        elapsed = time.monotonic() - began
        answered += _drained(door)
    assert 0 < answered <= 500 + 500 * elapsed + 50
    asked = dns.message.make_query(f"main.{DOMAIN}", "A")
    assert _values(dns.query.tcp(asked, zone.addresses["a-dns-1"][0], timeout=5)) == place(zone, "east")
    again = seconds_until(lambda: _answered_again(zone), within=10)
    assert again is not None


def _answered_again(zone: DnsZone) -> bool:
    """The measure is still full when the flood ends, so the first question may be dropped, as a client knows it."""
    question = dns.message.make_query(f"main.{DOMAIN}", "A")
    try:
        answer = dns.query.udp(question, zone.addresses["a-dns-1"][0], timeout=0.5)
    except dns.exception.Timeout:
        return False
    return _values(answer) == place(zone, "east")


def _drained(door: socket.socket) -> int:
    count = 0
    while True:
        try:
            door.recv(2_000)
        except BlockingIOError:
            return count
        count += 1


def test_a_switch_moves_all_users_and_makes_no_machine_anew(zone: DnsZone) -> None:
    before = {one.name: one.id for one in zone.containers.client.containers.list(all=True)}
    told = zone.project.ask("edge", "switch", "--to", "spare")
    assert zone.everybody("CNAME", "sites") == {(f"spare.{DOMAIN}",)}
    assert (told["before"], told["entrance"], told["recorded"]) == ("main", "spare", True)
    assert set(told["servers"]) == set(SERVERS)
    assert told["seconds"] <= 5
    assert told["worst_seconds"] == pytest.approx(told["seconds"] + TTL)
    after = {one.name: one.id for one in zone.containers.client.containers.list(all=True)}
    own = {name for name in before if name and name.startswith(zone.project.namespace)}
    assert {name: after[name] for name in own} == {name: before[name] for name in own}
    # What the next run would do: nothing, for file and stack hold it.
    assert [one for one in zone.project.ask("policy", "diff")["scopes"] if one["changes"]] == []


def test_nobody_is_sent_where_nobody_answers_unless_it_is_forced(zone: DnsZone) -> None:
    held = zone.everybody("CNAME", "sites")
    refused = zone.project.run("edge", "switch", "--to", "cdn")
    assert refused.returncode == 1
    assert "zone.cdn.invalid is silent" in refused.stderr
    assert zone.everybody("CNAME", "sites") == held
    forced = zone.project.ask("edge", "switch", "--to", "cdn", "--force")
    assert (forced["entrance"], zone.everybody("CNAME", "sites")) == ("cdn", {("zone.cdn.invalid",)})
