"""How long a switch takes: no outage lasts longer than the computed bound, and the worst one lasts as long."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st

from hdinfra.model.failover.check import check_failover
from hdinfra.model.failover.spec import AccountPlan, FailoverSpec
from hdinfra.model.failover.timing import WorstCase, worst_case, worst_case_of
from hdinfra.operate.failover_simulator import (
    TICK_MS,
    Answer,
    Course,
    Event,
    Outage,
    What,
    simulate,
    until_quiet_ms,
    worst_moment_ms,
)
from tests.model.failover_specs import failover
from tests.model.legal import setting
from tests.strategies import failovers, loose_failovers

NO_PHASES: Mapping[tuple[str, str], int] = MappingProxyType({})


@dataclass(frozen=True)
class Cut:
    """A spec, its first pool that takes users, and an outage of it."""

    spec: FailoverSpec
    outage: Outage
    overlapping: bool = False

    @property
    def worst(self) -> WorstCase:
        return worst_case_of(self.spec.monitor, edge_seconds=0, overlapping=self.overlapping)

    @property
    def detect_ms(self) -> int:
        return round(self.worst.detect_seconds * 1000)

    @property
    def back_ms(self) -> int:
        assert self.worst.fail_back_seconds is not None
        return round(self.worst.fail_back_seconds * 1000)

    def events(self, answer_ms: int = 0, phase_ms: Mapping[tuple[str, str], int] = NO_PHASES) -> tuple[Event, ...]:
        until = until_quiet_ms(self.spec, [self.outage]) + 2 * self.back_ms
        return simulate(self.spec, Course((self.outage,), until, answer_ms, phase_ms, self.overlapping))

    def after_outage_ms(self, what: What, events: tuple[Event, ...]) -> int:
        """From its beginning until the pool is so."""
        return self._moment(what, events, self.outage.start_ms) - self.outage.start_ms

    def after_recovery_ms(self, what: What, events: tuple[Event, ...]) -> int:
        """From its end until the pool is so."""
        assert self.outage.end_ms is not None
        return self._moment(what, events, self.outage.end_ms) - self.outage.end_ms

    def _moment(self, what: What, events: tuple[Event, ...], since_ms: int) -> int:
        found = [e.at_ms for e in events if e.what is what and e.pool == self.outage.pool and e.at_ms >= since_ms]
        assert found, f"{self.outage} never led to `{what}`: {events}"
        return found[0]


def first(spec: FailoverSpec) -> str:
    """The pool that users are at."""
    return next(pool.name for pool in spec.pools if not pool.drained)


@given(loose_failovers(), st.booleans(), st.data())
def test_no_outage_is_seen_later_than_computed(spec: FailoverSpec, overlapping: bool, data: st.DataObject) -> None:
    interval, timeout = spec.monitor.interval_seconds * 1000, spec.monitor.timeout_seconds * 1000
    start = data.draw(st.integers(0, 5 * interval))
    # One that answers wrongly is seen at once, one that is silent after the last attempt.
    answer = data.draw(st.sampled_from([Answer.SILENT, Answer.WRONG]))
    cut = Cut(spec, Outage(first(spec), start, answer=answer), overlapping)
    phases = {
        (pool.name, endpoint.name): data.draw(st.integers(0, interval))
        for pool in spec.pools
        for endpoint in pool.endpoints
    }
    events = cut.events(answer_ms=data.draw(st.integers(0, timeout)), phase_ms=phases)
    assert cut.after_outage_ms(What.POOL_DOWN, events) <= cut.detect_ms


@given(loose_failovers(), st.booleans())
def test_the_bound_is_reached_at_the_worst_moment(spec: FailoverSpec, overlapping: bool) -> None:
    cut = Cut(spec, Outage(first(spec), worst_moment_ms(spec)), overlapping)
    assert cut.after_outage_ms(What.POOL_DOWN, cut.events()) == cut.detect_ms - TICK_MS


@given(loose_failovers("automatic"), st.booleans(), st.data())
def test_no_recovery_is_seen_later_than_computed(spec: FailoverSpec, overlapping: bool, data: st.DataObject) -> None:
    interval, timeout = spec.monitor.interval_seconds * 1000, spec.monitor.timeout_seconds * 1000
    start = worst_moment_ms(spec)
    long = Cut(spec, Outage(first(spec), start)).detect_ms + interval
    answer = data.draw(st.sampled_from([Answer.SILENT, Answer.WRONG]))
    end = start + long + data.draw(st.integers(0, 5 * interval))
    cut = Cut(spec, Outage(first(spec), start, end, answer), overlapping)
    events = cut.events(answer_ms=data.draw(st.integers(0, timeout)))
    assert cut.after_recovery_ms(What.POOL_UP, events) <= cut.back_ms


@given(loose_failovers("automatic"))
def test_the_way_back_takes_the_bound_at_the_worst_moment(spec: FailoverSpec) -> None:
    monitor, start, taken = spec.monitor, worst_moment_ms(spec), []
    interval, timeout = monitor.interval_seconds * 1000, monitor.timeout_seconds * 1000
    for answer, attempts in ((Answer.WRONG, 1), (Answer.SILENT, monitor.retries + 1)):
        forever = Cut(spec, Outage(first(spec), start, answer=answer))
        down = start + forever.after_outage_ms(What.POOL_DOWN, forever.events(answer_ms=timeout))
        # The next probe fails too. Its endpoint recovers right after the last attempt was sent.
        sent = down - attempts * timeout + interval * -(-attempts * timeout // interval)
        end = sent + (attempts - 1) * timeout + TICK_MS
        cut = Cut(spec, Outage(first(spec), start, end, answer))
        taken.append(cut.after_recovery_ms(What.POOL_UP, cut.events(answer_ms=timeout)))
    assert max(taken) == cut.back_ms - TICK_MS


@given(failovers())
def test_legal_specs_have_the_time_that_requirement_e10_gives(spec: FailoverSpec) -> None:
    monitor = spec.monitor
    unanswered = monitor.timeout_seconds * (monitor.retries + 1)
    assert worst_case(spec).detect_seconds == monitor.interval_seconds * monitor.consecutive_down + unanswered


def test_an_example_by_hand() -> None:
    worst = worst_case(failover(setting("monitor", {"consecutive_down": 2, "consecutive_up": 3})))
    assert (worst.waiting_seconds, worst.attempts_seconds, worst.edge_seconds, worst.ttl_seconds) == (120, 15, 5, 0)
    assert (worst.detect_seconds, worst.recover_seconds, worst.fail_back_seconds) == (135, 140, 190)


def test_what_resolvers_remember_counts_both_ways() -> None:
    monitor = failover().monitor
    edge, dns = (worst_case_of(monitor, edge_seconds=1, ttl_seconds=ttl) for ttl in (0, 30))
    assert dns.detect_seconds == edge.detect_seconds
    assert dns.recover_seconds == edge.recover_seconds + 30
    assert edge.fail_back_seconds is not None
    assert dns.fail_back_seconds == edge.fail_back_seconds + 30


def test_a_way_back_by_hand_has_no_time() -> None:
    assert worst_case(failover(setting("fail_back", "by-hand"))).fail_back_seconds is None


@given(failovers(), st.integers(1, 2000))
def test_what_is_promised_is_refused_where_it_cannot_be_kept(spec: FailoverSpec, rto: int) -> None:
    promised = spec.model_copy(update={"rto_seconds": rto})
    kept = len(spec.pools) > 1 and worst_case(spec).recover_seconds <= rto
    assert [refusal.rule for refusal in check_failover(promised)] == ([] if kept else ["edge.rto"])


@given(failovers(), st.integers(1, 2000))
def test_what_is_said_to_keep_a_promise_keeps_it(spec: FailoverSpec, rto: int) -> None:
    promised = spec.model_copy(update={"rto_seconds": rto})
    if len(spec.pools) == 1 or not (found := check_failover(promised)):
        return
    ways = _pasted(found[0].fix)
    assert ways
    for way in ways:
        monitor = spec.monitor.model_copy(update={"interval_seconds": way["interval_seconds"]})
        plan = AccountPlan(way.get("account_plan", spec.account_plan))
        change = {"monitor": monitor, "account_plan": plan, "rto_seconds": way.get("rto_seconds", rto)}
        assert not [r for r in check_failover(promised.model_copy(update=change)) if r.rule != "edge.plan-limit"]


def _pasted(fix: str) -> list[dict[str, object]]:
    """The keys and values of each way out that is offered."""
    ways = []
    for way in fix.rpartition("keeps it: ")[2].split(", or "):
        pairs = (text.split(": ") for text in way.split("`")[1::2])
        ways.append({key: int(value) if value.isdigit() else value for key, value in pairs})
    return ways
