"""Talks with one API machine: one thread asks what is new and hangs until there is, another reports."""

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from .link import Answer, Endpoint, Link, LinkError, RefusedError
from .papers import Papers
from .problems import Problems
from .versions import Opened, Trust, opened

HANG_SECONDS = 10
_REPORT_SECONDS = 10.0
_RETRY_SECONDS = (0.5, 5.0)
_REFUSED_SECONDS = 15.0
_CLOCK_SECONDS = 60.0
"""A difference of clocks that is named: certificates and releases forgive five minutes."""


class Reports:
    """The newest report, and waking of those who carry it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._number = 0
        self._report: Mapping[str, Any] = {}

    def put(self, report: Mapping[str, Any]) -> None:
        """Carried at once when it differs from the one before."""
        with self._changed:
            if report != self._report:
                self._report, self._number = report, self._number + 1
                self._changed.notify_all()

    def newer(self, than: int, seconds: float) -> tuple[int, Mapping[str, Any]]:
        """The newest as soon as there is one after `than`, else when the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._number != than, seconds)
            return self._number, self._report


@dataclass
class Talk:
    """`deliver` takes what was believed of each answer. `seen_at`: when it last answered, monotonic seconds."""

    endpoint: Endpoint
    papers: Papers
    trust: Trust
    problems: Problems
    reports: Reports
    deliver: Callable[[str, Opened], None]
    seen_at: float | None = None
    silent_since: float = field(default_factory=time.time)

    @property
    def name(self) -> str:
        """The API machine's."""
        return self.endpoint.name

    def poll(self, stopping: threading.Event) -> None:
        """Ask until told to stop."""
        link, etag = Link(self.endpoint, self.papers.context), ""

        def ask() -> float:
            nonlocal etag
            seen, asked_at = etag, time.monotonic()
            asked = urlencode({"seen": seen, "wait": HANG_SECONDS})
            answer = link.get(f"/v1/sync?{asked}", HANG_SECONDS + 5)
            self._heard(answer)
            if "releases" in answer.body:
                self.deliver(self.name, opened(answer.body, self.trust, time.time()))
                etag = str(answer.body.get("etag", ""))[:200]
            # One that neither hangs nor has news would be asked in circles.
            return 0 if etag != seen or time.monotonic() - asked_at >= 1 else 1

        self._repeat(ask, f"sync with {self.name}", stopping)
        link.close()

    def report(self, stopping: threading.Event) -> None:
        """Report until told to stop."""
        link, carried = Link(self.endpoint, self.papers.context), 0

        def tell() -> float:
            nonlocal carried
            number, report = self.reports.newer(carried, _REPORT_SECONDS)
            if report and not stopping.is_set():
                self._heard(link.post("/v1/report", report))
                carried = number
            return 0

        self._repeat(tell, f"report to {self.name}", stopping)
        link.close()

    def _repeat(self, deed: Callable[[], float], about: str, stopping: threading.Event) -> None:
        failures = 0
        while not stopping.is_set():
            if not self.papers.have.wait(1):
                continue
            pause = self._tried(deed, about, failures)
            failures = failures + 1 if pause else 0
            stopping.wait(pause)

    def _tried(self, deed: Callable[[], float], about: str, failures: int) -> float:
        """How long to wait before the next one."""
        low, high = _RETRY_SECONDS
        try:
            pause: float = deed()
        except RefusedError as error:
            self.problems.say(about, str(error))
            return _REFUSED_SECONDS if error.status < 500 else high
        except LinkError as error:
            since = time.strftime("%H:%M:%S UTC", time.gmtime(self.silent_since))
            self.problems.say(about, f"{error}" if error.looks_wrong else f"unreachable since {since}: {error}")
        except Exception as error:
            self.problems.say(about, f"its answer cannot be used: {type(error).__name__} {error}")
        else:
            self.problems.over(about)
            return pause
        return min(high, low * 2.0 ** min(failures, 8)) * random.uniform(0.8, 1.2)  # noqa: S311 - spreads the crowd

    def _heard(self, answer: Answer) -> None:
        self.seen_at, self.silent_since = time.monotonic(), time.time()
        ahead = time.time() - answer.clock if answer.clock is not None else 0
        if abs(ahead) > _CLOCK_SECONDS:
            said = (
                f"{abs(round(ahead, -1)):.0f} s {'ahead of' if ahead > 0 else 'behind'} {self.name}'s: mend one of them"
            )
            self.problems.say(f"clock by {self.name}", f"this machine's is {said}")
        else:
            self.problems.over(f"clock by {self.name}")
