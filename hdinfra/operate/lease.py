"""One process at a time does something in a folder; the kernel lets go of it with the process, however that ends."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path


@contextmanager
def leased(path: Path, clock: Callable[[], float] = time.time) -> Iterator[str]:
    """Gives empty text, and holds it until the end; or who else of this computer holds it, for people."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except OSError:
            file.seek(0)
            yield file.read().strip() or "another process"
            return
        file.truncate(0)
        file.write(f"process {os.getpid()} since {utc(clock())}\n")
        file.flush()
        yield ""


def utc(at: float) -> str:
    """Seconds since 1970 as RFC 3339 has them."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03d}Z"
