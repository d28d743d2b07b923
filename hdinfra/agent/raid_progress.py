"""Waiting for the kernel to copy or to compare: a line that moves on a terminal, plain lines anywhere else."""

import sys
import time
from collections.abc import Callable
from typing import TextIO

from .raid_arrays import Array, Seen
from .raid_server import ARRAYS, RaidError

_EVERY_SECONDS = 1.0
_STUCK_LOOKS = 60
"""Between two arrays the kernel rests for a moment; a minute without any work is more."""
_STEP_PERCENT = 10


class Progress:
    """One of a long work. On a terminal it is one line, elsewhere one for every tenth that is done."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._moving = stream.isatty()
        self._said = ""

    def show(self, array: Array) -> None:
        """How far that array is."""
        if self._moving:
            self._stream.write(f"\r\033[K{line(array)}")
            self._stream.flush()
            return
        step = f"{array.name} {int((array.percent or 0) // _STEP_PERCENT)}"
        if step != self._said:
            self._said = step
            print(line(array), file=self._stream, flush=True)

    def end(self) -> None:
        """Other lines may follow."""
        if self._moving:
            self._stream.write("\r\033[K")
            self._stream.flush()


def line(array: Array) -> str:
    """What an array is doing, how far it is and how long it takes yet."""
    if array.percent is None:
        return f"{array.name} {array.marks} {array.action}, waiting for its turn"
    left = f", {clock((array.total - array.done) / array.speed)} left" if array.speed else ""
    return f"{array.name} {array.marks} {array.action} {array.percent:.1f} %, {array.speed / 1024:,.1f} MiB/s{left}"


def clock(seconds: float) -> str:
    """Minutes and seconds, and hours where there are any."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def await_copies(look: Callable[[], Seen], serial: str, progress: Progress) -> None:
    """Until that disk holds everything, or is a spare one; RaidError when it falls out, or nothing is done any more."""
    idle = 0
    while not is_copied(seen := look(), serial):
        busy = [array for array in seen.arrays if array.is_busy]
        idle = 0 if busy else idle + 1
        if idle > _STUCK_LOOKS:
            raise RaidError(
                f"nothing is copied to {serial} any more: see `hdraid status` and the kernel's words (`dmesg`)"
            )
        for array in sorted(busy, key=lambda one: one.percent is None)[:1]:
            progress.show(array)
        time.sleep(_EVERY_SECONDS)
    progress.end()


def is_copied(seen: Seen, serial: str) -> bool:
    """Whether it is at its work; RaidError when it is gone or broken."""
    found = seen.called(serial)
    if len(found) != 1:
        raise RaidError(f"{serial} has gone while it was written: put it back, or another, and `hdraid replace` again")
    places = list(seen.memberships(found[0]))
    if len(places) < len(ARRAYS) or any(member.is_lost for _, member in places):
        raise RaidError(f"{serial} has failed while it was written: take another disk and `hdraid replace` again")
    return all(member.is_good or array.is_whole for array, member in places)


def await_rest(look: Callable[[], Seen], name: str, progress: Progress) -> Array:
    """Until that array is at rest; what it is like then."""
    while True:
        array = next((one for one in look().arrays if one.name == name), None)
        if array is None:
            raise RaidError(f"array {name} has stopped while it was checked")
        if not array.is_busy:
            progress.end()
            return array
        progress.show(array)
        time.sleep(_EVERY_SECONDS)
