"""The user's cache folder: results named by what they were made of, whole or absent, made by one process at a time."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def cache_folder(environment: Mapping[str, str]) -> Path:
    """`$XDG_CACHE_HOME/hdinfra`, or `~/.cache/hdinfra` (XDG base directory specification 0.8)."""
    base = environment.get("XDG_CACHE_HOME", "")
    # The specification says that a relative path there is to be ignored.
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "hdinfra"


def digest(*parts: bytes) -> str:
    """A short name for these contents; lengths keep ("ab", "c") and ("a", "bc") apart."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()[:16]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold `path` against every other process of this user; the kernel lets go when we die."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def kept(folder: Path, make: Callable[[Path], None]) -> Path:
    """`folder`, filled by `make` where it does not exist yet; a failed or killed `make` leaves nothing there."""
    with locked(folder.with_name(f"{folder.name}.lock")):
        if folder.is_dir():
            return folder
        for left in folder.parent.glob(f".{folder.name}.*"):
            remove(left)
        unfinished = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            make(unfinished)
            unfinished.rename(folder)
        finally:
            remove(unfinished)
    return folder


def remove(folder: Path) -> None:
    """Delete it, also where Go has made its module cache read-only."""
    for parent, _, _ in os.walk(folder):
        Path(parent).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def place(source: Path, target: Path) -> None:
    """Put `source` at `target` as a hard link, or as a copy over a border of file systems; atomic.

    Never a symbolic link: the engine resolves its own path and then looks for its language hosts at the other end.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    try:
        unfinished.hardlink_to(source.resolve())
    except OSError:
        shutil.copy2(source, unfinished)
    unfinished.replace(target)
