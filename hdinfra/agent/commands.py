"""Other programs, run with a limit; their own words are kept for whoever must mend it."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


class ApplyError(Exception):
    """A policy that did not come into force; the text holds the checker's own words."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a program ended and what it said."""

    code: int
    words: str


Run = Callable[[Sequence[str]], Result]


def run(argv: Sequence[str], seconds: float = 60) -> Result:
    """Run a program for so long at most."""
    try:
        # Argument lists of our own, never a shell.
        done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        return Result(127, str(error))
    return Result(done.returncode, (done.stderr + done.stdout).strip())


def must(run: Run, *argv: str) -> None:
    """Run a program that has to end well."""
    result = run(argv)
    if result.code:
        raise ApplyError(f"{' '.join(argv)} ended with {result.code}:\n{result.words}")


def wait(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll until the condition holds; False when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)
    return True


def children(pid: int) -> frozenset[int]:
    """Process ids of a process's children that are not on their way out."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _parent(entry) == pid and b"shutting down" not in _title(entry):
            found.add(int(entry.name))
    return frozenset(found)


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def _title(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


def pid_in(path: Path) -> int:
    """The process id that a pid file names, 0 when there is none alive."""
    try:
        pid = int(path.read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return 0
    return pid
