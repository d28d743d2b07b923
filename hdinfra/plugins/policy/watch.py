"""What is known of a scope's machines while a release goes round, and for how long each of them is waited for."""

import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Self

from hdinfra.plugins.policy.stages import Fail, Report, canary
from hdinfra.protocol.release import Release


@dataclass(frozen=True, slots=True)
class Pace:
    """The bounds of all waiting, in seconds.

    `answer`: for an API machine that answers. `appear`: for a machine that was just made. `grace`: for one that has not
    reported yet to API machines that may be new themselves (machines report each 10 s). `serve`: from a release to its
    serving. `live`: a machine that has been silent for longer is not waited for. `settle`: for a roll-back.
    """

    answer: float = 90
    retry: float = 0.5
    appear: float = 90
    grace: float = 12
    serve: float = 60
    live: float = 30
    settle: float = 20
    poll: float = 0.2

    def hurried(self) -> Self:
        """For what must be done even though somebody wants us to stop: the engine gives us 8 s then."""
        return replace(self, answer=min(self.answer, 6))


class Watch:
    """Remembers the last word of each machine; `clock` in seconds, monotonic."""

    def __init__(
        self,
        members: Mapping[str, str],
        fresh: AbstractSet[str],
        pace: Pace,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.members = members
        self.fresh = frozenset(fresh)
        self.reports: dict[str, Report] = {}
        self.bake_seconds: float = 0
        self._pace, self._clock = pace, clock
        self._began = self._stage = clock()
        self._spoke: dict[str, float] = {}
        self._sick: frozenset[str] = frozenset()
        self._given_up: set[str] = set()
        self._served_since: float | None = None

    def remember(self, reports: Mapping[str, Report]) -> None:
        """Takes what the API machines told just now."""
        for name, report in reports.items():
            self.reports[name] = report
            self._spoke[name] = self._clock() - report.seen_seconds

    def forget_predecessors(self) -> None:
        """Leaves out what was said under the names of fresh machines before we looked: their predecessors did."""
        for name in self.fresh:
            if self._spoke.get(name, self._began) < self._began:
                self.reports.pop(name, None)

    def begin_roll_out(self) -> None:
        """From now on machines that are alive must serve in time, but for those that did not do so before either."""
        self._sick = frozenset(n for n, r in self.reports.items() if r.number and not r.serving and self.alive(n))
        self.begin_stage()

    def begin_stage(self) -> None:
        """More machines may have the release."""
        self._stage = self._clock()
        self._served_since = None

    def note_serving(self, release: Release) -> None:
        """Keeps the time since when all that have the release serve it without a break."""
        if not all(self.serves(name, release.number) and self.alive(name) for name in release.released):
            self._served_since = None
        elif self._served_since is None:
            self._served_since = self._clock()

    def bake_left(self) -> float:
        """Seconds that the canary must go on serving."""
        since = self._served_since
        return self.bake_seconds if since is None else self.bake_seconds - (self._clock() - since)

    def alive(self, name: str) -> bool:
        """Whether it spoke lately."""
        return name in self._spoke and self._clock() - self._spoke[name] <= self._pace.live

    def serves(self, name: str, number: int) -> bool:
        """Whether that release is what it said it serves."""
        return name in self.reports and self.reports[name].serves(number)

    def heeded(self) -> frozenset[str]:
        """Members that are alive or may still appear."""
        return frozenset(name for name in self.members if name not in self._given_up and self._expected(name))

    def overdue(self, late: tuple[str, ...], canaries: AbstractSet[str]) -> Fail | None:
        """What to make of machines that are late: the canaries, and those that used to serve, fail the release."""
        for name in late:
            if self._clock() < self._limit(name):
                continue
            if name in canaries or (self.alive(name) and name not in self.fresh | self._sick):
                return Fail(name, f"it does not serve it after {self._clock() - self._stage:.0f} s; {self.words(name)}")
            self._given_up.add(name)
        return None

    def candidate(self) -> str | None:
        """Who would be the canary now."""
        alive = {name: report for name, report in self.reports.items() if self.alive(name)}
        return canary(self.members, alive, float("inf"))

    def words(self, name: str) -> str:
        """What it said last."""
        report = self.reports.get(name)
        if report is None:
            return "it has never reported"
        said = f"it reported {self._clock() - self._spoke[name]:.0f} s ago: "
        said += f"release {report.number}" if report.number else "no release"
        said += ", serving" if report.serving else ", not serving"
        return said + "".join(f"; {problem}" for problem in report.problems)

    def _expected(self, name: str) -> bool:
        waited = self._clock() - self._began
        if name in self.fresh:
            return self.alive(name) or waited < self._pace.appear
        return self.alive(name) or (name not in self.reports and waited < self._pace.grace)

    def _limit(self, name: str) -> float:
        limit = self._stage + self._pace.serve
        return max(limit, self._began + self._pace.appear) if name in self.fresh else limit
