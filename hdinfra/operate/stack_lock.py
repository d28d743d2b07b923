"""Who holds the engine's lock on a stack: by its files where the state lies in a folder, else by the engine's words."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hdinfra.operate.workspace import Workspace

_SAYS_LOCKED = (
    "the stack is currently locked by",  # a state in a folder or a bucket
    "[409] Conflict: Another update is currently in progress",  # Pulumi Cloud (pulumi/pulumi, issue 2073)
)
_SAID = 500


@dataclass(frozen=True, slots=True)
class StackLock:
    """One lock: who holds it, and the file it is."""

    pid: int
    user: str
    host: str
    path: Path

    @property
    def holder(self) -> str:
        """For people; what cannot be looked at from here says where its lock lies."""
        told = f"process {self.pid} of {self.user}@{self.host}"
        return told if self.is_of_this_computer else f"{told} (lock {self.path})"

    @property
    def is_of_this_computer(self) -> bool:
        """Whether its process can be looked at."""
        return self.host == os.uname().nodename

    @property
    def is_alive(self) -> bool:
        """Whether its process runs; another computer's counts as running, for nobody may take its lock away."""
        if not self.is_of_this_computer:
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return not _has_ended(self.pid)


def locks_of(workspace: Workspace) -> Iterator[StackLock]:
    """Every lock of a state in a folder; elsewhere nothing can be looked at."""
    if not workspace.backend.startswith("file://"):
        return
    folder = Path(workspace.backend.removeprefix("file://")) / ".pulumi" / "locks" / "organization"
    for path in (folder / workspace.project / workspace.stack).glob("*.json"):
        try:
            told: Mapping[str, Any] = json.loads(path.read_text())
            yield StackLock(int(told.get("pid") or 0), str(told.get("username")), str(told.get("hostname")), path)
        except (FileNotFoundError, ValueError):
            continue  # being written or removed at this moment; the engine itself looks again


def said_locked(log: str) -> str:
    """The engine's own words, where its log says that it did nothing because the stack is locked; else empty."""
    lines = log.splitlines()
    first = next((index for index, line in enumerate(lines) if any(words in line for words in _SAYS_LOCKED)), None)
    if first is None:
        return ""
    return " ".join(line.strip() for line in lines[first:] if line.strip())[:_SAID]


def cancelling(stack: str) -> str:
    """What to type to take a lock away whose holder is dead."""
    return f'`eval "$(hdinfra env --stack {stack})"`, then `pulumi cancel --yes --stack {stack}`'


def _has_ended(pid: int) -> bool:
    """Whether it only waits for somebody to take its exit code, which in a container without an init nobody does."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False  # not Linux
    return told.rpartition(")")[2].split()[0] == "Z"  # proc_pid_stat(5): the name before may hold anything
