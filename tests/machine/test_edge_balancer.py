"""An edge machine behind a provider's load balancer, in real HAProxy: whom it believes, and whom it answers."""

import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network, ip_address

import pytest

from hdinfra.agent.applier import rendered
from hdinfra.agent.local import Local
from hdinfra.agent.paths import SITE_CERTIFICATES
from hdinfra.agent.policy import Backend, Document, EdgeInstance, EdgeSite, LoadBalancerPolicy
from hdinfra.machine.roles import machine_of
from hdinfra.model.plan import BalancerPlan
from hdinfra.plugins.local.engine import Engine
from hdinfra.protocol import certificate
from tests.machine.debian import Debian, planned, start_debian
from tests.machine.sync_stack import eventually
from tests.machine.test_rendered import prepare_edge

HOST, BALANCER, VISITOR, EDGE, WAF = "a.test", "10.64.8.2", "192.0.2.77", "10.64.8.10", "192.0.2.1"
CONFIGURATION = ("-f", "/etc/hdinfra/haproxy.cfg", "-f", "/etc/hdinfra/policy/haproxy")
PID = "/run/haproxy.test.pid"
POLICY = LoadBalancerPolicy(
    (EdgeInstance("shop", (Backend("c1-shop-1", "c1", ip_address(WAF), ip_address("2001:db8::1")),)),),
    (EdgeSite(HOST, "shop", "/health", 3),),
)

V2 = bytes.fromhex("0d0a0d0a000d0a515549540a")
ENDS = ip_address("203.0.113.9").packed + ip_address("198.51.100.1").packed + (56_324).to_bytes(2) + (80).to_bytes(2)
HEADERS = {
    "none": b"",
    "v1": b"PROXY TCP4 203.0.113.9 198.51.100.1 56324 80\r\n",
    "v1 over IPv6": b"PROXY TCP6 2001:db8::9 2001:db8::5 56324 80\r\n",
    "v2": V2 + b"\x21\x11" + len(ENDS).to_bytes(2) + ENDS,
    "v2 of a health check": V2 + b"\x20\x00\x00\x00",
}

# Arguments: source and destination, port, host, path, and what comes before the request, in hexadecimal.
ASK = """
import http.client, socket, ssl, sys
source, destination, port, host, path, header = sys.argv[1:]
try:
    with socket.create_connection((destination, int(port)), 5, (source, 0)) as connection:
        connection.sendall(bytes.fromhex(header))
        if port == "443":
            connection = ssl._create_unverified_context().wrap_socket(connection, server_hostname=host)
        connection.sendall(f"GET {path} HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n\\r\\n".encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        print(answer.status, answer.read().decode().strip() if answer.status == 200 else "")
except (OSError, http.client.HTTPException):
    print("turned away")
"""
# Plays a WAF machine, and tells who the edge says that the visitor is.
PLAYED_WAF = """
import http.server
class Waf(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(", ".join(self.headers.get_all("X-Forwarded-For", [])).encode())
    def log_message(self, *words):
        pass
http.server.ThreadingHTTPServer(("", 9999), Waf).serve_forever()
"""
NETWORK = (
    *(f"ip addr add {address}/32 dev lo" for address in (BALANCER, VISITOR, EDGE, WAF)),
    "nft add table ip played",
    "nft add chain ip played out '{ type nat hook output priority -100; }'",
    f"nft add rule ip played out ip daddr {WAF} tcp dport 80 redirect to :9999",
)


def certified() -> str:
    """A key and the site's certificate."""
    now, root_key, key = time.time(), certificate.new_key(), certificate.new_key()
    root = certificate.new_site_root("india", root_key, now)
    return key + certificate.issue_site(root, root_key, key, HOST, certificate.Life(now, days=90))


@pytest.fixture(scope="module", params=[80, 8080], ids=["health at 80", "health at its own door"])
def place(request: pytest.FixtureRequest, engine: Engine) -> Iterator[Debian]:
    """The machine, its HAProxy running, with a WAF machine behind it."""
    behind = BalancerPlan((IPv4Network("10.64.8.0/21"),), header=True, health_port=request.param)
    made = start_debian(engine, machine_of("india", replace(planned("load-balancer"), balancer=behind)))
    try:
        for line in NETWORK:
            assert made.run("sh", "-c", line) == (0, ""), line
        made.put({"/waf.py": PLAYED_WAF, "/ask.py": ASK})
        made.run("sh", "-c", "python3 /waf.py >/dev/null 2>&1 &")
        prepare_edge(made)
        made.put({f"{SITE_CERTIFICATES}/{HOST}.pem": certified()}, 0o600)
        made.policy(rendered(Document("load-balancer", POLICY, b""), Local()).files)
        assert made.run("haproxy", "-D", "-p", PID, *CONFIGURATION)[0] == 0
        eventually(lambda: asked(made, "127.0.0.1", "none", path="/healthz", host="localhost") == "200 ok", 30)
        yield made
    finally:
        made.container.remove(force=True)


def asked(  # noqa: PLR0917  who asks whom for what
    place: Debian, source: str, header: str, port: int = 80, path: str = "/", host: str = HOST
) -> str:
    """Status and text of the answer."""
    destination = source if source.startswith("127.") else EDGE
    words = (source, destination, str(port), host, path, HEADERS[header].hex())
    code, said = place.run("python3", "/ask.py", *words)
    assert code == 0, said
    return said.strip()


def test_haproxy_and_nft_have_nothing_to_say_against_it(place: Debian) -> None:
    code, words = place.run("haproxy", "-c", *CONFIGURATION)
    assert code == 0 and "WARNING" not in words and "ALERT" not in words, words
    assert place.run("nft", "-c", "-f", "/etc/hdinfra/firewall.nft") == (0, "")


@pytest.mark.parametrize("port", [80, 443])
@pytest.mark.parametrize(
    ("header", "visitor"), [("v1", "203.0.113.9"), ("v2", "203.0.113.9"), ("v1 over IPv6", "2001:db8::9")]
)
def test_a_waf_learns_the_visitors_address_from_the_balancers_header(
    place: Debian, header: str, visitor: str, port: int
) -> None:
    assert asked(place, BALANCER, header, port) == f"200 {visitor}"


@pytest.mark.parametrize("port", [80, 443])
@pytest.mark.parametrize("header", ["none", "v1", "v2"])
def test_whoever_goes_round_the_balancer_is_turned_away(place: Debian, header: str, port: int) -> None:
    assert asked(place, VISITOR, header, port) == "turned away"


def test_the_balancer_without_its_header_is_turned_away(place: Debian) -> None:
    assert asked(place, BALANCER, "none") == "turned away"


def test_what_the_machine_asks_itself_needs_no_header_and_may_not_forge_one(place: Debian) -> None:
    assert asked(place, "127.0.0.1", "none") == "200 127.0.0.1"
    assert asked(place, "127.0.0.1", "v1") == "400"


def health(place: Debian, header: str, path: str = "/healthz") -> str:
    """What the balancer is told at the port that it asks."""
    port = 8080 if 8080 in place.machine.firewall.restricted_tcp else 80
    return asked(place, BALANCER, header, port, path, "10.64.8.10")


@pytest.mark.parametrize("header", ["v1", "v2", "v2 of a health check"])
def test_health_checks_with_a_header_are_answered(place: Debian, header: str) -> None:
    assert health(place, header) == "200 ok"


def test_health_checks_without_one_are_answered_at_their_own_door_alone(place: Debian) -> None:
    own = 8080 in place.machine.firewall.restricted_tcp
    assert health(place, "none") == ("200 ok" if own else "turned away")
    assert health(place, "v1", "/") == ("404" if own else "421")


def test_a_drained_machine_gets_nobody(place: Debian) -> None:
    normal = rendered(Document("load-balancer", POLICY, b""), Local()).files
    drained = rendered(Document("load-balancer", POLICY, b""), Local(drained=True)).files
    restart = ("sh", "-c", f"haproxy -D -p {PID} {' '.join(CONFIGURATION)} -sf $(cat {PID})")
    try:
        place.policy(drained)
        assert place.run(*restart)[0] == 0
        eventually(lambda: health(place, "v1") == "503", 10)
    finally:
        place.policy(normal)
        assert place.run(*restart)[0] == 0


def test_a_balancer_that_keeps_packets_as_they_came_changes_no_machine() -> None:
    plan = planned("load-balancer")
    assert machine_of("india", replace(plan, balancer=BalancerPlan())) == machine_of("india", plan)
