"""Open-loop HTTP load: every request has its due time, and waits for nobody."""

import asyncio
import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import httpx
from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

from hdinfra.operate.report import Answer

_GIVE_UP_SECONDS = 30.0  # far over every promise: a slow answer is measured, not cut off
_WARM_UP_SECONDS = 1.0
_LONGEST_FAILURE = 100


@dataclass(frozen=True, slots=True)
class Target:
    """One site through one edge address."""

    url: str
    host: str


@dataclass(frozen=True, slots=True)
class Shape:
    """How much load, and of what kind. One request in `post_every` is a numbered POST."""

    rate: int
    seconds: float
    post_every: int = 20
    warm_up_seconds: float = _WARM_UP_SECONDS
    first_number: int = 1


@dataclass(slots=True)
class Load:
    """Runs in a thread with a loop of its own, so that whoever breaks things is not delayed by it."""

    targets: Sequence[Target]
    shape: Shape
    answers: list[Answer] = field(default_factory=list)
    _started: threading.Event = field(default_factory=threading.Event)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _crash: BaseException | None = None

    def __enter__(self) -> "Load":
        self._thread = threading.Thread(target=self._main, name="load", daemon=True)
        self._thread.start()
        if not self._started.wait(self.shape.warm_up_seconds + _GIVE_UP_SECONDS):
            raise TimeoutError("the load did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self.join()

    def join(self) -> None:
        """Wait until the last request has its answer."""
        if self._thread is not None:
            self._thread.join(self.shape.seconds + 2 * _GIVE_UP_SECONDS)
        if self._crash is not None:
            raise self._crash

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as crash:
            self._crash = crash  # raised in `join`, where somebody waits
        finally:
            self._started.set()

    async def _run(self) -> None:
        connections, patience = TCPConnector(limit=0), ClientTimeout(total=_GIVE_UP_SECONDS)
        async with ClientSession(
            connector=connections,
            timeout=patience,
            cookie_jar=DummyCookieJar(),
            skip_auto_headers=("Content-Type",),  # of a POST without a body: WAFs refuse a type that they do not know
        ) as client:
            # A GET on a kept connection that was closed under it is sent once more, as browsers do (RFC 9110, 9.2.2):
            # at a reload an edge closes those that it has just answered. All else is as the edge gave it.
            await self._offer(client, self._warm_up_plan())
            self.answers.clear()
            self._started.set()
            await self._offer(client, self._plan())

    def _warm_up_plan(self) -> Iterator[tuple[float, Target, int | None]]:
        count = round(self.shape.rate * self.shape.warm_up_seconds)
        for index, target in zip(range(count), itertools.cycle(self.targets), strict=False):
            yield index / self.shape.rate, target, None

    def _plan(self) -> Iterator[tuple[float, Target, int | None]]:
        numbers = itertools.count(self.shape.first_number)
        targets = itertools.cycle(self.targets)
        posts = itertools.cycle(self.targets)
        for index in range(round(self.shape.rate * self.shape.seconds)):
            is_post = index % self.shape.post_every == self.shape.post_every - 1
            target = next(posts) if is_post else next(targets)
            yield index / self.shape.rate, target, next(numbers) if is_post else None

    async def _offer(self, client: ClientSession, plan: Iterator[tuple[float, Target, int | None]]) -> None:
        begin = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for offset, target, number in plan:
                if self._stopped.is_set():
                    return
                # Never ahead of time; when behind, the lateness is part of the latency.
                await asyncio.sleep(max(0.0, begin + offset - time.monotonic()))
                group.create_task(self._request(client, target, number, begin + offset))

    async def _request(self, client: ClientSession, target: Target, number: int | None, due: float) -> None:
        late = time.monotonic() - due
        method, path = ("GET", "/") if number is None else ("POST", f"/ledger/{number}")
        try:
            asked = client.request(method, f"{target.url}{path}", headers={"Host": target.host}, allow_redirects=False)
            async with asked as response:
                await response.read()
            failure = None if 200 <= response.status < 300 else f"status {response.status}"
        except (ClientError, TimeoutError) as error:
            failure = f"{type(error).__name__}: {error}"[:_LONGEST_FAILURE].rstrip(": ")
        took = time.monotonic() - due
        self.answers.append(Answer(method, target.host, target.url, due, took, failure, number, late))


def read_ledger(targets: Sequence[Target]) -> dict[str, dict[int, int]]:
    """What each site's origin wrote down: host, number, times run."""
    hosts = {target.host: target for target in targets}
    return {host: _ledger_of_host(target) for host, target in sorted(hosts.items())}


def _ledger_of_host(target: Target) -> dict[int, int]:
    response = httpx.get(
        f"{target.url}/ledger", headers={"Host": target.host}, timeout=_GIVE_UP_SECONDS, trust_env=False
    )
    response.raise_for_status()
    return {int(number): int(count) for number, count in response.json().items()}
