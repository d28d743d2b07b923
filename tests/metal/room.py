"""The computer, shared by the guests of several processes: a test that measures has it for itself."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def room(folder: Path, *, alone: bool) -> Iterator[None]:
    """Beside others, or when no other is in; who wants to be alone waits at a door that is shut behind it, so that
    none comes in meanwhile. The locks lie in the folder, and the kernel opens them when we die."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "room.lock").open("w") as inside:
        with (folder / "door.lock").open("w") as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            fcntl.flock(inside, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
