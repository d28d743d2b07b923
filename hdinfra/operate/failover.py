"""`hdinfra failover check` and `simulate`: what a failover promises, and an outage played through on paper."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from hdinfra.model.failover.check import checked_failover
from hdinfra.model.failover.spec import EndpointSpec, FailoverSpec, PoolSpec
from hdinfra.model.failover.timing import WorstCase, worst_case
from hdinfra.operate.errors import SpecEditError
from hdinfra.operate.failover_simulator import (
    Course,
    Event,
    Outage,
    What,
    simulate,
    until_quiet_ms,
    worst_moment_ms,
)
from hdinfra.operate.tables import table

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Promise:
    """A spec that is not refused, and its worst case."""

    spec: FailoverSpec
    worst: WorstCase


@dataclass(frozen=True, slots=True)
class Effect:
    """What one outage came to, in seconds from its beginning and, for `back_seconds`, from its end.

    `idle`: the pool took no users when it began, so that nobody left it. None: it did not happen.
    """

    outage: Outage
    idle: bool
    switched_seconds: float | None
    back_seconds: float | None


@dataclass(frozen=True, slots=True)
class Simulation:
    """All that happened, and what each outage came to."""

    promise: Promise
    events: tuple[Event, ...]
    effects: tuple[Effect, ...]


def promise(spec: FailoverSpec) -> Promise:
    """What it promises. Raises RefusedError with every refusal."""
    checked_failover(spec)
    return Promise(spec, worst_case(spec))


def outage_of(spec: FailoverSpec, pool: str, seconds: float | None, at: float | None) -> Outage:
    """An outage of that pool; None is for good, and at the worst moment. SpecEditError where no pool is called so."""
    names = [known.name for known in spec.pools]
    if pool not in names:
        raise SpecEditError(f"No pool is called `{pool}`.", retry=f"one of {', '.join(names)}")
    start = worst_moment_ms(spec) if at is None else round(at * 1000)
    return Outage(pool, start, None if seconds is None else start + round(seconds * 1000))


def simulated(spec: FailoverSpec, outages: Sequence[Outage]) -> Simulation:
    """The outages played through, until nothing more follows from them. Raises RefusedError with every refusal."""
    promised = promise(spec)
    events = simulate(spec, Course(tuple(outages), until_quiet_ms(spec, outages)))
    return Simulation(promised, events, tuple(effect_of(outage, events) for outage in outages))


def effect_of(outage: Outage, events: Sequence[Event]) -> Effect:
    """What that outage came to."""
    switches = [event for event in events if event.what is What.SWITCH]
    before = [switch for switch in switches if switch.at_ms < outage.start_ms] or switches[:1]
    if outage.pool not in before[-1].serving:
        return Effect(outage, True, None, None)
    left = _first(switches, outage.start_ms, lambda switch: outage.pool not in switch.serving)
    if left is None or outage.end_ms is None:
        return Effect(outage, False, left, None)
    gone = outage.start_ms + left * 1000
    back = _first([s for s in switches if s.at_ms > gone], outage.end_ms, lambda switch: outage.pool in switch.serving)
    return Effect(outage, False, left, back)


def promise_json(promised: Promise) -> Json:
    """All of it as plain data."""
    spec, worst = promised.spec, promised.worst
    return {
        "host": spec.host,
        "steering": str(spec.steering),
        "fallback": spec.fallback,
        "fail_back": spec.fail_back,
        "rto_seconds": spec.rto_seconds,
        "pools": [_pool_json(pool) for pool in spec.pools],
        "seconds": {
            "waiting": worst.waiting_seconds,
            "attempts": worst.attempts_seconds,
            "detect": worst.detect_seconds,
            "edge": worst.edge_seconds,
            "ttl": worst.ttl_seconds,
            "recover": worst.recover_seconds,
            "fail_back": worst.fail_back_seconds,
        },
    }


def show_promise(promised: Promise, console: Console) -> None:
    """Print the pools, then the times and what they are made of."""
    spec = promised.spec
    console.print(f"[bold]{escape(spec.host)}[/bold]: {len(spec.pools)} pools by {spec.steering}; every rule is kept")
    console.print(table(("pool", "endpoints", "up with", "takes users"), _pool_rows(spec)))
    console.print(table(("at worst", "seconds", "of which"), _time_rows(promised)))


def simulation_json(done: Simulation) -> Json:
    """All of it as plain data, every probe included."""
    return {
        **promise_json(done.promise),
        "outages": [_effect_json(effect, done.promise.worst) for effect in done.effects],
        "events": [_event_json(event) for event in done.events],
    }


def show_simulation(done: Simulation, console: Console) -> None:
    """Print what happened, without probes that say what was known, then what it came to."""
    start = min(effect.outage.start_ms for effect in done.effects)
    console.print(table(("seconds", "what", "where", "then serves"), _event_rows(done.events, start)))
    heads = (
        "outage of",
        "switched after",
        "of at most",
        "users served after",
        "of at most",
        "back after",
        "of at most",
    )
    console.print(table(heads, (_effect_row(effect, done.promise.worst) for effect in done.effects)))


def _first(switches: Sequence[Event], since_ms: int, holds: Callable[[Event], bool]) -> float | None:
    """Seconds from then to the first switch of that kind."""
    found = next((switch for switch in switches if switch.at_ms >= since_ms and holds(switch)), None)
    return None if found is None else (found.at_ms - since_ms) / 1000


def _way(endpoint: EndpointSpec) -> str:
    if endpoint.tunnel is not None:
        return f"tunnel {endpoint.tunnel}"
    return str(endpoint.host or endpoint.address)


def _pool_json(pool: PoolSpec) -> Json:
    return {
        "name": pool.name,
        "endpoints": [{"name": endpoint.name, "way": _way(endpoint)} for endpoint in pool.endpoints],
        "minimum_healthy": pool.minimum_healthy,
        "drained": pool.drained,
    }


def _pool_rows(spec: FailoverSpec) -> Iterator[tuple[str, ...]]:
    taking = 0
    for pool in spec.pools:
        ways = ", ".join(f"{endpoint.name} ({_way(endpoint)})" for endpoint in pool.endpoints)
        needed = f"{pool.minimum_healthy} of {len(pool.endpoints)}"
        taking += not pool.drained
        told = "drained: nobody" if pool.drained else _turn(spec, taking)
        last = "; when none is up" if pool.name == spec.fallback else ""
        yield (pool.name, ways, needed, f"{told}{last}")


def _turn(spec: FailoverSpec, turn: int) -> str:
    if spec.steering != "order":
        return f"by {spec.steering}"
    return "first" if turn == 1 else f"as number {turn}, when those before are down"


def _time_rows(promised: Promise) -> Iterator[tuple[str, ...]]:
    worst, monitor = promised.worst, promised.spec.monitor
    detected = f"{worst.waiting_seconds:g} until the probe begins that counts, {worst.attempts_seconds:g} unanswered"
    followed = f"{worst.edge_seconds:g} until the whole edge follows, {worst.ttl_seconds:g} in resolvers"
    yield ("an outage is seen", f"{worst.detect_seconds:g}", detected)
    promise = f"; promised are {promised.spec.rto_seconds}" if promised.spec.rto_seconds is not None else ""
    yield (
        "users are served again",
        f"{worst.recover_seconds:g}",
        f"{worst.detect_seconds:g} seen, {followed}{promise}",
    )
    if worst.fail_back_seconds is None:
        yield ("users are back", "by hand", "when the site's latch is released")
    else:
        probes = f"{monitor.consecutive_up} good probe{'' if monitor.consecutive_up == 1 else 's'}"
        yield ("users are back", f"{worst.fail_back_seconds:g}", f"{probes} from recovery, {followed}")


def _effect_json(effect: Effect, worst: WorstCase) -> Json:
    outage, after = effect.outage, worst.edge_seconds + worst.ttl_seconds
    return {
        "pool": outage.pool,
        "start_seconds": outage.start_ms / 1000,
        "end_seconds": None if outage.end_ms is None else outage.end_ms / 1000,
        "idle": effect.idle,
        "switched_after_seconds": effect.switched_seconds,
        "served_after_seconds": _plus(effect.switched_seconds, after),
        "back_after_seconds": _plus(effect.back_seconds, after),
    }


def _plus(seconds: float | None, more: float) -> float | None:
    return None if seconds is None else round(seconds + more, 3)


def _effect_row(effect: Effect, worst: WorstCase) -> tuple[str, ...]:
    told = _effect_json(effect, worst)
    otherwise = "took no users" if effect.idle else "never"
    away = "not by itself" if worst.fail_back_seconds is None and not effect.idle else otherwise
    unended = "does not end" if effect.outage.end_ms is None else away
    return (
        effect.outage.pool,
        _seconds(told["switched_after_seconds"], otherwise),
        _seconds(worst.detect_seconds, ""),
        _seconds(told["served_after_seconds"], otherwise),
        _seconds(worst.recover_seconds, ""),
        _seconds(told["back_after_seconds"], unended),
        _seconds(worst.fail_back_seconds, "by hand"),
    )


def _seconds(value: float | None, otherwise: str) -> str:
    return otherwise if value is None else f"{value:g} s"


def _event_json(event: Event) -> Json:
    told: Json = {"at_seconds": event.at_ms / 1000, "what": str(event.what)}
    if event.pool:
        told["pool"] = event.pool
    if event.endpoint:
        told["endpoint"] = event.endpoint
    if event.attempts:
        told["attempts"] = event.attempts
    if event.serving:
        told["serving"] = list(event.serving)
    return told


def _event_rows(events: Sequence[Event], start_ms: int) -> Iterator[tuple[str | Text, ...]]:
    down: set[tuple[str, str]] = set()
    for event in events:
        endpoint = (event.pool, event.endpoint)
        known = event.what is (What.FAILED if endpoint in down else What.PASSED)
        if event.what is What.ENDPOINT_DOWN:
            down.add(endpoint)
        elif event.what is What.ENDPOINT_UP:
            down.discard(endpoint)
        if known:
            continue
        where = f"{event.pool} / {event.endpoint}" if event.endpoint else event.pool
        tries = f" after {event.attempts} attempts" if event.attempts > 1 else ""
        moment = f"{(event.at_ms - start_ms) / 1000:+.3f}"
        yield (moment, f"{event.what}{tries}", where, Text(", ".join(event.serving), "bold"))
