"""What keeps a machine from serving again by itself after an outage. It lies on the disk, so a reboot does not open it.

Requirement E12: whoever was away may be older than whoever served meanwhile, and must not get users back unasked.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from .durable import write_whole
from .paths import LATCH

_BOOT_ID = "proc/sys/kernel/random/boot_id"
_FIRST_PROCESS = "proc/1/stat"
_STARTED = 21 - 2
"""proc(5): field 22, when it started, counted behind the second field, which may hold spaces."""


def boot_of(root: Path) -> str:
    """Which boot this is. A container has its host's boot id, but a first process of its own."""
    boot = (root / _BOOT_ID).read_text().strip()
    started = (root / _FIRST_PROCESS).read_text().rpartition(")")[2].split()[_STARTED]
    return f"{boot}/{started}"


@dataclass(frozen=True, slots=True)
class Kept:
    """What the disk remembers: the boot in which the machine served last, and why it is latched (None: it is not)."""

    boot: str
    closed_because: str | None = None


class Latch:
    """One machine's. `boot`: this boot, as `boot_of` says."""

    def __init__(self, root: Path, boot: str) -> None:
        self._path = root / LATCH.lstrip("/")
        self._boot = boot
        self._ill_since: float | None = None
        self._kept = self._read()
        self._unsaved = False

    @property
    def closed_because(self) -> str | None:
        """Why it is closed, None while it is open."""
        return self._kept.closed_because if self._kept else None

    def step(self, now: float, outage: str | None, outage_seconds: float) -> None:
        """One look: `outage` is what is wrong now, None for nothing. Seconds of `now` are monotonic.

        A boot after the first, and an outage that lasts, close it. OSError when the disk does not take it: the next
        step tries again, and meanwhile it is closed all the same.
        """
        if self._unsaved and self._kept:
            self._keep(self._kept)
        if self._kept is None:
            if outage is None:
                self._keep(Kept(self._boot))  # it serves for the first time: what was before is no outage
            return
        if self._kept.boot != self._boot:
            self._close("the machine was booted anew")
        if outage is None:
            self._ill_since = None
            return
        self._ill_since = now if self._ill_since is None else self._ill_since
        if now - self._ill_since >= outage_seconds:
            self._close(outage)

    def away(self, seconds: float) -> None:
        """Nobody looked after the machine for so long that others had to take it for ill."""
        if self._kept:
            self._close(f"nothing was heard of the machine's own agent for {seconds:.0f} s")

    def release(self) -> None:
        """Open it. What is wrong at this moment closes it again only when it lasts anew."""
        self._ill_since = None
        self._keep(Kept(self._boot))

    def forget(self) -> None:
        """The machine has none any more."""
        self._path.unlink(missing_ok=True)
        self._kept, self._ill_since = None, None

    def _close(self, why: str) -> None:
        if self._kept and self._kept.closed_because and self._kept.boot == self._boot:
            return
        self._keep(Kept(self._boot, (self._kept.closed_because if self._kept else None) or why))

    def _keep(self, kept: Kept) -> None:
        if kept.closed_because:
            self._kept = kept
        self._unsaved = True
        write_whole(self._path, json.dumps(asdict(kept), sort_keys=True).encode(), 0o600)
        self._kept, self._unsaved = kept, False

    def _read(self) -> Kept | None:
        try:
            told = json.loads(self._path.read_bytes())
            why = told["closed_because"]
            return Kept(str(told["boot"]), None if why is None else str(why))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            # What cannot be read may have been closed.
            return Kept(self._boot, "what was kept of the latch cannot be read")
