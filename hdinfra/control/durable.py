"""Files that are whole or not there."""

import os
from pathlib import Path


def write_whole(target: Path, content: str, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
    """Replace a file at once, on the disk when this returns. `owner`: user and group by number, else whoever writes."""
    half = target.with_name(f".{target.name}.half")
    half.unlink(missing_ok=True)
    # Never through a link: the folder may belong to somebody with less power than we have.
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "w") as file:
        if owner is not None:
            os.fchown(file.fileno(), *owner)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    half.rename(target)
    _sync(target.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
