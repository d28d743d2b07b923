"""What every edge thinks of its servers, as it changes: one stream an edge instead of one look after another."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import requests
from docker.errors import APIError

from hdinfra.operate.containers import Containers

View = Sequence[Mapping[str, Any]]
Heard = Callable[[str, View | None], None]
_SLICE_SECONDS = 60  # a watcher whose reader was killed ends by itself after this long
_AGAIN_SECONDS = 0.5


@dataclass(slots=True)
class EdgeViews:
    """Watches the edges for as long as it is entered. A view is None while its edge says nothing. `heard` is told of
    every view, from as many threads as there are edges."""

    containers: Containers
    edges: tuple[str, ...]
    heard: Heard = lambda *_: None
    _views: dict[str, View | None] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _closed: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "EdgeViews":
        for edge in self.edges:
            threading.Thread(target=self._watch, args=(edge,), name=f"watch {edge}", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()

    def seconds_until(self, cluster: str, *, up: bool, within: float) -> float | None:
        """How long until every edge saw that Cluster as `up` says, and every other one up; None when it never did."""
        return self.seconds_until_all(lambda view: sees(view, cluster, up=up), within=within)

    def seconds_until_all(self, right: Callable[[View], bool], *, within: float) -> float | None:
        """How long until every edge said something, and what it said was right; None when that never came."""
        begin = time.monotonic()
        with self._changed:
            came = self._changed.wait_for(lambda: self._are_all(right), timeout=within)
        return round(time.monotonic() - begin, 3) if came else None

    def latest(self) -> dict[str, View | None]:
        """What each edge said last, None for one that says nothing."""
        with self._changed:
            return {edge: self._views.get(edge) for edge in self.edges}

    def _are_all(self, right: Callable[[View], bool]) -> bool:
        views = [self._views.get(edge) for edge in self.edges]
        return bool(views) and all(view is not None and right(view) for view in views)

    def _watch(self, edge: str) -> None:
        while not self._closed.is_set():
            try:
                for view in _views_of(self.containers, edge):
                    self._tell(edge, view)
            except (APIError, requests.RequestException):
                self._tell(edge, None)
            self._closed.wait(_AGAIN_SECONDS)

    def _tell(self, edge: str, view: View | None) -> None:
        self.heard(edge, view)
        with self._changed:
            self._views[edge] = view
            self._changed.notify_all()


def sees(view: View, cluster: str, *, up: bool) -> bool:
    """True when a view has that Cluster's servers as `up` says, and every other Cluster's up."""
    # An edge that sees everything down sees nothing; its view would be right of this Cluster by accident.
    of_cluster = [server for server in view if server["cluster"] == cluster]
    others = [server for server in view if server["cluster"] != cluster]
    return bool(of_cluster) and all(one["up"] is up for one in of_cluster) and all(one["up"] for one in others)


def _views_of(containers: Containers, edge: str) -> Iterator[View]:
    watching = containers.client.containers.get(edge).exec_run(
        ["hdctl", "watch", "--seconds", str(_SLICE_SECONDS)], stream=True, stderr=False
    )
    rest = b""
    for part in cast(Iterator[bytes], watching.output):
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield json.loads(line)["servers"]
