"""An edge with pools in order, in real HAProxy: users are where the helm says, without a reload and after one."""

import json
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from hdinfra.agent.applier import rendered
from hdinfra.agent.failover_policy import FailoverPolicy, FailoverPool, Monitor
from hdinfra.agent.local import Local
from hdinfra.agent.paths import HEALTH_MAP, POOLS_MAP, STEERED
from hdinfra.agent.policy import Backend, Document, EdgeInstance, EdgeSite, LoadBalancerPolicy
from hdinfra.plugins.local.engine import Engine
from tests.machine.debian import Debian
from tests.machine.played_edge import played_edge, start_haproxy
from tests.machine.sync_stack import eventually
from tests.machine.test_edge_balancer import CONFIGURATION, HOST, PID

POOLS = (FailoverPool("first", ("a",), False), FailoverPool("second", ("b",), False))
FAILOVER = FailoverPolicy(POOLS, "second", Monitor("/edge-health", 200, "well. it is", 1, 1, 0, 1, 1))
MACHINES = {"first": "192.0.2.1", "second": "192.0.2.2"}
POLICY = LoadBalancerPolicy(
    (
        EdgeInstance(
            "shop",
            tuple(
                Backend(f"{cluster}-shop-1", cluster, ip_address(address), None)
                for cluster, address in zip("ab", MACHINES.values(), strict=True)
            ),
        ),
    ),
    (EdgeSite(HOST, "shop", "/", 2),),
    failover=FAILOVER,
)
# Plays the WAF machines: each tells its name, and of its health what lies in a file.
PLAYED = """
import http.server, pathlib, threading
def played(name, port):
    class Waf(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def do_GET(self):
            ill = pathlib.Path(f"/ill-{name}").exists()
            asked = (self.path, self.headers["Host"]) == ("/edge-health", "a.test")
            body = b"WELL. It is." if asked else name.encode()
            self.send_response(503 if ill and self.path == "/edge-health" else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *_): ...
    http.server.ThreadingHTTPServer(("", port), Waf).serve_forever()
threading.Thread(target=played, args=("first", 9991), daemon=True).start()
played("second", 9992)
"""
STEER = """
import sys, threading
sys.path.insert(0, "/usr/lib/hdinfra/code")
from pathlib import Path
from hdinfra.agent.helm import Helm
from hdinfra.agent.problems import Problems
from hdinfra.agent.policy import *
from hdinfra.agent.failover_policy import *
from ipaddress import *
helm = Helm(Path("/"), Problems())
helm.follow(eval(Path("/policy.txt").read_text()))
helm.run(threading.Event())
"""
ASK = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=10)
connection.request("GET", sys.argv[1], headers={"Host": sys.argv[2]})
answer = connection.getresponse()
print(answer.status, answer.read().decode())
"""


@pytest.fixture(scope="module")
def place(engine: Engine) -> Iterator[Debian]:
    """The edge with its HAProxy and its helm, and a machine in each pool."""
    ports = dict(zip(MACHINES.values(), (9991, 9992), strict=True))
    with played_edge(engine, POLICY, ports, PLAYED) as made:
        made.put({"/steer.py": STEER, "/ask.py": ASK, "/policy.txt": repr(POLICY)})
        made.run("sh", "-c", "python3 /steer.py >/steer.log 2>&1 &")
        yield made


def asked(place: Debian, path: str = "/", host: str = HOST) -> str:
    """Status and text of the answer."""
    return place.run("python3", "/ask.py", path, host)[1].strip()


def seen(place: Debian) -> str:
    return place.run("sh", "-c", f"cat /steer.log {STEERED} {POOLS_MAP}")[1]


def at(place: Debian, pool: str) -> None:
    eventually(lambda: asked(place) == f"200 {pool}", 15, lambda: seen(place))


def last_switch(place: Debian) -> dict[str, Any]:
    """As it is noted, which is a moment after HAProxy was told."""
    code, words = place.run("cat", STEERED)
    switches = json.loads(words)["switches"] if code == 0 else []
    return switches[-1] if switches else {}


def test_haproxy_has_nothing_to_say_against_it(place: Debian) -> None:
    code, words = place.run("haproxy", "-c", *CONFIGURATION)
    assert code == 0 and "WARNING" not in words and "ALERT" not in words, words


def test_users_are_at_the_first_pool_and_move_when_it_says_503(place: Debian) -> None:
    at(place, "first")
    place.run("touch", "/ill-first")
    at(place, "second")
    told = {"instance": "shop", "from": "first", "to": "second", "because": "a-shop-1: answers 503"}
    eventually(lambda: {key: value for key, value in last_switch(place).items() if key != "at"} == told)


def test_a_reload_changes_nothing(place: Debian) -> None:
    at(place, "second")
    start_haproxy(place, "-sf", place.run("cat", PID)[1].strip())
    assert asked(place) == "200 second"


def test_users_come_back(place: Debian) -> None:
    place.run("rm", "/ill-first")
    at(place, "first")


def test_silence_counts_as_down(place: Debian) -> None:
    """As from a machine behind a cut cable: no answer at all, and no refusal either."""
    at(place, "first")
    place.run("nft", "add table ip cut")
    place.run("nft", "add chain ip cut in { type filter hook input priority -300; }")
    assert place.run("nft", "add rule ip cut in tcp dport 9991 drop") == (0, "")
    try:
        at(place, "second")
        eventually(lambda: last_switch(place).get("because") == "a-shop-1: no answer within 1 s")
    finally:
        place.run("nft", "delete table ip cut")
    at(place, "first")


def test_with_every_pool_down_the_fallback_is_asked_all_the_same(place: Debian) -> None:
    place.run("touch", "/ill-first", "/ill-second")
    try:
        at(place, "second")
        eventually(lambda: asked(place, "/healthz", "localhost").startswith("503"))
        assert asked(place) == "200 second"
    finally:
        place.run("rm", "/ill-first", "/ill-second")
    at(place, "first")


def test_a_choice_among_other_pools_counts_no_more(place: Debian) -> None:
    at(place, "first")
    others = replace(FAILOVER, pools=(FailoverPool("only", ("b",), False),), fallback="only")
    files = rendered(Document("load-balancer", replace(POLICY, failover=others), b""), Local()).files
    place.policy(files)
    start_haproxy(place, "-sf", place.run("cat", PID)[1].strip())
    eventually(lambda: asked(place) == "200 second")


def test_the_edge_itself_says_what_it_was_told(place: Debian) -> None:
    for host in (HOST, "nobody.test"):
        assert asked(place, "/edge-health", host) == "503 ill"
    place.run("sh", "-c", f"echo 'until 9999999999' > {HEALTH_MAP}")
    start_haproxy(place, "-sf", place.run("cat", PID)[1].strip())
    eventually(lambda: asked(place, "/edge-health") == "200 ok")
