"""How long a switch takes at worst: from the moment a site dies until its users are served by another one.

An endpoint is probed every `interval_seconds`, counted from probe to probe and not from result to result. A probe
without an answer is tried again at once, up to `retries` times, each time for `timeout_seconds`; unanswered it takes
`timeout x (retries + 1)`. The worst moment to die is right after an answer, and the worst way is silence:

    answer, outage             probe 1              ...     probe consecutive_down
    |-------- interval --------|------ interval x ... ------|-- timeout x (retries + 1) --|
    0                                          interval x down                     detected

Hence requirement E10's formula. Where an unanswered probe takes longer than the interval, the next one begins with the
first interval after its end, so that each failure but the last one costs `rounds` intervals instead of one. Cloudflare
is never asked for that (`edge.interval`); the edge that we run begins each probe on time, whatever the one before does.

The way back is the same with results of the other kind. The worst moment to recover is right after a probe was sent
that gets a wrong answer, or right after the last attempt of one that gets none, whichever leaves more until the next
probe; an endpoint that is well answers the first attempt of each later probe, within `timeout_seconds`.

The simulator reaches these sums exactly at those moments, and passes them at none.
"""

from dataclasses import dataclass

from hdinfra.model.failover.limits import load_limits
from hdinfra.model.failover.spec import FailBack, FailoverSpec, MonitorSpec


@dataclass(frozen=True, slots=True)
class WorstCase:
    """Seconds, each the most that its part can take.

    `waiting_seconds`: until the probe begins whose failure counts; `attempts_seconds`: until its last attempt is given
    up; `edge_seconds`: until the whole edge follows; `ttl_seconds`: until resolvers have forgotten the old answer.
    `fail_back_seconds`: from recovery until users are back, the two last parts included; None where that is by hand.
    """

    waiting_seconds: float
    attempts_seconds: float
    edge_seconds: float
    ttl_seconds: float
    fail_back_seconds: float | None

    @property
    def detect_seconds(self) -> float:
        """From the outage until the monitor has the pool down and the next one is chosen."""
        return self.waiting_seconds + self.attempts_seconds

    @property
    def recover_seconds(self) -> float:
        """From the outage until users are served again. What an RTO is compared with."""
        return self.detect_seconds + self.edge_seconds + self.ttl_seconds


def worst_case(spec: FailoverSpec, edge_seconds: float | None = None) -> WorstCase:
    """The worst case of a spec that is not refused. `edge_seconds` left out: Cloudflare's, of limits.toml."""
    edge = load_limits().edge_seconds if edge_seconds is None else edge_seconds
    return worst_case_of(spec.monitor, edge_seconds=edge, ttl_seconds=spec.ttl_seconds, fail_back=spec.fail_back)


def worst_case_of(
    monitor: MonitorSpec,
    *,
    edge_seconds: float,
    ttl_seconds: float = 0,
    fail_back: FailBack = "automatic",
    overlapping: bool = False,
) -> WorstCase:
    """The same of a monitor alone, for an edge that is not Cloudflare's. `overlapping`: a probe begins on time though
    the one before it has no answer yet; results count in the order in which their probes began."""
    back = _return_seconds(monitor, overlapping=overlapping) + edge_seconds + ttl_seconds
    rounds = 1 if overlapping else rounds_of(monitor)
    return WorstCase(
        waiting_seconds=monitor.interval_seconds * (1 + (monitor.consecutive_down - 1) * rounds),
        attempts_seconds=attempts_seconds(monitor),
        edge_seconds=edge_seconds,
        ttl_seconds=ttl_seconds,
        fail_back_seconds=back if fail_back == "automatic" else None,
    )


def attempts_seconds(monitor: MonitorSpec) -> int:
    """How long a probe takes that is never answered."""
    return monitor.timeout_seconds * (monitor.retries + 1)


def rounds_of(monitor: MonitorSpec) -> int:
    """In how many intervals there is one probe while nothing answers; 1 wherever a probe fits into its interval."""
    return _rounds(attempts_seconds(monitor), monitor)


def _rounds(taken_seconds: int, monitor: MonitorSpec) -> int:
    return -(-taken_seconds // monitor.interval_seconds)


def _return_seconds(monitor: MonitorSpec, *, overlapping: bool) -> int:
    if overlapping:
        # Never passed, but not reached either: a probe that began before the recovery may pass with a later attempt.
        return monitor.interval_seconds * monitor.consecutive_up + attempts_seconds(monitor)
    silent = monitor.interval_seconds * rounds_of(monitor) - monitor.timeout_seconds * monitor.retries
    answered = monitor.interval_seconds * _rounds(monitor.timeout_seconds, monitor)
    return max(silent, answered) + answered * (monitor.consecutive_up - 1) + monitor.timeout_seconds
