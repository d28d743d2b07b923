"""What a watcher saw, decided and did: appended, one JSON object a line, on the disk before anything is done."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hdinfra.model.healing.memory import Memory
from hdinfra.operate.errors import HealError
from hdinfra.operate.lease import leased, utc
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
        entry = {"at": utc(self.clock()), "kind": kind, **what}
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

    def remember_whom(self, zone: str, healing: Mapping[str, Any]) -> None:
        """Who is to be called, and by which rules, when a later process cannot read it from the stack."""
        write_atomically(self._whom, json.dumps({"zone": zone, "healing": dict(healing)}), mode=0o600)

    def whom(self) -> tuple[str, Mapping[str, Any]]:
        """The Zone and its section `healing` as they were known last; nothing of both where that cannot be read."""
        try:
            told = json.loads(self._whom.read_text())
            return str(told["zone"]), dict(told["healing"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return "", {}

    @property
    def spool(self) -> Path:
        """Where alarms wait for whoever takes them."""
        return self.folder / f"{self.stack}.hooks.json"

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
        with leased(self.folder / f"{self.stack}.lease", self.clock) as holder:
            if holder:
                raise HealError(f"Stack `{self.stack}` is watched already by {holder}.", running="that watcher")
            yield

    @property
    def _whom(self) -> Path:
        return self.folder / f"{self.stack}.whom.json"

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
