"""`hdinfra edge`: who answers at an entrance, what servers are told, and what is held then."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hdinfra.agent.load_balancer import render as render_edge
from hdinfra.agent.policy import LoadBalancerPolicy
from hdinfra.model.held import Held
from hdinfra.model.held_file import load_held
from hdinfra.operate import cli, edge_health, edge_switch
from hdinfra.operate.edge_health import Health, answer_of, health_of
from hdinfra.operate.edge_servers import EdgeServers, delegation, servers_of
from hdinfra.operate.edge_switch import Switched
from hdinfra.operate.engine import Deployed, Engine, Run
from hdinfra.operate.status import Declared
from hdinfra.protocol.dns_query import Server
from tests.model.policy_zone import Fleet, StackKeys, WholeApi, release, state_of

MEMBERS = {"a-dns-1": "a", "b-dns-1": "b"}
DOCUMENT: dict[str, Any] = {
    "app": "dns",
    "schema_version": 1,
    "name": "edge.example.net",
    "servers": [
        {"name": "a-dns-1", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1"},
        {"name": "b-dns-1", "ipv4": "192.0.2.2", "ipv6": ""},
    ],
    "places": [
        {"name": "east", "addresses": ["192.0.2.11", "2001:db8::11"]},
        {"name": "west", "addresses": ["192.0.2.12"]},
    ],
    "entrances": [
        {"name": "main", "places": ["east", "west"], "target": ""},
        {"name": "cdn", "places": [], "target": "zone.cdn.example"},
    ],
    "entrance": "main",
    "near": [],
    "ttl_seconds": 30,
    "interval_seconds": 5,
    "timeout_seconds": 2,
    "failures": 2,
    "recoveries": 2,
}  # fmt: skip
STATUS: dict[str, Any] = {
    "zone": "india",
    "clusters": [],
    "edge": {"urls": [], "machines": []},
    "sites": [{"host": "shop.acme.test"}],
    "dns": {"name": "edge.example.net", "alias": "sites.edge.example.net", "entrance": "main", "publish": {}},
}
POLICY = {"type": "hdpolicy:index:Policy", "urn": "urn:pulumi:local::hdinfra::hdpolicy:index:Policy::dns-policy"}


@pytest.fixture
def fleet(keys: StackKeys) -> Fleet:
    """Both name servers at release 1."""
    made = Fleet(keys)
    for name in MEMBERS:
        made.machine(name)
    made.endow(release(1, DOCUMENT, scope="dns", members=MEMBERS, released=tuple(MEMBERS)))
    return made


@pytest.fixture
def stack(keys: StackKeys, apis: list[WholeApi], project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stack that is up with these servers; its engine, and DNS itself, are stand-ins. `engine.json`: what the engine
    was asked for."""
    deployed = state_of(keys, *(api.endpoint for api in apis), status=STATUS)
    deployed.raw["deployment"]["resources"].append(POLICY)
    asked = project / "engine.json"

    def stream(_: Engine, *arguments: str, on_event: Callable[[Any], None]) -> Run:
        on_event({})
        asked.write_text(json.dumps(arguments))
        return Run()

    monkeypatch.setattr(Engine, "deployed_with_secrets", lambda _: deployed)
    monkeypatch.setattr(Engine, "stream", stream)
    monkeypatch.setattr(EdgeServers, "leads_to", lambda *_: True)
    monkeypatch.setattr(edge_switch, "health_of", lambda *_: Health(True, "1 of 1 places answer"))
    return project


def held(project: Path) -> Held:
    found = load_held(project / "stacks" / "local.lock.yaml")
    assert found is not None
    return found


def test_a_switch_changes_one_value_for_all_servers_and_is_held(
    stack: Path, fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["edge", "switch", "--to", "cdn", "--json"]) == 0
    newest = fleet.releases("dns")[0]
    assert newest.document == DOCUMENT | {"entrance": "cdn"}
    assert set(newest.released) == set(MEMBERS)
    told = json.loads(capsys.readouterr().out)
    assert (told["before"], told["entrance"], set(told["servers"])) == ("main", "cdn", set(MEMBERS))
    assert told["worst_seconds"] == pytest.approx(told["seconds"] + 30)
    assert (held(stack).entrance, held(stack).serial) == ("cdn", 1)
    assert json.loads((stack / "engine.json").read_text()) == ["up", "--skip-preview", "--target", POLICY["urn"]]


def test_the_way_back_holds_nothing(stack: Path) -> None:
    assert cli.run(["edge", "switch", "--to", "cdn"]) == 0
    assert cli.run(["edge", "switch", "--to", "main"]) == 0
    assert (held(stack).entrance, held(stack).serial) == (None, 2)


def test_an_engine_that_fails_leaves_users_where_they_are_now(
    stack: Path, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its state is locked, or some provider is down: that must not cost the switch."""
    monkeypatch.setattr(Engine, "stream", lambda *_, **__: Run(code=1, complaints=["the provider is down"]))
    assert cli.run(["edge", "switch", "--to", "cdn"]) == 0
    assert fleet.releases("dns")[0].document["entrance"] == "cdn"
    told = capsys.readouterr()
    assert "the stack does not know it yet" in told.out
    assert "the provider is down" in told.err
    assert held(stack).entrance == "cdn"


def test_an_entrance_that_there_is_not_is_told_with_those_there_are(
    stack: Path, fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["edge", "switch", "--to", "mian"]) == 1
    assert "try: --to with one of: main, cdn" in capsys.readouterr().err
    assert len(fleet.releases("dns")) == 1
    assert not (stack / "stacks" / "local.lock.yaml").exists()


def test_where_nobody_answers_nobody_is_sent_unless_it_is_forced(
    stack: Path, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(edge_switch, "health_of", lambda *_: Health(False, "zone.cdn.example is silent"))
    assert cli.run(["edge", "switch", "--to", "cdn"]) == 1
    assert "Nobody answers at entrance `cdn`: zone.cdn.example is silent" in capsys.readouterr().err
    assert (len(fleet.releases("dns")), (stack / "stacks" / "local.lock.yaml").exists()) == (1, False)
    assert cli.run(["edge", "switch", "--to", "cdn", "--force"]) == 0
    assert fleet.releases("dns")[0].document["entrance"] == "cdn"


def test_a_server_that_does_not_follow_ends_with_1(
    stack: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stack.is_dir()
    monkeypatch.setattr(EdgeServers, "leads_to", lambda _, server, __: server == "a-dns-1")
    monkeypatch.setattr(edge_switch, "_SEEN_SECONDS", 0.2)
    assert cli.run(["edge", "switch", "--to", "cdn", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["servers"]["b-dns-1"], told["seconds"], told["worst_seconds"]) == (None, None, None)


def test_a_stack_without_name_servers_says_what_makes_some(
    stack: Path, keys: StackKeys, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stack.is_dir()
    bare: Deployed = state_of(keys, status={key: value for key, value in STATUS.items() if key != "dns"})
    monkeypatch.setattr(Engine, "deployed_with_secrets", lambda _: bare)
    assert cli.run(["edge", "show"]) == 1
    assert "write `dns: {name: ...}` into the spec" in capsys.readouterr().err


def test_show_says_where_the_servers_lead_and_what_the_parent_has_to_say(
    stack: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stack.is_dir()
    monkeypatch.setattr("hdinfra.operate.edge_show.health_of", lambda *_: Health(True, "2 of 2 places answer"))
    rows = [{"server": "a-dns-1", "over": "UDP", "leads_to": "main.edge.example.net", "problem": ""}]
    monkeypatch.setattr(EdgeServers, "rows", lambda _: rows)
    assert cli.run(["edge", "show", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["entrance"], told["agreed"], told["servers"]) == ("main", True, rows)
    rows[0]["leads_to"] = "zone.cdn.example"
    assert cli.run(["edge", "show"]) == 1
    assert "main (in force)" in capsys.readouterr().out


def test_the_delegation_names_every_address() -> None:
    assert delegation(DOCUMENT) == [
        "edge.example.net. NS ns1.edge.example.net.",
        "edge.example.net. NS ns2.edge.example.net.",
        "ns1.edge.example.net. A 192.0.2.1",
        "ns1.edge.example.net. AAAA 2001:db8::1",
        "ns2.edge.example.net. A 192.0.2.2",
    ]


def test_servers_are_asked_where_they_are_shown_or_where_they_are() -> None:
    published = STATUS | {"dns": STATUS["dns"] | {"publish": {"a-dns-1": {"address": "127.0.0.1", "port": 15300}}}}
    found = servers_of(Declared(published), DOCUMENT)
    assert found.doors["a-dns-1"] == {"UDP": Server("127.0.0.1", 15300), "TCP": Server("127.0.0.1", 15300, tcp=True)}
    assert found.doors["b-dns-1"] == {
        "UDP over IPv4": Server("192.0.2.2"),
        "TCP over IPv4": Server("192.0.2.2", tcp=True),
    }
    assert found.leads == {"main": "main.edge.example.net", "cdn": "zone.cdn.example"}


def test_worst_is_the_slowest_server_and_the_whole_ttl() -> None:
    done = Switched("cdn", "main", {"a": 0.5, "b": 2.5}, 30, recorded=True)
    assert (done.seconds, done.as_json()["worst_seconds"]) == (2.5, 32.5)


def test_the_host_of_health_checks_is_no_sites() -> None:
    """The edge answers /healthz for itself where the Host is no site's, and asked by that name it always does."""
    configuration = "".join(render_edge(LoadBalancerPolicy((), ())).values())
    assert "if health !known" in configuration
    assert edge_health.HOST.endswith(".internal")


@contextmanager
def answering(statuses: Mapping[str, int]) -> Iterator[int]:
    """A stand-in web server that answers by the Host that it is asked for; its port."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(statuses.get(self.headers["Host"], 421))
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "well", "words"),
    [
        (200, True, "zone.cdn.example answers 200 for shop.acme.test"),
        (308, True, "zone.cdn.example answers 308 for shop.acme.test"),
        (403, False, "zone.cdn.example answers 403 for shop.acme.test"),
        (522, False, "zone.cdn.example answers 522 for shop.acme.test"),
    ],
)
def test_a_name_elsewhere_must_know_our_sites(
    monkeypatch: pytest.MonkeyPatch, status: int, well: bool, words: str
) -> None:
    with answering({"shop.acme.test": status}) as port:
        asked = lambda _, host, path: answer_of("127.0.0.1", host, path, port)  # noqa: E731
        monkeypatch.setattr(edge_health, "answer_of", asked)
        assert health_of(DOCUMENT, "cdn", ["shop.acme.test"]) == Health(well, words)


def test_one_place_that_answers_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"192.0.2.11": 200, "2001:db8::11": 0, "192.0.2.12": 503}
    monkeypatch.setattr(edge_health, "answer_of", lambda address, *_: said[address])
    words = "1 of 2 places answer (2001:db8::11 is silent, 192.0.2.12 503)"
    assert health_of(DOCUMENT, "main", []) == Health(True, words)
    monkeypatch.setattr(edge_health, "answer_of", lambda *_: 503)
    assert not health_of(DOCUMENT, "main", []).well


def test_who_is_silent_is_told_as_that() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert answer_of("127.0.0.1", "a.test", "/", taken.getsockname()[1]) == 0
