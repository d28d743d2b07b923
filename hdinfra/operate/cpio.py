"""An archive as the kernel unpacks it for its first process (Linux, Documentation/driver-api/early-userspace/
buffer-format.rst): the same bytes for the same files."""

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

_DIRECTORY, _FILE = 0o040755, 0o100000
_END = "TRAILER!!!"


def cpio(files: Mapping[str, tuple[bytes, int]]) -> bytes:
    """These files, by path without a leading slash, with their modes; all folders above them come along, 0755."""
    entries = [(folder, b"", _DIRECTORY) for folder in _folders(files)]
    entries += [(path, content, _FILE | mode) for path, (content, mode) in sorted(files.items())]
    parts = [_entry(number, *entry) for number, entry in enumerate(entries, 1)]
    return b"".join((*parts, _entry(0, _END, b"", 0)))


def _folders(paths: Iterable[str]) -> list[str]:
    return sorted({str(folder) for path in paths for folder in PurePosixPath(path).parents} - {"."})


def _entry(number: int, path: str, content: bytes, mode: int) -> bytes:
    name = path.encode() + b"\0"
    links = 1
    # number, mode, owner, group, links, date, size, four of devices, length of the name, checksum (none)
    fields = (number, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields)
    return _padded(head + name) + _padded(content)


def _padded(part: bytes) -> bytes:
    return part + b"\0" * (-len(part) % 4)
