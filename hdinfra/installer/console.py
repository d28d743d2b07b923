"""How the installer speaks: each line into the kernel's log, which is on all of the server's consoles."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

KMSG = Path("/dev/kmsg")
_PREFIX = "<4>hdinfra-install: "  # a warning, so that no ordinary `loglevel` hides it


class RefusedError(Exception):
    """The server is not as ordered. Nothing has been written to any disk."""


class FailedError(Exception):
    """A step ended badly; the disks are half made, and the next start begins again."""


def say(text: str) -> None:
    """One line or several, at once on every console."""
    with KMSG.open("w") as log:
        for line in text.splitlines():
            log.write(f"{_PREFIX}{line:.900}\n")
            log.flush()


def run(*argv: str, given: str | None = None) -> str:
    """What the program says on its standard output. FailedError with its last words when it ends badly."""
    done = ended(*argv, given=given)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise FailedError(f"`{' '.join(argv)}` ended with {done.returncode}: {last}")
    return done.stdout


def ended(*argv: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """However it ended."""
    return subprocess.run(argv, input=given, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603


def defect(error: BaseException) -> None:
    """A defect of ours: its traceback, where people can see it."""
    say(f"defect: {error!r}")
    sys.excepthook(type(error), error, error.__traceback__)


def every(lines: Sequence[str]) -> str:
    """Several reasons as lines."""
    return "\n".join(f"  - {line}" for line in lines)
