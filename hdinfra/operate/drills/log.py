"""Writes down what happens while a drill runs, from as many threads as there are."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hdinfra.operate.drills.timeline import Event, Health, Lane

Clock = Callable[[], float]


@dataclass(slots=True)
class Log:
    """Events by the monotonic clock, in the order in which they came."""

    clock: Clock = time.monotonic
    events: list[Event] = field(default_factory=list)
    _seen: dict[str, Health] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def fault(self, text: str) -> Iterator[None]:
        """What is broken for as long as it is entered."""
        self._put(Lane.FAULT, text)
        try:
            yield
        finally:
            self._put(Lane.FAULT, text, over=True)

    def decided(self, text: str) -> None:
        """A watcher's decision, or an operator's."""
        self._put(Lane.DECISION, text)

    def planned(self, text: str) -> None:
        """A change of what is planned or deployed."""
        self._put(Lane.PLAN, text)

    def viewed(self, edge: str, view: Sequence[Mapping[str, Any]] | None) -> None:
        """What an edge sees of its servers now; None where it says nothing. Only what changed is kept."""
        with self._lock:
            known = [name for name in self._seen if name.startswith(f"{edge} sees ")]
            found = dict.fromkeys(known, Health.SILENT) if view is None else _by_cluster(edge, view)
            for name, health in found.items():
                if self._seen.get(name) is not health:
                    self._seen[name] = health
                    self.events.append(Event(self.clock(), Lane.VIEW, name, health=health))

    def _put(self, lane: Lane, text: str, *, over: bool = False) -> None:
        with self._lock:
            self.events.append(Event(self.clock(), lane, text, over=over))


def _by_cluster(edge: str, view: Sequence[Mapping[str, Any]]) -> dict[str, Health]:
    states: dict[str, set[bool]] = {}
    for server in view:
        states.setdefault(f"{edge} sees {server['cluster']}", set()).add(bool(server["up"]))
    return {
        name: Health.PARTLY if len(up) > 1 else Health.UP if True in up else Health.DOWN for name, up in states.items()
    }
