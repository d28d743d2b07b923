"""The daemon's eye on the disks of a server of one's own; on any other machine it sees nothing and costs nothing."""

import time
from pathlib import Path

from .paths import SERVER
from .problems import Problems
from .raid_alerts import alerts
from .raid_arrays import look
from .raid_esps import esps_seen
from .raid_notes import Notes
from .raid_replace import read_intent
from .raid_server import RaidError, read_server

_ABOUT = "disks"


class RaidWatch:
    """Says what is wrong for as long as it is. It starts no program and may change nothing of a disk."""

    def __init__(self, root: Path, problems: Problems, every_seconds: float = 2.0) -> None:
        self._every_seconds = every_seconds
        self._next = 0.0
        self._root = root
        self._problems = problems
        self._notes = Notes(root)
        self._said: frozenset[str] = frozenset()

    def step(self) -> None:
        """A look, 4 ms of a core, unless the last was a moment ago."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + self._every_seconds
        found = self._found() if (self._root / SERVER.lstrip("/")).exists() else {}
        for about, text in found.items():
            self._problems.say(about, text)
        for about in self._said - found.keys():
            self._problems.over(about)
        self._said = frozenset(found)

    def _found(self) -> dict[str, str]:
        try:
            seen = look(read_server(self._root), self._root)
            return alerts(seen, esps_seen(self._root), self._notes.all(), read_intent(self._root))
        except (RaidError, OSError) as error:
            return {_ABOUT: str(error)}
