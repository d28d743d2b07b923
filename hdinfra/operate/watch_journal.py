"""What a watcher saw, decided and did: appended, one JSON object a line, on the disk before anything is done."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any

from hdinfra.model.healing.memory import Memory
from hdinfra.operate.errors import HealError
from hdinfra.operate.workspace import write_atomically

_AGES = re.compile(r"\d+")


@dataclass(slots=True)
class Journal:
    """One folder a stack: `<stack>.jsonl`, the memory that outlives the process, and who watches now."""

    folder: Path
    stack: str
    clock: Callable[[], float] = time.time
    say: Callable[[str], None] | None = None
    """Who else wants every line."""
    _last: str = ""

    @property
    def path(self) -> Path:
        """The log."""
        return self.folder / f"{self.stack}.jsonl"

    def write(self, kind: str, **what: Any) -> dict[str, Any]:
        """One entry, and nothing returns before it is on the disk."""
        entry = {"at": _utc(self.clock()), "kind": kind, **what}
        self.folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            line = json.dumps(entry) + "\n"
            # What a killed process wrote half must not take this line along.
            os.write(handle, (line if _ends_well(handle) else f"\n{line}").encode())
            os.fsync(handle)
        finally:
            os.close(handle)
        self._last = _gist(kind, what)
        if self.say:
            self.say(line.rstrip("\n"))
        return entry

    def write_once(self, kind: str, **what: Any) -> None:
        """The same, unless it only says again what the last one said, ages aside."""
        if _gist(kind, what) != self._last:
            self.write(kind, **what)

    def entries(self) -> Iterator[Mapping[str, Any]]:
        """All that is whole, oldest first."""
        try:
            lines = self.path.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def remember(self, memory: Memory) -> None:
        """For the next process."""
        write_atomically(self._memory, json.dumps(memory.as_json()))

    def memory(self) -> Memory:
        """The last process's; a new one where there is none that can be read."""
        try:
            return Memory.of(json.loads(self._memory.read_text()))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return Memory()

    def ask_to_forgive(self, cluster: str) -> None:
        """Of whoever watches, now or next."""
        self._wishes.mkdir(parents=True, exist_ok=True)
        (self._wishes / cluster).touch()

    def to_forgive(self) -> tuple[str, ...]:
        """What was asked so since the last time."""
        if not self._wishes.is_dir():
            return ()
        asked = sorted(self._wishes.iterdir())
        for wish in asked:
            wish.unlink(missing_ok=True)
        return tuple(wish.name for wish in asked)

    @contextmanager
    def lease(self) -> Iterator[None]:
        """HealError while another watcher of this folder lives; the kernel ends it with the process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{self.stack}.lease").open("a+") as file:
            try:
                flock(file, LOCK_EX | LOCK_NB)
            except OSError:
                file.seek(0)
                holder = file.read().strip() or "another process"
                raise HealError(
                    f"Stack `{self.stack}` is watched already by {holder}.", running="that watcher"
                ) from None
            file.truncate(0)
            file.write(f"process {os.getpid()} since {_utc(self.clock())}\n")
            file.flush()
            yield

    @property
    def _wishes(self) -> Path:
        return self.folder / f"{self.stack}.forgive"

    @property
    def _memory(self) -> Path:
        return self.folder / f"{self.stack}.memory.json"


def _ends_well(handle: int) -> bool:
    size = os.fstat(handle).st_size
    return size == 0 or os.pread(handle, 1, size - 1) == b"\n"


def _gist(kind: str, what: Mapping[str, Any]) -> str:
    return kind + _AGES.sub("#", json.dumps({key: what[key] for key in ("code", "cluster", "reason") if key in what}))


def _utc(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03d}Z"
