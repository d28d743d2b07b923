"""Which disk a line of an inventory means, whatever it is called there: one disk has many names."""

import re

from hdinfra.model.hardware.spec import DiskSpec

_BY_ID = "/dev/disk/by-id/"
_WORLD_WIDE = re.compile(r"^(?:wwn-0x|wwn-eui\.|wwn-naa\.|nvme-eui\.|scsi-3)([0-9a-fA-F]{16,32})$")
"""Names made of a World Wide Name alone (T10's NAA, IEEE's EUI-64), as udev and scsi_id write it."""
_NUMBERED = re.compile(r"^nvme-(?:uuid|nvme)\.")
"""Names of NVMe namespaces that hold no serial in plain text."""
_NAMESPACE = re.compile(r"_\d{1,2}$")


def serial_of(disk: DiskSpec) -> str | None:
    """The disk's serial: as written, else as its path has it; None where the path has none."""
    return disk.serial or serial_in_path(disk.path or "")


def serial_in_path(path: str) -> str | None:
    """The serial at the end of udev's name, `ata-MODEL_SERIAL`, `nvme-MODEL_SERIAL_1` and the like."""
    name = _name(path)
    kind, _, rest = name.partition("-")
    if not rest or kind == "wwn" or _WORLD_WIDE.match(name) or _NUMBERED.match(name):
        return None
    if kind == "nvme" and "_" in _NAMESPACE.sub("", rest):
        rest = _NAMESPACE.sub("", rest)
    return rest.rpartition("_")[2] or None


def identities(disk: DiskSpec) -> frozenset[str]:
    """All that tells the disk from others; two lines that share one of them mean one disk."""
    found = {f"serial {serial.upper()}" for serial in (disk.serial, serial_in_path(disk.path or "")) if serial}
    if wide := _WORLD_WIDE.match(_name(disk.path or "")):
        found.add(f"world wide name {wide[1].lower()}")
    return frozenset(found)


def called(disk: DiskSpec) -> str:
    """As the user wrote it."""
    return disk.serial or disk.path or "a disk without a name"


def _name(path: str) -> str:
    return path.removeprefix(_BY_ID)
