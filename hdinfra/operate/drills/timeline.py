"""What happened when: requests by result, slowest answers, what the edges saw, faults, decisions and plans. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from hdinfra.operate.report import Answer

_WIDTHS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_MOST_BUCKETS = 90
"""So many columns are told apart on a page."""


Counts = Callable[[Answer], bool]
"""Whether a request is one of those for which something is promised."""


class Lane(StrEnum):
    """What kind of thing happened."""

    FAULT = "fault"
    VIEW = "view"
    DECISION = "decision"
    PLAN = "plan"


class Health(StrEnum):
    """How an edge sees a Cluster's servers: all up, all down, some of each, or the edge itself says nothing."""

    UP = "up"
    DOWN = "down"
    PARTLY = "partly"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened `at` a time of the monotonic clock.

    A fault's `text` begins and ends it (`over`). A view's `text` is `edge sees cluster` and `health` what it sees from
    then on.
    """

    at: float
    lane: Lane
    text: str
    over: bool = False
    health: Health | None = None


@dataclass(frozen=True, slots=True)
class Bucket:
    """Requests that were due in one stretch of time: `at` and `slowest` in seconds. `aside`: those that do not count,
    such as what was asked at a place that is the outage itself."""

    at: float
    answered: int = 0
    failed: int = 0
    slowest: float = 0.0
    aside: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when something was so, in seconds after the beginning."""

    begin: float
    end: float
    text: str
    health: Health | None = None


@dataclass(frozen=True, slots=True)
class Strip:
    """What one edge saw of one Cluster, from the beginning to the end."""

    name: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A decision or a change of the plan, in seconds after the beginning."""

    at: float
    lane: Lane
    text: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """All of one drill; times in seconds after the beginning, which is when it was begun or the first request was due,
    whichever was first. What the edges saw before is told as it was then."""

    seconds: float
    bucket_seconds: float
    buckets: tuple[Bucket, ...] = ()
    faults: tuple[Span, ...] = ()
    views: tuple[Strip, ...] = ()
    marks: tuple[Mark, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def timeline_of(
    answers: Sequence[Answer], events: Iterable[Event], begin: float, end: float, counts: Counts = lambda _: True
) -> Timeline:
    """`begin` and `end`, of the monotonic clock, bound what is told; requests, faults and decisions may widen them."""
    happened = sorted(events, key=lambda event: event.at)
    deeds = [event.at for event in happened if event.lane is not Lane.VIEW]
    begin = min([begin, *(answer.due for answer in answers), *deeds])
    end = max([end, *(answer.due + answer.seconds for answer in answers), *deeds])
    seconds = round(end - begin, 3)
    width = next((width for width in _WIDTHS if seconds / width <= _MOST_BUCKETS), _WIDTHS[-1])
    return Timeline(
        seconds=seconds,
        bucket_seconds=width,
        buckets=_buckets(answers, begin, seconds, width, counts),
        faults=_faults(happened, begin, seconds),
        views=_views(happened, begin, seconds),
        marks=tuple(
            Mark(round(event.at - begin, 3), event.lane, event.text)
            for event in happened
            if event.lane in (Lane.DECISION, Lane.PLAN)
        ),
    )


def _buckets(
    answers: Sequence[Answer], begin: float, seconds: float, width: float, counts: Counts
) -> tuple[Bucket, ...]:
    found: list[list[Answer]] = [[] for _ in range(int(seconds / width) + 1)]
    for answer in answers:
        found[min(len(found) - 1, int((answer.due - begin) / width))].append(answer)
    return tuple(_bucket(round(number * width, 3), own, counts) for number, own in enumerate(found))


def _bucket(at: float, own: Sequence[Answer], counts: Counts) -> Bucket:
    counted = [answer for answer in own if counts(answer)]
    failed = sum(answer.failure is not None for answer in counted)
    slowest = round(max((answer.seconds for answer in counted), default=0.0), 3)
    return Bucket(at, len(counted) - failed, failed, slowest, len(own) - len(counted))


def _faults(happened: Sequence[Event], begin: float, seconds: float) -> tuple[Span, ...]:
    found: list[Span] = []
    open_since: dict[str, float] = {}
    for event in happened:
        if event.lane is not Lane.FAULT:
            continue
        at = round(event.at - begin, 3)
        if event.over and event.text in open_since:
            found.append(Span(open_since.pop(event.text), at, event.text))
        elif not event.over:
            open_since.setdefault(event.text, at)
    found += [Span(since, seconds, text) for text, since in open_since.items()]
    return tuple(sorted(found, key=lambda span: (span.begin, span.text)))


def _views(happened: Sequence[Event], begin: float, seconds: float) -> tuple[Strip, ...]:
    strips: dict[str, list[Event]] = {}
    for event in happened:
        if event.lane is Lane.VIEW:
            strips.setdefault(event.text, []).append(event)
    return tuple(Strip(name, _spans(own, begin, seconds)) for name, own in sorted(strips.items()))


def _spans(changes: Sequence[Event], begin: float, seconds: float) -> tuple[Span, ...]:
    times = [min(max(0.0, round(event.at - begin, 3)), seconds) for event in changes]
    found = (
        Span(at, end, event.text, event.health)
        for event, at, end in zip(changes, times, [*times[1:], seconds], strict=True)
    )
    return tuple(span for span in found if span.end > span.begin)
