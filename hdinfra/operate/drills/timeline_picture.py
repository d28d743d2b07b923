"""A drill's timeline as a picture (SVG)."""

from collections.abc import Sequence
from dataclasses import replace

from hdinfra.model.svg import Drawing
from hdinfra.operate.drills.timeline import Bucket, Health, Lane, Mark, Span, Timeline

_LEFT, _RIGHT, _WIDTH = 210, 940, 960
_REQUESTS, _SLOWEST, _STRIP, _LINE = 110, 70, 18, 20
_MOST_MARKS = 14
_HEALTH = {Health.UP: "good", Health.DOWN: "bad", Health.PARTLY: "slow", Health.SILENT: "none"}
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600)
_MOST_TICKS = 12


def timeline_picture(timeline: Timeline, title: str, slowest_allowed: float | None = None) -> str:
    """The SVG's text; of the same timeline always the same. `slowest_allowed` in seconds is drawn as a line."""
    return _Picture(timeline, title, slowest_allowed).text()


class _Picture:
    def __init__(self, timeline: Timeline, title: str, slowest_allowed: float | None) -> None:
        self._timeline, self._allowed = timeline, slowest_allowed
        self._seconds = max(timeline.seconds, 0.001)
        self._marks = _marks(timeline.marks)
        rows = len({fault.text for fault in timeline.faults}) + len(timeline.views)
        self._bottom = 40 + _REQUESTS + 26 + _SLOWEST + 14 + _STRIP * rows + _LINE * len(self._marks) + 10
        self._drawing = Drawing(_WIDTH, self._bottom + 34, title)
        self._y = 40.0  # what is drawn next begins here

    def text(self) -> str:
        self._drawing.write((16, 22), "time runs to the right; red shade: the fault", "small faint")
        for fault in self._timeline.faults:
            self._drawing.box((self._x(fault.begin), 34), (self._width(fault), self._bottom - 34), "fault", radius=0)
        self._axis()
        self._requests()
        self._slowest()
        for name in dict.fromkeys(fault.text for fault in self._timeline.faults):
            own = [replace(fault, health=Health.DOWN) for fault in self._timeline.faults if fault.text == name]
            self._row(name, own, "fault")
        for strip in self._timeline.views:
            self._row(strip.name, strip.spans, "seen")
        for mark in self._marks:
            self._mark(mark)
        return self._drawing.text()

    def _x(self, at: float) -> float:
        return round(_LEFT + (_RIGHT - _LEFT) * min(1.0, at / self._seconds), 1)

    def _width(self, span: Span) -> float:
        return max(1.0, round(self._x(span.end) - self._x(span.begin), 1))

    def _axis(self) -> None:
        step = next((step for step in _STEPS if self._seconds / step <= _MOST_TICKS), 3600)
        for second in range(0, int(self._seconds) + 1, step):
            x = self._x(second)
            self._drawing.line((x, 36), (x, self._bottom), "grid")
            self._drawing.write((x, self._bottom + 18), f"{second} s", "small faint", anchor="middle")

    def _requests(self) -> None:
        buckets, width = self._timeline.buckets, self._timeline.bucket_seconds
        most = max((bucket.answered + bucket.failed + bucket.aside for bucket in buckets), default=0) or 1
        top = self._heading("requests", _told(buckets, width), f"{most / width:,.0f} a second")
        column = max(1.0, (_RIGHT - _LEFT) * width / self._seconds - 1)
        for bucket in buckets:
            y = top + _REQUESTS
            told = f"{bucket.at:g} s: {bucket.answered} answered, {bucket.failed} failed, {bucket.aside} not counted"
            for count, kind in ((bucket.answered, "good"), (bucket.aside, "none"), (bucket.failed, "bad")):
                if count:
                    # One failed request among thousands must be seen as well.
                    height = max(3.0 if kind == "bad" else 0.5, round(_REQUESTS * count / most, 1))
                    y = max(top, y - height)
                    x = self._x(bucket.at)
                    self._drawing.box((x, y), (min(column, _RIGHT - x), height), kind, radius=0, title=told)
        self._y = top + _REQUESTS + 26

    def _slowest(self) -> None:
        buckets = self._timeline.buckets
        most = max([bucket.slowest for bucket in buckets] + [(self._allowed or 0.0) * 1.1, 0.1])
        top = self._heading("slowest answer", "of those due then", f"{most:.1f} s")
        half = self._timeline.bucket_seconds / 2
        points = [
            (self._x(bucket.at + half), round(top + _SLOWEST * (1 - bucket.slowest / most), 1))
            for bucket in buckets
            if bucket.answered + bucket.failed
        ]
        if points:
            self._drawing.path("M" + "L".join(f"{x:g} {y:g}" for x, y in points), "curve")
        if self._allowed is not None:
            y = round(top + _SLOWEST * (1 - self._allowed / most), 1)
            self._drawing.line((_LEFT, y), (_RIGHT, y), "cut")
            self._drawing.write((_RIGHT, y - 3), f"allowed: {self._allowed:g} s", "small bad", anchor="end")
        self._y = top + _SLOWEST + 14

    def _heading(self, name: str, told: str, most: str) -> float:
        self._drawing.write((16, self._y + 14), name, "name")
        self._drawing.write((16, self._y + 30), told, "small faint", room=_LEFT - 26)
        self._drawing.write((16, self._y + 46), f"full height: {most}", "small faint", room=_LEFT - 26)
        self._drawing.line((_LEFT, self._y), (_RIGHT, self._y), "grid")
        return self._y

    def _row(self, name: str, spans: Sequence[Span], kind: str) -> None:
        self._drawing.write((16, self._y + 12), name, "small", room=_LEFT - 26)
        for span in spans:
            told = f"{name}: {span.health}, " if kind == "seen" else f"{name}: "
            told += f"{span.begin:.1f} s to {span.end:.1f} s"
            where = (self._x(span.begin), self._y + 3)
            colour = _HEALTH[span.health or Health.SILENT]
            self._drawing.box(where, (self._width(span), _STRIP - 6), colour, radius=2, title=told)
        self._y += _STRIP

    def _mark(self, mark: Mark) -> None:
        kind = "decision" if mark.lane is Lane.DECISION else "plan"
        self._drawing.write((16, self._y + 14), f"{kind}, {mark.at:.1f} s", "small")
        x, room_right = self._x(mark.at), _RIGHT - self._x(mark.at) - 10
        self._drawing.dot((x, self._y + 10), "slow" if kind == "decision" else "tip")
        if room_right > (_RIGHT - _LEFT) / 2:
            self._drawing.write((x + 9, self._y + 14), mark.text, "small", room=room_right)
        else:
            self._drawing.write((x - 9, self._y + 14), mark.text, "small", room=x - _LEFT - 9, anchor="end")
        self._y += _LINE


def _told(buckets: Sequence[Bucket], width: float) -> str:
    """The colours that are there."""
    aside = "; grey: not counted" if any(bucket.aside for bucket in buckets) else ""
    return f"in {width:g} s; red: failed{aside}"


def _marks(marks: Sequence[Mark]) -> tuple[Mark, ...]:
    if len(marks) <= _MOST_MARKS:
        return tuple(marks)
    left = len(marks) - _MOST_MARKS + 1
    return (*marks[: _MOST_MARKS - 1], Mark(marks[_MOST_MARKS - 1].at, marks[_MOST_MARKS - 1].lane, f"and {left} more"))
