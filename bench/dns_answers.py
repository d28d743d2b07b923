"""How soon name servers stop answering with a place that died, and start to lead to another entrance."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import yaml

from bench.figure import Figure
from bench.project import Project, make_project
from bench.talk import say
from hdinfra.operate.containers import open_containers
from hdinfra.operate.faults import frozen
from hdinfra.operate.waiting import seconds_until
from hdinfra.protocol.dns_query import DnsError, Server, ask

DOMAIN = "edge.example.net"
INTERVAL, TIMEOUT, FAILURES, TTL = 2, 1, 2, 5
NEAR_WEST = ("192.0.2.0/24", "2001:db8:77::/48")
_TIMES = 5


def dns_project(root: Path, salt: str) -> Project:
    """The Zone of `make drill` with name servers in two of its Clusters, at addresses and ports of its own."""
    project = make_project(root, salt)
    spec, own = yaml.safe_load((root / "stacks/drill.yaml").read_text()), project.spec
    spec["network"] = own["network"]
    for place, free in zip(spec["edge"]["places"], own["edge"]["places"], strict=True):
        place["publish"] = free["publish"]
    spec["control"] = {**own["control"], "clusters": ["a", "b"]}
    spec["dns"] = {
        "name": DOMAIN,
        "clusters": ["a", "b"],
        "publish": {"port": own["control"]["publish"]["port"] + 2},
        "ttl_seconds": TTL,
        "interval_seconds": INTERVAL,
        "timeout_seconds": TIMEOUT,
        "failures": FAILURES,
        "entrances": [
            {"name": "main", "places": ["east", "west"]},
            {"name": "spare", "places": ["west"]},
            {"name": "cdn", "target": "zone.cdn.invalid"},
        ],
        "near": [{"network": network, "places": ["west", "east"]} for network in NEAR_WEST],
    }
    project.write_spec(spec)
    return project


@contextmanager
def answering() -> Iterator[Project]:
    """Such a zone of the benchmark's own, up."""
    with TemporaryDirectory(prefix="hdinfra-bench-") as folder:
        project = dns_project(Path(folder), "bench-dns")
        try:
            say("bringing a zone with name servers up")
            project.must("up")
            yield project
        finally:
            project.down()


def measure_answers(zone: Project) -> Iterable[Figure]:
    """The median of five each: a place that is frozen until both servers answer with the other one, and a switch until
    both lead to the other entrance. The goals are a bound of the checks, and what a person calls at once."""
    dead = [_dead_seconds(zone) for _ in range(_TIMES)]
    say(f"frozen: {dead}")
    yield Figure("dns-answers", round(median(dead), 2), "s", INTERVAL * FAILURES + 1)
    switched = [_switch_seconds(zone, to) for to in ("spare", "main") * _TIMES][:_TIMES]
    say(f"switched: {switched}")
    yield Figure("dns-switch", round(median(switched), 2), "s", 5)


def _dead_seconds(zone: Project) -> float:
    alive, containers = _answers(zone), open_containers()
    with frozen(containers, [f"{zone.namespace}-east-edge"]):
        began = time.monotonic()
        if seconds_until(lambda: not set(_answers(zone)) & set(alive), within=60) is None:
            raise AssertionError(f"servers still answer with {alive}")
        took = time.monotonic() - began
    if seconds_until(lambda: _answers(zone) == alive, within=60) is None:
        raise AssertionError(f"servers answer with {_answers(zone)}, and {alive} is well again")
    return round(took, 2)


def _answers(zone: Project) -> list[str]:
    """What each server says; nothing for one that is silent, which is no answer either way."""
    port, found = zone.spec["dns"]["publish"]["port"], list[str]()
    for number in range(2):
        try:
            found += ask(Server("127.0.0.1", port + number), f"main.{DOMAIN}", "A").values("A")
        except DnsError as silent:
            raise AssertionError("a name server does not answer") from silent
    return found


def _switch_seconds(zone: Project, to: str) -> float:
    return float(zone.ask("edge", "switch", "--to", to)["seconds"])
