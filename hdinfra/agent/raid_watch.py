"""The daemon's eye on what a server of one's own wants from its operator: its disks, and a restart that is due. On any
other machine it sees nothing and costs nothing."""

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
_RESTART = "run/reboot-required"
"""Debian's unattended-upgrades touches it when a kernel was installed, whoever ran dpkg
(/etc/kernel/postinst.d/unattended-upgrades), and names the packages beside it; both go with the restart."""


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
        return {**self._of_disks(), **restart_due(self._root)}

    def _of_disks(self) -> dict[str, str]:
        try:
            seen = look(read_server(self._root), self._root)
            return alerts(seen, esps_seen(self._root), self._notes.all(), read_intent(self._root))
        except (RaidError, OSError) as error:
            return {_ABOUT: str(error)}


def restart_due(root: Path) -> dict[str, str]:
    """That a newer kernel waits for somebody to restart the server, which serves as before meanwhile."""
    try:
        since = time.strftime("%Y-%m-%d", time.gmtime((root / _RESTART).stat().st_mtime))
    except OSError:
        return {}
    try:
        packages = ", ".join(sorted(set((root / f"{_RESTART}.pkgs").read_text(errors="replace").split()))[:3])
    except OSError:
        packages = ""
    return {
        "restart": f"due since {since}, for {packages or 'a newer kernel'}: `systemctl reboot`, one server at a time"
    }
