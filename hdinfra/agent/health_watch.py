"""Looks at this machine once a second and tells HAProxy until when it may answer 200 at `/edge-health` (decision 28).

HAProxy holds a time, not a verdict: whoever stops looking, dead or hung, lets it pass, and the answer is 503.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .durable import write_whole
from .haproxy import STATS_SOCKET, ask
from .health import Reason, Seen, reasons
from .health_policy import HealthPolicy
from .latch import Latch
from .paths import HEALTH_MAP, STATE
from .problems import Problems
from .services import status_of

LIFE_SECONDS = 10
"""How long one look counts: longer than a restart of hdsync for new code and its first look (decision 28)."""
_ASKED = "get var proc.asked_at"
_PATIENCE_SECONDS = 1.0
_DISKS = (STATE, "/var/log")

Gather = Callable[[HealthPolicy], Seen]


class HealthWatch:
    """One machine's. `boot`: which boot this is (`latch.boot_of`)."""

    def __init__(self, root: Path, boot: str, problems: Problems) -> None:
        self._root = root
        self._map = root / HEALTH_MAP.lstrip("/")
        self._latch = Latch(root, boot)
        self._problems = problems
        self._looked_at = _looked_at(self._map)
        self._asked_at = time.time()
        self._told: dict[str, Any] = {"well": None, "reasons": [], "latched": None, "bounds": {}}

    @property
    def told(self) -> dict[str, Any]:
        """For people: `well` (None where nothing is said of it), every reason against it, the latch, the bounds."""
        return self._told

    def release(self) -> dict[str, Any]:
        """Open the latch, as an operator wants it; OSError when the disk does not take it."""
        self._latch.release()
        return {"latched": None}

    def step(self, seen: Seen, bounds: HealthPolicy) -> bool:
        """Judge one look, and tell HAProxy; whether the machine is well."""
        found = reasons(seen, bounds)
        latched = self._latched(found, bounds)
        if latched is None:
            self._problems.over("health")
        else:
            self._problems.say("health", f"latched: {latched}; `hdctl latch release` when it may have visitors again")
        well = not found and latched is None
        self._tell(well=well)
        texts = [reason.text for reason in found]
        self._told = {"well": well, "reasons": texts, "latched": latched, "bounds": asdict(bounds)}
        return well

    def nothing(self) -> None:
        """Nothing is said of this machine's health: it has no policy that asks for it."""
        self._told = {"well": None, "reasons": [], "latched": None, "bounds": {}}

    def writes(self, bounds: HealthPolicy) -> int | None:
        """Status of the declared check of writes, 0 for no answer; None where none is declared."""
        return _status(bounds.writes) if bounds.writes else None

    def silent_seconds(self, bounds: HealthPolicy) -> float:
        """Since anybody asked, as far as it matters; HAProxy forgets it at a reload, we do not."""
        if bounds.silence_seconds is None:
            return 0
        with suppress(OSError, ValueError):
            self._asked_at = max(self._asked_at, int(_between(ask(STATS_SOCKET, _ASKED, 1), "value=<", ">")))
        return max(0.0, time.time() - self._asked_at)

    def disk_free_percent(self) -> float:
        """Of the fullest of the disks with policy and logs."""
        return min(map(_free_percent, (self._root / path.lstrip("/") for path in _DISKS)))

    def load(self) -> float:
        """Programs that want to run, on each core that there is, over a minute."""
        return os.getloadavg()[0] / len(os.sched_getaffinity(0))

    def _latched(self, found: tuple[Reason, ...], bounds: HealthPolicy) -> str | None:
        if not bounds.latch:
            self._latch.forget()
            return None
        outage = next((reason.text for reason in found if reason.outage), None)
        now = time.monotonic()
        try:
            if self._looked_at and now - self._looked_at > LIFE_SECONDS + bounds.outage_seconds:
                self._latch.away(now - self._looked_at)
            self._latch.step(now, outage, bounds.outage_seconds)
            if self._latch.closed_because and bounds.rejoin and not found and _status(bounds.rejoin) == 200:
                self._latch.release()
        except OSError as error:
            self._problems.say("latch", f"the disk does not take it: {error}")
        else:
            self._problems.over("latch")
        return self._latch.closed_because

    def _tell(self, *, well: bool) -> None:
        until = int(time.time()) + LIFE_SECONDS if well else 0
        self._looked_at = time.monotonic()
        # The file is for HAProxy's next start or reload, and tells the next hdsync when this one looked.
        write_whole(self._map, f"# {self._looked_at:.1f}\nuntil {until}\n".encode(), 0o644)
        with suppress(OSError):  # when HAProxy is away nobody is answered, well or not
            ask(STATS_SOCKET, f"set map {HEALTH_MAP} until {until}", _PATIENCE_SECONDS)


def _looked_at(path: Path) -> float | None:
    """When somebody looked last in this boot (monotonic seconds)."""
    try:
        return float(path.read_text().partition("\n")[0].removeprefix("# "))
    except (OSError, ValueError):
        return None


def _status(url: str) -> int:
    parts = urlsplit(url)
    return status_of(parts.port or 80, parts.path or "/", parts.netloc, _PATIENCE_SECONDS)


def _free_percent(folder: Path) -> float:
    try:
        found = os.statvfs(folder)
    except FileNotFoundError:
        return 100
    return 100 * found.f_bavail / found.f_blocks if found.f_blocks else 100


def _between(text: str, before: str, after: str) -> str:
    return text.partition(before)[2].partition(after)[0]
