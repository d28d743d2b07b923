"""Requests to a WAF machine's nginx from inside its container, as its edge would pass them on."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hdinfra.agent import waf
from hdinfra.agent.policy import Address, WafPolicy, WafSite
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
_STOP = "nginx -c /etc/hdinfra/nginx.conf -s stop; while [ -e /run/nginx.pid ]; do sleep 0.05; done"


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
    """nginx with these sites alone; nobody stands behind them unless something listens at their sockets."""
    place.run("sh", "-c", "rm -rf /var/log/hdinfra/* /var/lib/nginx/cache-*")
    place.policy(waf.render(WafPolicy(tuple(sites), tuple(edges))))
    # A daemon that kept the shell's own output open would keep the test waiting.
    start = "nginx -c /etc/hdinfra/nginx.conf >/tmp/nginx.log 2>&1 || { cat /tmp/nginx.log; exit 1; }"
    code, words = place.run("sh", "-c", start)
    assert code == 0, words
    try:
        yield
    finally:
        place.run("sh", "-c", _STOP)
