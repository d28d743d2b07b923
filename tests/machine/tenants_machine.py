"""A WAF machine whose systemd runs, and tenants on it: for tests, and for the benchmark of what a tenant costs."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hdinfra.machine.bundle import bundle_of
from hdinfra.machine.roles import machine_of
from hdinfra.plugins.local.engine import Engine
from tests.machine.booted import booted
from tests.machine.debian import Debian, lay_code, planned
from tests.machine.sync_stack import ZONE, waf

ORIGIN = """
import http.server, json
class Origin(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): ...
http.server.ThreadingHTTPServer(("127.0.0.1", 8081), Origin).serve_forever()
"""
ASK = """
import http.client, json, sys
told = []
for host, path, headers in json.loads(sys.argv[1]):
    connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=20)
    connection.request("GET", path, headers={"Host": host, "User-Agent": "test", "Accept": "*/*", **headers})
    answer = connection.getresponse()
    told.append([answer.status, answer.read().decode()])
    connection.close()
print(json.dumps(told))
"""
SITE = {
    **{key: value for key, value in waf("a.test")["sites"][0].items() if key not in ("host", "tenant")},
    "origins": [{"address": "127.0.0.1", "port": 8081}],
}
LIMITS = {
    "plan": "small",
    "cpu_weight": 100,
    "io_weight": 50,
    "memory_high_mib": 384,
    "memory_max_mib": 512,
    "memory_low_mib": 192,
    "disk_mib": 1024,
}


def policy(*sites: tuple[str, str], edges: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
    """A document with these sites, as (tenant, host)."""
    tenants = sorted({tenant for tenant, _ in sites})
    return {
        "app": "waf",
        "schema_version": 1,
        "edges": list(edges),
        "sites": [{**SITE, "tenant": tenant, "host": host, **changes} for tenant, host in sites],
        "tenants": [{"name": tenant, "tasks_max": 128, **LIMITS} for tenant in tenants],
    }


@contextmanager
def waf_machine(engine: Engine) -> Iterator[Debian]:
    """One with an origin on its own loopback, and no policy yet."""
    with booted(engine, machine_of(ZONE, planned("waf"))) as place:
        lay_code(place, bundle_of("waf"))
        place.put({"/root/origin.py": ORIGIN, "/root/ask.py": ASK})
        place.run("systemd-run", "--unit=origin", "/usr/bin/python3", "/root/origin.py")
        done = place.run("systemctl", "start", "hdinfra-policy", "hdinfra-firewall", "haproxy", "hdinfra-tenants")
        assert done == (0, ""), done
        yield place


def applied(place: Debian, document: Mapping[str, Any]) -> list[str]:
    """The files that were touched for it."""
    place.put({"/root/document.json": json.dumps(document)})
    code, words = place.run("hdctl", "apply", "/root/document.json")
    assert code == 0, words
    changed: list[str] = json.loads(words.splitlines()[-1])["changed"]  # a tenant that does not take it is named before
    return changed


def asked(place: Debian, *requests: tuple[str, str, Mapping[str, str]]) -> list[tuple[int, str]]:
    """Status and body of each, one after the other."""
    code, words = place.run("python3", "/root/ask.py", json.dumps(requests))
    assert code == 0, words
    return [(status, body) for status, body in json.loads(words)]


def status(place: Debian, host: str, path: str = "/") -> int:
    return asked(place, (host, path, {}))[0][0]


def pids(place: Debian, key: str) -> list[str]:
    """Of the tenant's processes."""
    return place.run("pgrep", "-u", f"hdt-{key}")[1].split()
