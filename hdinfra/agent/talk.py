"""Talks with the API machines. With each, one thread asks what is new and hangs until there is, another reports."""

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from .endpoints import Endpoints
from .link import Answer, Endpoint, Link, LinkError, RefusedError
from .papers import Papers
from .parcels import Parcels
from .problems import Problems
from .versions import Opened, Trust, opened

HANG_SECONDS = 10
_REPORT_SECONDS = 10.0
_RETRY_SECONDS = (0.5, 5.0)
_REFUSED_SECONDS = 15.0
_PARCELS_AT_ONCE = 100  # each time the edge loads all it has
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
    """`deliver` takes what was believed of each answer, `endpoints` where it says that all API machines are,
    `hand_over` what was fetched because `parcels` miss it, `hear_mesh` the peers' keys. `seen_at`: when it last
    answered, monotonic seconds."""

    endpoint: Endpoint
    endpoints: Endpoints
    papers: Papers
    trust: Trust
    problems: Problems
    reports: Reports
    deliver: Callable[[str, Opened], None]
    parcels: Parcels
    hand_over: Callable[[list[str]], None]
    hear_mesh: Callable[[object], None] = lambda _: None
    seen_at: float | None = None
    silent_since: float = field(default_factory=time.time)
    left: threading.Event = field(default_factory=threading.Event)

    @property
    def name(self) -> str:
        """The API machine's."""
        return self.endpoint.name

    def begin(self) -> None:
        """In threads of its own, until it is left."""
        for target in (self.poll, self.report):
            threading.Thread(target=target, name=f"{target.__name__} {self.name}", daemon=True).start()

    def leave(self) -> None:
        """For good: its threads end when their questions do, and what was wrong with it is no matter any more."""
        self.left.set()
        for about in ("sync with", "report to", "clock by", "offer of", "endpoints by"):
            self.problems.over(f"{about} {self.name}")

    def poll(self) -> None:
        """Ask until it is left."""
        link, etag = Link(self.endpoint, self.papers.context), ""

        def ask() -> float:
            nonlocal etag
            seen, asked_at = etag, time.monotonic()
            asked = urlencode({"seen": seen, "wait": HANG_SECONDS})
            answer = link.get(f"/v1/sync?{asked}", HANG_SECONDS + 5)
            if self.left.is_set():
                return 0
            self._heard(answer)
            if "releases" in answer.body:
                self.deliver(self.name, opened(answer.body, self.trust, time.time()))
                self.hear_mesh(answer.body.get("mesh"))
                self._fetch(link, self.parcels.missing(answer.body.get("parcels")))
                etag = str(answer.body.get("etag", ""))[:200]
            self.endpoints.tell(self.endpoint, answer.body.get("endpoints"))
            # One that neither hangs nor has news would be asked in circles.
            return 0 if etag != seen or time.monotonic() - asked_at >= 1 else 1

        self._repeat(ask, f"sync with {self.name}")
        link.close()

    def report(self) -> None:
        """Report until it is left."""
        link, carried = Link(self.endpoint, self.papers.context), 0

        def tell() -> float:
            nonlocal carried
            number, report = self.reports.newer(carried, _REPORT_SECONDS)
            if report and not self.left.is_set():
                self._heard(link.post("/v1/report", report))
                carried = number
            return 0

        self._repeat(tell, f"report to {self.name}")
        link.close()

    def _fetch(self, link: Link, hosts: list[str]) -> None:
        for some in (hosts[i : i + _PARCELS_AT_ONCE] for i in range(0, len(hosts), _PARCELS_AT_ONCE)):
            self.hand_over([str(link.get(f"/v1/parcels/{quote(host, safe='')}").body["parcel"]) for host in some])

    def _repeat(self, deed: Callable[[], float], about: str) -> None:
        failures = 0
        while not self.left.is_set():
            if not self.papers.have.wait(1):
                continue
            pause = self._tried(deed, about, failures)
            failures = failures + 1 if pause else 0
            self.left.wait(pause)

    def _tried(self, deed: Callable[[], float], about: str, failures: int) -> float:
        """How long to wait before the next one."""
        low, high = _RETRY_SECONDS
        try:
            pause: float = deed()
        except RefusedError as error:
            self._say(about, str(error))
            return _REFUSED_SECONDS if error.status < 500 else high
        except LinkError as error:
            since = time.strftime("%H:%M:%S UTC", time.gmtime(self.silent_since))
            self._say(about, f"{error}" if error.looks_wrong else f"unreachable since {since}: {error}")
        except Exception as error:
            self._say(about, f"its answer cannot be used: {type(error).__name__} {error}")
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
            self._say(f"clock by {self.name}", f"this machine's is {said}")
        else:
            self.problems.over(f"clock by {self.name}")

    def _say(self, about: str, text: str) -> None:
        if not self.left.is_set():
            self.problems.say(about, text)


class Talks:
    """One with each API machine that is known by now. A single thread calls it, but for `seen`."""

    def __init__(self, endpoints: Endpoints, make: Callable[[Endpoint], Talk]) -> None:
        self._endpoints = endpoints
        self._make = make
        self._held: dict[Endpoint, Talk] = {}

    def keep(self) -> None:
        """Begin those that are new, leave those that are known no more."""
        known = self._endpoints.known
        for gone in self._held.keys() - set(known):
            self._held.pop(gone).leave()
        for new in known:
            if new not in self._held:
                self._held[new] = self._make(new)
                self._held[new].begin()

    def end(self) -> None:
        """All of them, because this machine stops."""
        for talk in self._held.values():
            talk.left.set()

    def seen(self) -> dict[str, float]:
        """By API machine, how many seconds ago it answered; without those that never did."""
        now = time.monotonic()
        held = tuple(self._held.values())
        return {talk.name: round(now - talk.seen_at, 1) for talk in held if talk.seen_at is not None}
