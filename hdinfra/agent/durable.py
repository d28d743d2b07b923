"""Files that are whole or not there, even if power fails or the disk is full."""

import os
from pathlib import Path


def write_whole(target: Path, content: bytes, mode: int) -> None:
    """Replace a file at once; on OSError the old one stays and the half of the new one is gone."""
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f".{target.name[:200]}.half")
    try:
        _write(half, content, mode)
        half.rename(target)
    except OSError:
        half.unlink(missing_ok=True)  # what fills the disk must not be our own leftovers
        raise
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the folder's own entries are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(half: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
