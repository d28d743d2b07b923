"""The state machine of failover: what the simulator does with it is what a plain second program finds."""

from collections import defaultdict
from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from hdinfra.model.failover.spec import FailoverSpec
from hdinfra.operate.failover_simulator import (
    Answer,
    Course,
    Event,
    Outage,
    What,
    order_of,
    simulate,
    until_quiet_ms,
)
from hdinfra.protocol.failover import View, chosen, eligible, is_up, seen
from tests.strategies import failovers, loose_failovers


class Oracle:
    """The whole history of every endpoint, read anew for each answer."""

    def __init__(self, spec: FailoverSpec) -> None:
        self.spec = spec
        self.history: dict[tuple[str, str], list[bool]] = defaultdict(list)

    def endpoint_is_up(self, pool: str, endpoint: str) -> bool:
        """The newest run of equal results that was long enough says so."""
        up = True
        for passed, run in groupby(self.history[pool, endpoint]):
            needed = self.spec.monitor.consecutive_up if passed else self.spec.monitor.consecutive_down
            up = passed if len(list(run)) >= needed else up
        return up

    def eligible(self) -> list[str | None]:
        """The pools that may take users."""
        up = []
        for pool in self.spec.pools:
            well = [endpoint for endpoint in pool.endpoints if self.endpoint_is_up(pool.name, endpoint.name)]
            if len(well) >= pool.minimum_healthy and not pool.drained:
                up.append(pool.name)
        return [*up] or [self.spec.fallback]


@st.composite
def outages(draw: st.DrawFn, spec: FailoverSpec) -> list[Outage]:
    """Some, that may overlap and may not end."""
    latest = 20 * spec.monitor.interval_seconds * 1000
    found = []
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, latest))
        end = draw(st.none() | st.integers(start + 1, latest + 1))
        pool = draw(st.sampled_from(spec.pools)).name
        found.append(Outage(pool, start, end, draw(st.sampled_from([Answer.SILENT, Answer.WRONG]))))
    return found


def played(spec: FailoverSpec, data: st.DataObject) -> tuple[Event, ...]:
    """A course of some outages."""
    found = data.draw(outages(spec))
    return simulate(spec, Course(tuple(found), until_quiet_ms(spec, found)))


@given(loose_failovers(), st.data())
def test_any_results_choose_the_pool_that_a_second_program_chooses(spec: FailoverSpec, data: st.DataObject) -> None:
    endpoints = [(pool.name, endpoint.name) for pool in spec.pools for endpoint in pool.endpoints]
    order, view, oracle = order_of(spec), View(), Oracle(spec)
    # Few endpoints, so that runs are long enough to change something.
    watched = data.draw(st.lists(st.sampled_from(endpoints), min_size=1, max_size=3, unique=True))
    for at, passed in data.draw(st.lists(st.tuples(st.sampled_from(watched), st.booleans()), max_size=60)):
        oracle.history[at].append(passed)
        view = seen(order, view, *at, passed=passed)
        assert list(eligible(order, view)) == oracle.eligible()
        assert chosen(order, view) == oracle.eligible()[0]


@given(loose_failovers(), st.data())
def test_the_simulator_switches_when_a_second_program_would(spec: FailoverSpec, data: st.DataObject) -> None:
    events, oracle = played(spec, data), Oracle(spec)
    users = oracle.eligible()[0]
    expected = [(0, (users,))]
    for event in events:
        if event.what in (What.PASSED, What.FAILED):
            oracle.history[event.pool, event.endpoint].append(event.what is What.PASSED)
            if (now := oracle.eligible()[0]) != users:
                expected.append((event.at_ms, (now,)))
            users = now
    assert [(event.at_ms, event.serving) for event in events if event.what is What.SWITCH] == expected


@given(loose_failovers(), st.data())
def test_nobody_is_moved_unless_a_pool_changed(spec: FailoverSpec, data: st.DataObject) -> None:
    _, *later = played(spec, data)
    changes = [(event.at_ms, event.pool) for event in later if event.what in (What.POOL_DOWN, What.POOL_UP)]
    switches = [(event.at_ms, event.pool) for event in later if event.what is What.SWITCH]
    assert set(switches) <= set(changes)
    assert len(switches) == len(set(switches))


@given(failovers(), st.data())
def test_drained_pools_take_nobody(spec: FailoverSpec, data: st.DataObject) -> None:
    drained = {pool.name for pool in spec.pools if pool.drained}
    events = played(spec, data)
    assert not drained & {name for event in events for name in event.serving}
    assert not drained & {event.pool for event in events if event.what in (What.PASSED, What.FAILED)}


@given(loose_failovers(), st.lists(st.tuples(st.integers(0, 99), st.booleans()), max_size=60))
def test_the_fallback_is_for_when_no_pool_is_up(spec: FailoverSpec, results: list[tuple[int, bool]]) -> None:
    order, view = order_of(spec), View()
    endpoints = [(pool.name, endpoint) for pool in order.pools for endpoint in pool.endpoints]
    for index, passed in results:
        view = seen(order, view, *endpoints[index % len(endpoints)], passed=passed)
        up = [pool.name for pool in order.pools if is_up(view, pool) and not pool.drained]
        assert set(eligible(order, view)) == (set(up) or {spec.fallback})


@given(loose_failovers("by-hand"), st.data())
def test_users_stay_away_until_a_latch_is_released(spec: FailoverSpec, data: st.DataObject) -> None:
    events = played(spec, data)
    down = [event.pool for event in events if event.what is What.POOL_DOWN]
    assert not [event for event in events if event.what is What.POOL_UP]
    assert len(down) == len(set(down))
