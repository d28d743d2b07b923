"""Requests to a WAF machine's router and nginx from inside its container, as its edge would pass them on."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hdinfra.agent import waf
from hdinfra.agent.paths import POLICY, TENANT_CACHES, TENANT_LOGS, TENANTS
from hdinfra.agent.policy import Address, WafPolicy, WafSite
from hdinfra.agent.tenant_names import key_of
from tests.machine.debian import Debian

_SEND = """
import http.client, json, sys, time
deadline, told = time.monotonic() + 20, []
for one in json.load(open(sys.argv[1])):
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", timeout=10, source_address=(one["source"], 0))
        try:
            connection.connect()
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    headers = {"User-Agent": "visitor/1", "Accept": "*/*", "Host": one["host"], **one["headers"]}
    body = one["body"].encode() if one["body"] else None
    connection.request(one["method"], one["path"], body, headers)
    answer = connection.getresponse()
    told.append([answer.status, answer.read().decode(), {k.lower(): v for k, v in answer.getheaders()}])
    connection.close()
print(json.dumps(told))
"""
_TENANT = "acme"
_KEY = key_of(_TENANT)
_START = f"""
set -e
for folder in {TENANT_LOGS} {TENANT_CACHES}; do rm -rf $folder/{_KEY}; install -d -o www-data $folder/{_KEY}; done
install -d /var/lib/haproxy/tenants /run/haproxy
nginx -e /tmp/nginx.log -c {TENANTS}/{_KEY}/main.conf
haproxy -D -p /run/visited.pid -f /etc/hdinfra/haproxy.cfg -f {POLICY}/haproxy/router.cfg -f /tmp/tenant.cfg
"""
_STOP = f"""
kill $(cat /run/visited.pid) || true
nginx -e /tmp/nginx.log -c {TENANTS}/{_KEY}/main.conf -s stop || true
# Nobody may fetch the dead here; they have no program any more.
while [ -e /tmp/nginx.pid ] || [ -e /proc/$(cat /run/visited.pid)/exe ]; do sleep 0.05; done
rm -f /run/visited.pid
"""


@dataclass(frozen=True)
class Asked:
    """One request, from an address of the loopback's network."""

    host: str
    path: str = "/"
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    source: str = "127.0.0.1"


@dataclass(frozen=True)
class Told:
    """Its answer; names of headers in lower case."""

    status: int
    body: str
    headers: Mapping[str, str]


def ask(place: Debian, requests: Sequence[Asked]) -> list[Told]:
    """Answers in the order of the requests, each over its own connection."""
    plain: list[dict[str, Any]] = [{**vars(one), "headers": dict(one.headers)} for one in requests]
    place.put({"/tmp/requests.json": json.dumps(plain)})
    code, words = place.run("python3", "-c", _SEND, "/tmp/requests.json")
    assert code == 0, words
    return [Told(*one) for one in json.loads(words)]


@contextmanager
def serving(place: Debian, sites: Sequence[WafSite], edges: Sequence[Address] = ()) -> Iterator[None]:
    """Router and nginx with these sites of one tenant alone, without systemd; nobody stands behind them unless
    something listens at their sockets."""
    files = waf.render(WafPolicy(tuple(sites), tuple(edges)))
    place.policy(files)
    # Only the way in: the way out is what tests play.
    way_in = files[f"{POLICY}/haproxy/tenant-{_KEY}.cfg"].partition("\nfrontend ")[0]
    place.put({"/tmp/tenant.cfg": way_in + "\n"})
    # A daemon that kept the shell's own output open would keep the test waiting.
    code, words = place.run("sh", "-c", f"({_START}) >/tmp/start.log 2>&1 || {{ cat /tmp/start.log; exit 1; }}")
    assert code == 0, words
    try:
        yield
    finally:
        place.run("sh", "-c", f"({_STOP}) >/tmp/stop.log 2>&1")
