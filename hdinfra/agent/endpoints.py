"""Where the API machines are: as the first boot told, and since then as they tell themselves.

What they tell is not signed. So one of them may name others, which prove their role themselves; but an API machine that
answers, and counts itself in, is left on nobody's word.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from .durable import write_whole
from .fields import PolicyError, address, machine_name, many, record
from .link import Endpoint
from .paths import ENDPOINTS
from .policy import ApiMachine, api_machines, port
from .problems import Problems, log

_MOST = 16
_SILENT_SECONDS = 60.0
"""Each API machine answers at least each 10 s."""
_ENDPOINT = record(Endpoint, {"name": machine_name, "addresses": many(address(4, 6), 2), "port": port})


class Endpoints:
    """`known` are those to talk with; any thread may ask and tell."""

    def __init__(
        self,
        first: Iterable[Endpoint],
        root: Path,
        problems: Problems,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first = tuple(first)
        self._path = root / ENDPOINTS.lstrip("/")
        self._problems = problems
        self._clock = clock
        self._lock = threading.Lock()
        self._words: dict[Endpoint, tuple[float, frozenset[Endpoint]]] = {}
        self.known = self._kept() or self._first

    @property
    def candidates(self) -> tuple[Endpoint, ...]:
        """Those that are known, then those of the first boot: for a machine that needs any one of them."""
        return tuple(dict.fromkeys((*self.known, *self._first)))

    def tell(self, api: Endpoint, told: object) -> None:
        """What one API machine says of where all are; nothing, or an empty list, is no word on it."""
        if not told:
            return
        about = f"endpoints by {api.name}"
        try:
            named = frozenset(map(_endpoint_of, api_machines(told, "endpoints")))
        except PolicyError as error:
            self._problems.say(about, str(error))
            return
        self._problems.over(about)
        with self._lock:
            if api in self.known:
                self._hear(api, named)

    def _hear(self, api: Endpoint, named: frozenset[Endpoint]) -> None:
        now = self._clock()
        for one in self.known:  # from now on each has its time to say that it is there
            self._words.setdefault(one, (now, frozenset({one})))
        self._words[api] = (now, named)
        known = _chosen(self._words, now)
        if set(known) != set(self.known):
            self._keep(known)
            self.known = known
            self._words = {one: word for one, word in self._words.items() if one in known}

    def _keep(self, known: tuple[Endpoint, ...]) -> None:
        log(f"API machines: {', '.join(f'{one.name} at {one.addresses[0]}' for one in known)}")
        try:
            write_whole(self._path, json.dumps([asdict(one) for one in known]).encode(), 0o600)
        except OSError as error:
            self._problems.say("endpoints", f"where the API machines are is not kept: {error}")
        else:
            self._problems.over("endpoints")

    def _kept(self) -> tuple[Endpoint, ...]:
        try:
            found = many(_ENDPOINT, _MOST)(json.loads(self._path.read_bytes()), "endpoints")
        except (OSError, ValueError, RecursionError):  # a PolicyError is a ValueError
            return ()
        return tuple(Endpoint(one.name, tuple(map(str, one.addresses)), one.port) for one in found if one.addresses)


def _chosen(words: Mapping[Endpoint, tuple[float, frozenset[Endpoint]]], now: float) -> tuple[Endpoint, ...]:
    """All that were named lately, and of too many first those that spoke themselves."""
    recent = {one: named for one, (at, named) in words.items() if now - at < _SILENT_SECONDS}
    named = frozenset().union(*recent.values())
    ordered = sorted(named, key=lambda one: (one not in recent, one.name, one.addresses, one.port))
    return tuple(ordered[:_MOST])


def _endpoint_of(api: ApiMachine) -> Endpoint:
    return Endpoint(api.name, tuple(str(address) for address in (api.ipv6, api.ipv4) if address), api.port)
