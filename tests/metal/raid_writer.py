"""Runs in a guest: writes files that say what they hold, one after the other and each to the disk; and reads them.

`write` goes on until somebody puts `stop` there, `check` says how many are as they were written. Standard library only.
"""

import hashlib
import os
import sys
import time
from pathlib import Path

_FOLDER = Path("/srv/written")
_MOST = 300
_BYTES = 1 << 16
_EVERY_SECONDS = 0.05
"""Emulated, it would otherwise take most of the only processor from what is tested."""


def content_of(number: int) -> bytes:
    """That file's content, like no other's."""
    return hashlib.shake_256(str(number).encode()).digest(_BYTES)


def write() -> int:
    """How many were written; an error of the disk's ends it."""
    _FOLDER.mkdir(exist_ok=True)
    number = int((_FOLDER / "last").read_text()) if (_FOLDER / "last").exists() else 0
    while not (_FOLDER / "stop").exists():
        number += 1
        _put(_FOLDER / str(number % _MOST), content_of(number))
        _put(_FOLDER / "last", str(number).encode())
        time.sleep(_EVERY_SECONDS)
    return number


def check() -> int:
    """How many of the last are as they should be; ends with an error when one is not."""
    last = int((_FOLDER / "last").read_text())
    numbers = range(max(1, last - _MOST + 2), last + 1)
    for number in numbers:
        assert (_FOLDER / str(number % _MOST)).read_bytes() == content_of(number), (
            f"file {number} of {last} is not as written"
        )
    return len(numbers)


def _put(path: Path, content: bytes) -> None:
    half = path.with_suffix(".half")
    with half.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


if __name__ == "__main__":
    print({"write": write, "check": check}[sys.argv[1]](), flush=True)
