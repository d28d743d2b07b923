"""A boot partition's files: what they are, whether they are whole, and how one becomes as another.

The order of writing lets power fail anywhere: a mark comes first and goes last, each on the disk before the next step,
so a copy that was cut off is known for one, and is never copied from.
"""

import hashlib
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from .durable import sync_folder

LOADER = "EFI/BOOT/BOOTX64.EFI"
"""What firmware starts from a disk it knows nothing of (UEFI 2.10, 3.5.1.1)."""
ORDER = "EFI/hdinfra/order"
"""Which order our installer made this server from, by which it knows that it has (hdinfra/installer/disks.py)."""
MARK = "hdinfra.writing"
_HALF = ".half"
_DIRECTORY_AT, _SECTION_BYTES = 0x3C, 40


class Holds(StrEnum):
    """What a boot partition is worth."""

    GOOD = "good"
    TORN = "cut off while it was written"
    EMPTY = "without a boot loader"
    NOTHING = "unreadable"


@dataclass(frozen=True, slots=True)
class Boot:
    """One look at a boot partition; `digest` of all its files, empty unless it is good."""

    holds: Holds
    digest: str = ""


def look(folder: Path) -> Boot:
    """What is in it."""
    try:
        if (folder / MARK).exists():
            return Boot(Holds.TORN)
        if not is_program((folder / LOADER).read_bytes()):
            return Boot(Holds.EMPTY)
        return Boot(Holds.GOOD, digest(folder))
    except FileNotFoundError:
        return Boot(Holds.EMPTY)
    except OSError:
        return Boot(Holds.NOTHING)


def digest(folder: Path) -> str:
    """Of every file's path and content; FAT knows no more of them that counts."""
    total = hashlib.sha256()
    for name in _files(folder):
        content = (folder / name).read_bytes()
        total.update(f"{name}\0{len(content)}\0".encode() + content)
    return total.hexdigest()


def is_program(content: bytes) -> bool:
    """Whether it is a program of firmware that is there to its last section (PE format of Microsoft, 2024)."""
    try:
        (header,) = struct.unpack_from("<I", content, _DIRECTORY_AT)
        if content[:2] != b"MZ" or content[header : header + 4] != b"PE\0\0":
            return False
        sections, optional = struct.unpack_from("<H12xH", content, header + 6)
        first = header + 24 + optional
        ends = (sum(struct.unpack_from("<II", content, first + _SECTION_BYTES * at + 16)) for at in range(sections))
        return bool(sections) and max(ends) <= len(content)
    except struct.error:
        return False


def write_under_mark(folder: Path, write: Callable[[], None]) -> None:
    """Do it with the mark there. Raises what `write` raises, and then the mark stays."""
    mark = folder / MARK
    mark.touch()
    _sync(mark)
    sync_folder(folder)
    write()
    sync_tree(folder)
    mark.unlink()
    sync_folder(folder)


def copy(source: Path, target: Path) -> bool:
    """Make the target as the source is, which has to be good; whether anything had to be written."""
    if look(source).digest == look(target).digest != "":
        return False
    write_under_mark(target, lambda: _copy(source, target))
    return True


def sync_tree(folder: Path) -> None:
    """Wait until all of it is on the disk."""
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            sync_folder(path)
        else:
            _sync(path)


def _copy(source: Path, target: Path) -> None:
    wanted = tuple(_files(source))
    for name in sorted(set(_files(target)) - set(wanted)):
        (target / name).unlink()
    for name in wanted:
        content = (source / name).read_bytes()
        place = target / name
        if not place.exists() or place.read_bytes() != content:
            place.parent.mkdir(parents=True, exist_ok=True)
            half = place.with_name(place.name + _HALF)
            half.write_bytes(content)
            _sync(half)
            half.replace(place)
            sync_folder(place.parent)


def _files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MARK:
            yield path.relative_to(folder).as_posix()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
