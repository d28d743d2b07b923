"""What an edge would see and do: outages on a clock of its own, probed as the monitor says.

Pure and deterministic. What counts results and chooses pools is hdinfra/protocol/failover.py, which the edge that we
run calls too; what is simulated is the world around it: who answers when, and when probes begin and end. One vantage
point looks, users' own requests move nobody, and time goes in milliseconds, so that no sum is rounded.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from types import MappingProxyType

from hdinfra.model.failover.spec import FailoverSpec, PoolSpec, Steering
from hdinfra.model.failover.timing import worst_case
from hdinfra.protocol.failover import Order, Pool, View, chosen, eligible, is_up, seen

TICK_MS = 1


class Answer(StrEnum):
    """What an endpoint does with a probe: passes it, is silent, or says something else than what is expected."""

    WELL = "well"
    SILENT = "silent"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Outage:
    """All endpoints of a pool answer otherwise from `start_ms` on, until `end_ms` or for good."""

    pool: str
    start_ms: int
    end_ms: int | None = None
    answer: Answer = Answer.SILENT

    def covers(self, moment_ms: int) -> bool:
        """Whether it has begun by then and not ended."""
        return self.start_ms <= moment_ms and (self.end_ms is None or moment_ms < self.end_ms)


@dataclass(frozen=True, slots=True)
class Course:
    """What happens meanwhile. `phase_ms`: when an endpoint's first probe begins, 0 where nothing is said; `answer_ms`:
    how long an endpoint takes that answers, at most the monitor's timeout. `overlapping`: probes begin on time, with or
    without an answer to the one before, and results count in the order in which their probes began.
    """

    outages: tuple[Outage, ...]
    until_ms: int
    answer_ms: int = 0
    phase_ms: Mapping[tuple[str, str], int] = field(default_factory=lambda: MappingProxyType({}))
    overlapping: bool = False


class What(StrEnum):
    """The kinds of events."""

    OUTAGE = "outage"
    RECOVERY = "recovery"
    LATCHED = "latched"
    PASSED = "passed"
    FAILED = "failed"
    ENDPOINT_DOWN = "endpoint down"
    ENDPOINT_UP = "endpoint up"
    POOL_DOWN = "pool down"
    POOL_UP = "pool up"
    SWITCH = "switch"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `attempts` of a probe; `serving` after a switch: one pool where they are used in order,
    else all that take users."""

    at_ms: int
    what: What
    pool: str = ""
    endpoint: str = ""
    attempts: int = 0
    serving: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """A probe that is over."""

    at_ms: int
    pool: str
    endpoint: str
    passed: bool
    attempts: int


def order_of(spec: FailoverSpec) -> Order:
    """A spec as the state machine takes it; ValueError where no fallback is named (`edge.fallback`)."""
    if spec.fallback is None:
        raise ValueError("a spec without a fallback is refused, so nobody may come here with it")
    pools = tuple(
        Pool(pool.name, tuple(endpoint.name for endpoint in pool.endpoints), pool.minimum_healthy, pool.drained)
        for pool in spec.pools
    )
    return Order(pools, spec.fallback, spec.monitor.consecutive_down, spec.monitor.consecutive_up)


def worst_moment_ms(spec: FailoverSpec) -> int:
    """When to break something: one tick after a probe was answered, the second one."""
    return spec.monitor.interval_seconds * 1000 + TICK_MS


def until_quiet_ms(spec: FailoverSpec, outages: Sequence[Outage]) -> int:
    """When everything that follows from these outages is over, at worst, and one more probe."""
    worst, interval = worst_case(spec, edge_seconds=0), spec.monitor.interval_seconds
    back = worst.fail_back_seconds or interval
    last = max((outage.start_ms if outage.end_ms is None else outage.end_ms for outage in outages), default=0)
    return last + round((worst.detect_seconds + back + interval) * 1000)


def simulate(spec: FailoverSpec, course: Course) -> tuple[Event, ...]:
    """All that happens, in order of time. The first event is the switch to those that serve at the beginning."""
    order = order_of(spec)
    world = sorted(_world(spec, course), key=lambda event: event.at_ms)
    probes = heapq.merge(*_probing(spec, course), key=lambda result: result.at_ms)
    judged = _judged(order, _server(spec, order), probes)
    return (next(judged), *heapq.merge(world, judged, key=lambda event: event.at_ms))


def _server(spec: FailoverSpec, order: Order) -> Callable[[View], tuple[str, ...]]:
    if spec.steering is Steering.ORDER:
        return lambda view: (chosen(order, view),)
    return lambda view: eligible(order, view)


def _world(spec: FailoverSpec, course: Course) -> Iterator[Event]:
    back = What.RECOVERY if spec.fail_back == "automatic" else What.LATCHED
    for outage in course.outages:
        yield Event(outage.start_ms, What.OUTAGE, outage.pool)
        if outage.end_ms is not None and outage.end_ms < course.until_ms:
            yield Event(outage.end_ms, back, outage.pool)


def _answer(spec: FailoverSpec, outages: Sequence[Outage], moment_ms: int) -> Answer:
    """What a pool with these outages does at that moment."""
    for outage in outages:
        if outage.covers(moment_ms):
            return outage.answer
    over = any(outage.end_ms is not None and outage.end_ms <= moment_ms for outage in outages)
    return Answer.WRONG if over and spec.fail_back == "by-hand" else Answer.WELL


def _probing(spec: FailoverSpec, course: Course) -> Iterator[Iterator[Result]]:
    """One endpoint's results after another's. A drained pool is not asked, as Cloudflare does not."""
    for pool in spec.pools:
        if not pool.drained:
            for endpoint in pool.endpoints:
                yield _results(spec, course, pool, endpoint.name)


def _results(spec: FailoverSpec, course: Course, pool: PoolSpec, endpoint: str) -> Iterator[Result]:
    outages = [outage for outage in course.outages if outage.pool == pool.name]
    interval = spec.monitor.interval_seconds * 1000
    phase = course.phase_ms.get((pool.name, endpoint), 0)
    free = 0
    for begins in count(phase, interval):
        if begins >= course.until_ms:
            return
        if begins < free and not course.overlapping:
            continue
        ended, answer, attempts = _probe(spec, outages, begins, course.answer_ms)
        # Those that began earlier count first.
        free = ended = max(ended, free)
        if ended >= course.until_ms:
            return
        yield Result(ended, pool.name, endpoint, answer is Answer.WELL, attempts)


def _probe(spec: FailoverSpec, outages: Sequence[Outage], begins_ms: int, answer_ms: int) -> tuple[int, Answer, int]:
    """When it was over, with what answer, and how many attempts it took. Silence alone is tried again."""
    timeout = spec.monitor.timeout_seconds * 1000
    for attempt in range(spec.monitor.retries + 1):
        sent = begins_ms + attempt * timeout
        answer = _answer(spec, outages, sent)
        # Whoever falls silent before the answer is out has not answered.
        if Answer.SILENT not in (answer, _answer(spec, outages, sent + answer_ms)):
            return sent + answer_ms, answer, attempt + 1
    return begins_ms + (spec.monitor.retries + 1) * timeout, Answer.SILENT, spec.monitor.retries + 1


def _judged(order: Order, serving: Callable[[View], tuple[str, ...]], results: Iterator[Result]) -> Iterator[Event]:
    """Each result, and what it changes."""
    view = View()
    pools = {pool.name: pool for pool in order.pools}
    yield Event(0, What.SWITCH, serving=serving(view))
    for result in results:
        before, pool = view, pools[result.pool]
        view = seen(order, before, result.pool, result.endpoint, passed=result.passed)
        told = What.PASSED if result.passed else What.FAILED
        yield Event(result.at_ms, told, result.pool, result.endpoint, result.attempts)
        if (up := view.of(result.pool, result.endpoint).up) != before.of(result.pool, result.endpoint).up:
            yield Event(result.at_ms, What.ENDPOINT_UP if up else What.ENDPOINT_DOWN, result.pool, result.endpoint)
        if (up := is_up(view, pool)) != is_up(before, pool):
            yield Event(result.at_ms, What.POOL_UP if up else What.POOL_DOWN, result.pool)
        if (now := serving(view)) != serving(before):
            yield Event(result.at_ms, What.SWITCH, result.pool, serving=now)
