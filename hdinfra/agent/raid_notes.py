"""What mdadm's monitor and smartd said of the disks: kept until somebody clears it, since their words come once."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path

from .durable import write_whole
from .paths import HARDWARE, NOTES

_MOST = 50
_LONGEST = 300
_PASSING = frozenset({"NewArray", "RebuildStarted", "SpareActive", "MoveSpare", "DegradedArray"})
"""Of mdadm(8)'s events those that ask for nothing, or that a look at the arrays shows for as long as it is so."""
CHECKED = "RebuildFinished"
"""mdadm's word for the end of a check as well."""


@dataclass(frozen=True, slots=True)
class Note:
    """`at` in seconds since 1970, of the last time; `about` is the device or the disk that it concerns."""

    source: str
    event: str
    about: str
    text: str
    at: int
    times: int = 1

    @property
    def is_problem(self) -> bool:
        """Whether somebody has to look."""
        return not (self.event in _PASSING or self.event.startswith("Rebuild"))


class Notes:
    """A file under `root`; any number of programs may write at once."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._path = root / NOTES.lstrip("/")
        self._lock = root / HARDWARE.lstrip("/") / "notes.lock"

    def all(self) -> tuple[Note, ...]:
        """Oldest first; what cannot be read is one note that says so."""
        try:
            return tuple(Note(**each) for each in json.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, TypeError) as error:
            return (Note("hdraid", "Unreadable", str(self._path), f"notes are lost: {type(error).__name__}", 0),)

    def problems(self) -> tuple[Note, ...]:
        """Those that somebody has to look at."""
        return tuple(note for note in self.all() if note.is_problem)

    def add(self, note: Note) -> None:
        """Keep it; the same thing once more is counted."""
        with self._locked():
            kept = list(self.all())
            same = next((each for each in kept if _key(each) == _key(note)), None)
            if same:
                kept.remove(same)
            times = same.times + 1 if same else 1
            kept.append(Note(note.source, note.event, note.about, note.text[:_LONGEST], note.at, times))
            self._write(kept)

    def forget(self, is_over: Callable[[Note], bool]) -> None:
        """Those that are over; all others stay, for whoever said them may never say them again."""
        with self._locked():
            self._write([note for note in self.all() if not is_over(note)])

    def clear(self) -> int:
        """Forget all but when the last check was; how many were problems."""
        with self._locked():
            kept = self.all()
            self._write([note for note in kept if note.event == CHECKED])
        return sum(note.is_problem for note in kept)

    def _write(self, notes: Sequence[Note]) -> None:
        text = json.dumps([asdict(each) for each in notes[-_MOST:]])
        write_whole(self._path, text.encode(), 0o644)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with self._lock.open("w") as file:
            flock(file, LOCK_EX)
            yield


def of_mdadm(event: str, array: str, component: str = "") -> Note:
    """As mdadm's monitor calls its PROGRAM: an event, an array's device, and sometimes a part of it or more words."""
    return Note("mdadm", event, array, " ".join(filter(None, (array, component.strip()))), int(time.time()))


def of_smartd(told: Mapping[str, str]) -> Note:
    """As smartd calls what stands behind `-M exec`, by its environment (smartd.conf(5))."""
    serial = re.search(r"S/N:([^,\s]+)", told.get("SMARTD_DEVICEINFO", ""))
    device = serial[1] if serial else told.get("SMARTD_DEVICE", "a disk")
    text = (
        told.get("SMARTD_MESSAGE") or told.get("SMARTD_FULLMESSAGE") or "something is wrong, see the journal of smartd"
    )
    return Note("smartd", told.get("SMARTD_FAILTYPE", "unknown"), device, " ".join(text.split()), int(time.time()))


def _key(note: Note) -> tuple[str, str, str]:
    return note.source, note.event, note.about
