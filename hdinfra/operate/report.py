"""The arithmetic of a drill: from single answers to what can be promised. Pure."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

SLOWEST_SECONDS = 3.0  # docs/guide.md "What a drill promises": 2 s of server timeout, a check and a retry
# The sick machine passes its health check, so a request may meet it over IPv4 and again over IPv6, 2 s each.
SLOWEST_WITH_BAD_POLICY_SECONDS = 5.0
_CLIENT_IS_BUSY_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Answer:
    """One request's fate. `seconds` counts from when it was due, so a client that falls behind hides nothing.

    `failure` is None for the status that was hoped for; `number` is the ledger number of a POST; `late` is the part of
    `seconds` for which the client, not the zone, is to blame.
    """

    method: str
    host: str
    edge: str
    due: float
    seconds: float
    failure: str | None
    number: int | None = None
    late: float = 0.0


@dataclass(frozen=True, slots=True)
class Ledger:
    """Numbered POSTs against what the origins wrote down."""

    sent: int = 0
    acknowledged: int = 0
    ran_twice: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()
    failed: tuple[int, ...] = ()
    failed_but_ran: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Traffic:
    """What users saw: how many requests, how many failed and how, and how long answers took."""

    requests: int
    gets: int
    failed_gets: int
    failures: Mapping[str, int] = field(default_factory=dict)
    slowest_seconds: float = 0.0
    p50_seconds: float = 0.0
    p99_seconds: float = 0.0
    client_late_p99_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """What a drill found. `view_right_seconds` is None when the edges' view never was right."""

    cluster: str
    how: str
    rate: int
    seconds: float
    requests: int
    gets: int
    failed_gets: int
    failures: Mapping[str, int] = field(default_factory=dict)
    slowest_seconds: float = 0.0
    p50_seconds: float = 0.0
    p99_seconds: float = 0.0
    client_late_p99_seconds: float = 0.0
    view_right_seconds: float | None = None
    back_seconds: float | None = None
    ledger: Ledger = Ledger()
    slowest_allowed_seconds: float = SLOWEST_SECONDS

    @property
    def broken_promises(self) -> tuple[str, ...]:
        """Empty when the drill went well."""
        found = (
            (self.gets == 0, "no GET was sent, which proves nothing"),
            (self.failed_gets > 0, f"{self.failed_gets:,} of {self.gets:,} GETs failed"),
            (bool(self.ledger.ran_twice), f"{len(self.ledger.ran_twice)} POSTs ran twice"),
            (bool(self.ledger.lost), f"{len(self.ledger.lost)} acknowledged POSTs are not in the ledger"),
            (
                self.slowest_seconds > self.slowest_allowed_seconds,
                f"the slowest answer took {self.slowest_seconds:.2f} s; "
                f"{self.slowest_allowed_seconds:.1f} s are allowed (--slowest)"
                f"{self._clients_part}",
            ),
            (self.view_right_seconds is None, "the edges never saw that the Cluster was gone"),
            (self.back_seconds is None, "the Cluster did not come back"),
        )
        return tuple(text for broken, text in found if broken)

    @property
    def _clients_part(self) -> str:
        if self.client_late_p99_seconds < _CLIENT_IS_BUSY_SECONDS:
            return ""
        return f"; this computer was too busy to send in time (p99 {self.client_late_p99_seconds:.2f} s late)"

    def as_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {**asdict(self), "broken_promises": list(self.broken_promises), "well": not self.broken_promises}


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed (nearest rank)."""
    if not sorted_values:
        return 0.0
    return sorted_values[max(0, math.ceil(share * len(sorted_values)) - 1)]


def ledger_of(answers: Iterable[Answer], written: Mapping[str, Mapping[int, int]]) -> Ledger:
    """Compare what was sent with what each host's origin wrote down (`written[host][number]` times)."""
    posts = [answer for answer in answers if answer.number is not None]
    times = {answer.number: written.get(answer.host, {}).get(answer.number or 0, 0) for answer in posts}
    failed = sorted(answer.number or 0 for answer in posts if answer.failure)
    acknowledged = sorted(answer.number or 0 for answer in posts if not answer.failure)
    return Ledger(
        sent=len(posts),
        acknowledged=len(acknowledged),
        ran_twice=tuple(sorted(number for number, count in times.items() if number is not None and count > 1)),
        lost=tuple(number for number in acknowledged if times[number] == 0),
        failed=tuple(failed),
        failed_but_ran=tuple(number for number in failed if times[number] > 0),
    )


@dataclass(frozen=True, slots=True)
class Setting:
    """What was done to whom, how hard, and how soon the edges knew."""

    cluster: str
    how: str
    rate: int
    seconds: float
    slowest_allowed_seconds: float
    view_right_seconds: float | None = None
    back_seconds: float | None = None


def traffic_of(answers: Sequence[Answer]) -> Traffic:
    """Figures over all answers; latencies are nearest-rank percentiles."""
    times = sorted(answer.seconds for answer in answers)
    gets = [answer for answer in answers if answer.number is None]
    return Traffic(
        requests=len(answers),
        gets=len(gets),
        failed_gets=sum(answer.failure is not None for answer in gets),
        failures=dict(sorted(Counter(f"{a.method} {a.failure}" for a in answers if a.failure).items())),
        slowest_seconds=round(times[-1], 3) if times else 0.0,
        p50_seconds=round(percentile(times, 0.50), 4),
        p99_seconds=round(percentile(times, 0.99), 4),
        client_late_p99_seconds=round(percentile(sorted(answer.late for answer in answers), 0.99), 4),
    )


def report_of(answers: Sequence[Answer], written: Mapping[str, Mapping[int, int]], setting: Setting) -> Report:
    """All figures of one drill."""
    return Report(
        cluster=setting.cluster,
        how=setting.how,
        rate=setting.rate,
        seconds=setting.seconds,
        **asdict(traffic_of(answers)),
        view_right_seconds=setting.view_right_seconds,
        back_seconds=setting.back_seconds,
        ledger=ledger_of(answers, written),
        slowest_allowed_seconds=setting.slowest_allowed_seconds,
    )
