"""An edge whose machines are overloaded, in real HAProxy: it asks again for a few, and not for all."""

import json
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from hdinfra.agent.policy import Backend, EdgeInstance, EdgeSite, LoadBalancerPolicy
from hdinfra.plugins.local.engine import Engine
from tests.machine.debian import Debian
from tests.machine.played_edge import played_edge
from tests.machine.test_edge_balancer import HOST

WAFS, BUSY = ("192.0.2.1", "192.0.2.2"), 128
POLICY = LoadBalancerPolicy(
    (
        EdgeInstance(
            "shop", tuple(Backend(f"{c}-shop-1", c, ip_address(at), None) for c, at in zip("ab", WAFS, strict=True))
        ),
    ),
    (EdgeSite(HOST, "shop", "/", 4),),
)
# Plays both WAF machines, which are well and never answer with a slow page; counts how often each was asked for.
PLAYED = """
import collections, http.server, json, threading
counts, lock = collections.Counter(), threading.Lock()
class Waf(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/slow"):
            with lock:
                counts[self.path] += 1
            threading.Event().wait()
        body = json.dumps(counts).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): ...
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512
Server(("", 9990), Waf).serve_forever()
"""
# Arguments: how many wait for a page of their own while one more is asked for. Prints that one's status.
CROWD = """
import http.client, json, sys, threading, time
def ask(path):
    connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=30)
    connection.request("GET", path, headers={"Host": "a.test"})
    answer = connection.getresponse()
    return answer.status, answer.read()
pages = [f"/slow/{n}" for n in range(int(sys.argv[1]))]
crowd = [threading.Thread(target=ask, args=(page,)) for page in pages]
for one in crowd: one.start()
deadline = time.monotonic() + 60
while not set(pages) <= json.loads(ask("/")[1]).keys():
    assert time.monotonic() < deadline, "not all have come through"
print(ask("/slow/last-of-" + sys.argv[1])[0])
for one in crowd: one.join()
"""


@pytest.fixture(scope="module")
def place(engine: Engine) -> Iterator[Debian]:
    """The edge with its HAProxy, and two machines behind it."""
    with played_edge(engine, POLICY, dict.fromkeys(WAFS, 9990), PLAYED) as made:
        made.put({"/crowd.py": CROWD})
        yield made


@pytest.mark.parametrize(("waiting", "asked"), [(0, 4), (2 * BUSY, 1)])
def test_a_page_is_asked_for_again_unless_many_wait(place: Debian, waiting: int, asked: int) -> None:
    assert place.run("python3", "/crowd.py", str(waiting)) == (0, "504\n")
    counts = json.loads(place.run("curl", "-sf", "-H", f"Host: {HOST}", "http://127.0.0.1/")[1])
    assert counts[f"/slow/last-of-{waiting}"] == asked
