"""Which pool an edge sends users to: as the state machine says, on schedule, and not forgotten at a restart."""

import asyncio
import json
import socketserver
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdinfra.agent.failover_policy import FailoverPolicy, FailoverPool, Monitor, failover_policy
from hdinfra.agent.fields import PolicyError
from hdinfra.agent.helm import Helm
from hdinfra.agent.paths import POOLS_MAP
from hdinfra.agent.policy import Backend, EdgeInstance, EdgeSite, LoadBalancerPolicy
from hdinfra.agent.prober import Outcome, probe
from hdinfra.agent.problems import Problems
from hdinfra.agent.steering import Course, Target
from hdinfra.model.failover.edge import EdgeFailoverSpec
from hdinfra.model.policy import Failover
from hdinfra.protocol import failover
from tests.machine.sync_api import served
from tests.machine.sync_stack import eventually

MONITOR = Monitor("/edge-health", 200, "", 1, 1, 0, 1, 1)
POOLS = (FailoverPool("first", ("a", "c"), False), FailoverPool("second", ("b",), False))
FAILOVER = FailoverPolicy(POOLS, "second", MONITOR)


def backend(cluster: str, number: int = 1, instance: str = "shop") -> Backend:
    """A machine of that Cluster."""
    return Backend(f"{cluster}-{instance}-{number}", cluster, ip_address("127.0.0.1"), None)


def policy(failover: FailoverPolicy | None = FAILOVER, **changes: Any) -> LoadBalancerPolicy:
    """Three Clusters in two pools."""
    instances = (EdgeInstance("shop", (backend("a"), backend("b"), backend("c"))),)
    return replace(
        LoadBalancerPolicy(instances, (EdgeSite("shop.test", "shop", "/", 2),), failover=failover), **changes
    )


@given(
    st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=60),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sets(st.sampled_from(["first", "second"]), max_size=1),
    st.sampled_from(["first", "second"]),
)
def test_any_results_give_the_same_switch_points_as_the_state_machine(
    results: list[tuple[int, bool]], down: int, up: int, drained: set[str], fallback: str
) -> None:
    pools = tuple(replace(pool, drained=pool.name in drained) for pool in POOLS)
    own = FailoverPolicy(pools, fallback, replace(MONITOR, consecutive_down=down, consecutive_up=up))
    course = Course(policy(own), own)
    order = failover.Order(
        (
            failover.Pool("first", ("a-shop-1", "c-shop-1"), drained="first" in drained),
            failover.Pool("second", ("b-shop-1",), drained="second" in drained),
        ),
        fallback,
        down,
        up,
    )
    assert own.first() == failover.chosen(order, failover.View()), "before anything was seen"
    view, now, expected, found = failover.View(), failover.chosen(order, failover.View()), [], []
    for step, (number, passed) in enumerate(results):
        target = course.targets[number]
        view = failover.seen(order, view, target.pool, target.machine, passed=passed)
        if failover.chosen(order, view) != now:
            now = failover.chosen(order, view)
            expected.append((step, now))
        if switch := course.hear(target, passed=passed, evidence="x"):
            found.append((step, switch.after))
    assert found == expected and course.chosen == {"shop": now}


class Haproxy:
    """A stand-in: it keeps what it is told."""

    def __init__(self) -> None:
        self.map: dict[str, str] = {}
        self.shut: list[str] = []
        self.away = False

    def __call__(self, line: str) -> str:
        if self.away:
            raise ConnectionRefusedError(111, "Connection refused")
        match line.split():
            case ["set", "map", path, key, value] if path == POOLS_MAP:
                if key not in self.map:
                    return "entry not found\n"
                self.map[key] = value
            case ["add", "map", path, key, value] if path == POOLS_MAP:
                self.map[key] = value
            case ["shutdown", "sessions", "server", server]:
                self.shut.append(server)
            case other:
                raise AssertionError(other)
        return ""


class Machines:
    """Stand-ins for those that are probed; each passes while nobody takes it down."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.asked: dict[str, list[float]] = defaultdict(list)
        self.takes: Mapping[str, float] = MappingProxyType({})

    async def probe(self, target: Target, due: float) -> Outcome:
        self.asked[target.machine].append(due)
        passed = target.machine not in self.down
        await asyncio.sleep(self.takes.get(target.machine, 0))
        return Outcome(passed, "answers 200" if passed else "answers 503")


@pytest.fixture
def haproxy() -> Haproxy:
    return Haproxy()


@pytest.fixture
def machines() -> Machines:
    return Machines()


@contextmanager
def steering(root: Path, haproxy: Haproxy, machines: Machines, now: LoadBalancerPolicy) -> Iterator[Helm]:
    """A helm on this edge, whose thread has ended afterwards."""
    helm, stopping = Helm(root, problems := Problems(), haproxy, machines.probe), threading.Event()
    helm.follow(now)
    thread = threading.Thread(target=helm.run, args=(stopping,))
    thread.start()
    try:
        yield helm
        assert problems.texts() == []
    finally:
        stopping.set()
        thread.join(10)
    assert not thread.is_alive()


def kept(root: Path) -> str:
    """What HAProxy would read at its next start."""
    path = root / POOLS_MAP.lstrip("/")
    return path.read_text() if path.exists() else ""


KEY = f"shop@{FAILOVER.key}"


def at(haproxy: Haproxy, group: str) -> Callable[[], bool]:
    return lambda: haproxy.map.get(KEY) == group


def test_users_move_when_a_pool_dies_and_come_back_and_both_is_told(
    tmp_path: Path, haproxy: Haproxy, machines: Machines
) -> None:
    with steering(tmp_path, haproxy, machines, policy()) as helm:
        eventually(at(haproxy, "shop.first"))
        machines.down = {"a-shop-1"}
        eventually(lambda: helm.told and {m["machine"]: m["up"] for m in helm.told["machines"]}["a-shop-1"] is False)
        assert at(haproxy, "shop.first")(), "one machine of the pool is up"
        machines.down = {"a-shop-1", "c-shop-1"}
        eventually(at(haproxy, "shop.second"))
        eventually(lambda: kept(tmp_path) == f"{KEY} shop.second\n")
        eventually(lambda: len(haproxy.shut) == 12)
        assert set(haproxy.shut) == {
            f"shop.first-{end}/{machine}.{family}"
            for end in ("read", "write", "blind")
            for machine in ("a-shop-1", "c-shop-1")
            for family in ("ipv4", "ipv6")
        }
        machines.down = set()
        eventually(at(haproxy, "shop.first"))
        eventually(lambda: helm.told and len(helm.told["switches"]) == 2)
        assert len(haproxy.shut) == 12, "whoever is well keeps its connections"
        assert helm.told
        first, second = helm.told["switches"]
        assert (first["from"], first["to"], first["because"]) == ("first", "second", "c-shop-1: answers 503")
        assert (second["from"], second["to"]) == ("second", "first")
        assert 0 <= time.time() - first["at"] < 10


def test_a_restart_forgets_nothing(tmp_path: Path, haproxy: Haproxy, machines: Machines) -> None:
    machines.down = {"a-shop-1", "c-shop-1"}
    with steering(tmp_path, haproxy, machines, policy()):
        eventually(at(haproxy, "shop.second"))
    haproxy.map.clear()
    machines.takes = {"a-shop-1": 60, "b-shop-1": 60, "c-shop-1": 60}
    with steering(tmp_path, haproxy, machines, policy()) as helm:
        eventually(at(haproxy, "shop.second"))
        assert helm.told and [one["to"] for one in helm.told["switches"]] == ["second"]


def test_haproxy_is_told_again_when_it_is_back(tmp_path: Path, haproxy: Haproxy, machines: Machines) -> None:
    haproxy.away = True
    machines.down = {"a-shop-1", "c-shop-1"}
    with steering(tmp_path, haproxy, machines, policy()):
        eventually(lambda: "second" in kept(tmp_path))
        haproxy.away = False
        eventually(at(haproxy, "shop.second"))


def test_who_drains_a_pool_moves_users_without_a_probe(tmp_path: Path, haproxy: Haproxy, machines: Machines) -> None:
    with steering(tmp_path, haproxy, machines, policy()) as helm:
        eventually(at(haproxy, "shop.first"))
        drained = replace(FAILOVER, pools=(replace(POOLS[0], drained=True), POOLS[1]))
        helm.follow(policy(drained))
        eventually(at(haproxy, "shop.second"))
        eventually(lambda: helm.told and helm.told["switches"])
        assert helm.told and helm.told["switches"][0]["because"] == "the policy says so"
        assert haproxy.shut == []
        helm.follow(policy(None))
        eventually(lambda: helm.told is None)


def test_probes_begin_on_schedule_however_long_they_take(tmp_path: Path, haproxy: Haproxy, machines: Machines) -> None:
    machines.takes = {"a-shop-1": 2.5}
    with steering(tmp_path, haproxy, machines, policy()):
        eventually(lambda: len(machines.asked["a-shop-1"]) == 5)
    slow = machines.asked["a-shop-1"]
    assert [round(later - earlier, 6) for earlier, later in pairwise(slow)] == [1.0] * 4


def test_results_count_in_the_order_of_their_probes(tmp_path: Path, haproxy: Haproxy) -> None:
    """The first probe of `b` fails late, the second one passes at once: in the end it is up."""
    begun: list[float] = []

    async def late(target: Target, due: float) -> Outcome:
        if target.machine != "b-shop-1":
            return Outcome(True, "answers 200")
        begun.append(due)
        if len(begun) == 1:
            await asyncio.sleep(1.5)
            return Outcome(False, "the first")
        if len(begun) > 2:
            await asyncio.sleep(60)
        return Outcome(True, "the second")

    machines = Machines()
    machines.probe = late  # type: ignore[method-assign]
    with steering(tmp_path, haproxy, machines, policy()) as helm:
        eventually(lambda: len(begun) >= 3)  # long after the first one's end
        eventually(
            lambda: (
                helm.told and [m["seen"] for m in helm.told["machines"] if m["machine"] == "b-shop-1"] == ["the second"]
            )
        )
        assert helm.told and all(one["up"] for one in helm.told["machines"])


@pytest.mark.parametrize("content", ["", "{", '{"ups": 1, "switches": []}', '{"ups": {"shop": []}, "switches": 7}'])
def test_what_cannot_be_read_is_begun_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "run/hdinfra-steering").mkdir(parents=True)
    (tmp_path / "run/hdinfra-steering/seen.json").write_text(content)
    assert Helm(tmp_path, Problems(), Haproxy(), Machines().probe).told is None


ANSWERS = {
    "ok": (b"HTTP/1.1 200 OK\r\n\r\nok", True, "answers 200"),
    "another status": (b"HTTP/1.1 503 No\r\n\r\n", False, "answers 503"),
    "no HTTP": (b"SSH-2.0-x\r\n", False, "no answer: what came is not HTTP"),
    "a line without end": (b"x" * 200_000, False, "no answer: what came is not HTTP"),
    "nothing": (b"", False, "no answer: what came is not HTTP"),
}


class _Replying(socketserver.BaseRequestHandler):
    """Says what it was told to say; None: nothing, for as long as the other one waits."""

    server: "_Server"

    def handle(self) -> None:
        self.server.times += 1
        self.request.recv(4_096)
        if self.server.reply is None:
            with suppress(ConnectionError):
                self.request.recv(1)
        else:
            with suppress(ConnectionError):
                self.request.sendall(self.server.reply)


class _Server(socketserver.ThreadingTCPServer):
    reply: bytes | None
    times = 0


def asked(reply: bytes | None, monitor: Monitor = MONITOR) -> tuple[Outcome, float, int]:
    """What a probe makes of this reply (None: silence), how long it took, and how often it asked."""
    server = _Server(("127.0.0.1", 0), _Replying)
    server.reply = reply
    target = Target("shop", "first", "a-shop-1", ip_address("127.0.0.1"), "shop.test", monitor)

    async def scene() -> tuple[Outcome, float]:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        return await probe(target, begin, server.server_address[1]), loop.time() - begin

    with served(server):
        outcome, took = asyncio.run(scene())
    return outcome, took, server.times


@pytest.mark.parametrize("name", ANSWERS)
def test_a_probe_says_what_it_saw(name: str) -> None:
    reply, passed, evidence = ANSWERS[name]
    assert asked(reply)[0] == Outcome(passed, evidence)


@pytest.mark.parametrize("retries", [0, 1])
def test_silence_takes_exactly_as_long_as_the_worst_case_says(retries: int) -> None:
    outcome, took, times = asked(None, replace(MONITOR, retries=retries))
    assert outcome == Outcome(False, "no answer within 1 s")
    assert retries + 1 <= took < retries + 1.5 and times == retries + 1


@pytest.mark.parametrize(("text", "passed"), [(b"It is READY now", True), (b"not yet", False)])
def test_a_probe_wants_the_right_body(text: bytes, passed: bool) -> None:
    monitor = replace(MONITOR, expected_body="is ready")
    assert asked(b"HTTP/1.1 200 OK\r\n\r\n" + text, monitor)[0].passed is passed


def test_what_the_stack_writes_the_machine_reads() -> None:
    pools = [{"name": "first", "clusters": ["c", "a"]}, {"name": "second", "clusters": ["b"]}]
    spec = EdgeFailoverSpec.model_validate({"pools": pools, "fallback": "second", "monitor": {"retries": 0}})
    read = failover_policy(json.loads(Failover.of(spec).model_dump_json()), "failover")
    assert read.pools == POOLS
    assert read.monitor == Monitor("/edge-health", 200, "", 60, 5, 0, 1, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"fallback": "third"},
        {"pools": []},
        {"pools": [{"name": "first", "clusters": [], "drained": False}]},
        {"pools": [{"name": "first", "clusters": ["a"], "drained": False}] * 2},
    ],
)
def test_pools_that_cannot_be_are_refused(change: Mapping[str, Any]) -> None:
    spec = EdgeFailoverSpec.model_validate({"pools": [{"name": "first", "clusters": ["a"]}], "fallback": "first"})
    with pytest.raises(PolicyError):
        failover_policy({**json.loads(Failover.of(spec).model_dump_json()), **change}, "failover")
