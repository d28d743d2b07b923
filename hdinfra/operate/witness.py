"""What the machines of a scope say of themselves while something is tried on them, with when they said it."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from hdinfra.operate.control import Control, Json
from hdinfra.operate.errors import ControlError
from hdinfra.plugins.policy.rollout import Refusal

_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Word:
    """One machine's word, `at` that many seconds after the beginning. `failed`: the release it went back from."""

    at: float
    machine: str
    number: int
    serving: bool
    failed: int | None
    reason: str


@dataclass(slots=True)
class Witness:
    """Listens for as long as it is entered. `words` holds each machine's word whenever it changed."""

    control: Control
    members: frozenset[str]
    words: list[Word] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _last: dict[str, Word] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _closed: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Witness":
        self._thread = threading.Thread(target=self._listen, name="witness", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        if self._thread is not None:
            self._thread.join()

    def wait_until(self, condition: Callable[[dict[str, Word]], bool], *, within: float) -> float | None:
        """When the last words of all fulfilled it, in seconds after the beginning; None when they did not in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self._last), timeout=within):
                return None
            return max((word.at for word in self._last.values()), default=0.0)

    def first(self, condition: Callable[[Word], bool]) -> Word | None:
        """The first word of that kind."""
        with self._changed:
            return next((word for word in self.words if condition(word)), None)

    def take(self, refusal: Refusal) -> None:
        """What another listener heard: a refusal is over within a blink, and our own looks may lie around it."""
        said, at = refusal.report, round(max(0.0, refusal.heard - self._began), 3)
        word = Word(at, said.machine, said.number, said.serving, said.failed, said.reason)
        with self._changed:
            self.words.append(word)

    def _listen(self) -> None:
        while not self._closed.is_set():
            with suppress(ControlError):  # they may be away for a moment, and the listening goes on
                self._hear(list(self.control.machines().values()), round(time.monotonic() - self._began, 3))
            self._closed.wait(_POLL_SECONDS)

    def _hear(self, machines: Sequence[Json], at: float) -> None:
        with self._changed:
            for machine in machines:
                word = word_of(machine, at)
                before = self._last.get(word.machine)
                if word.machine in self.members and (before is None or _content(before) != _content(word)):
                    self._last[word.machine] = word
                    self.words.append(word)
            self._changed.notify_all()


def word_of(machine: Json, at: float) -> Word:
    """From a row of `GET /v1/machines`."""
    failed = machine.get("failed") or {}
    return Word(
        at=at,
        machine=str(machine["name"]),
        number=int(machine.get("number") or 0),
        serving=machine.get("serving") is True,
        failed=failed.get("number"),
        reason=str(failed.get("reason") or ""),
    )


def _content(word: Word) -> tuple[object, ...]:
    return word.number, word.serving, word.failed, word.reason
