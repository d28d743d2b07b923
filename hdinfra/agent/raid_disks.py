"""Disks as the kernel and udev show them: whose they are, what is on them, and who holds them. Nothing is started."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_NO_DISKS = re.compile(r"(md|dm-|loop|ram|zram|sr|fd|nbd)[0-9]*")
_SECTOR = 512
"""What sysfs counts in, whatever the disk's own sectors are (Documentation/ABI/stable/sysfs-block)."""


@dataclass(frozen=True, slots=True)
class Partition:
    """`start` and `sectors` in units of 512 bytes; `users` are whose it is at the moment: arrays, mappings, folders.
    `kind` is the type's GUID and `holds` the kind of content, as far as udev tells."""

    name: str
    number: int
    label: str
    start: int
    sectors: int
    users: tuple[str, ...] = ()
    kind: str = ""
    holds: str = ""

    @property
    def device(self) -> str:
        """Its file."""
        return f"/dev/{self.name}"

    @property
    def end(self) -> int:
        """The first sector behind it."""
        return self.start + self.sectors


@dataclass(frozen=True, slots=True)
class Disk:
    """`serials` are all names that it gives itself, the one for people first; `sector` in bytes. `loose` are those
    that can be pulled out like a stick: no disk of a server."""

    name: str
    serials: tuple[str, ...]
    size: int
    sector: int
    partitions: tuple[Partition, ...] = ()
    users: tuple[str, ...] = ()
    loose: bool = False
    read_only: bool = False

    @property
    def device(self) -> str:
        """Its file."""
        return f"/dev/{self.name}"

    @property
    def serial(self) -> str:
        """Empty where it has none."""
        return self.serials[0] if self.serials else ""

    @property
    def mebibytes(self) -> int:
        """Its size."""
        return self.size >> 20

    def labelled(self, label: str) -> Partition | None:
        """Its partition of that label."""
        return next((one for one in self.partitions if one.label == label), None)


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder, the kernel's number of what is mounted there, and whether that is still there."""

    folder: str
    number: str
    name: str

    @property
    def is_dead(self) -> bool:
        """Its disk is gone."""
        return not self.name


def disks(root: Path = Path("/")) -> tuple[Disk, ...]:
    """Every whole disk, by name."""
    folder = root / "sys/block"
    names = sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []
    users = _users(root)
    found = (_disk(root, folder / name, users) for name in names if not _NO_DISKS.fullmatch(name))
    return tuple(disk for disk in found if disk.size)


def mounts(root: Path = Path("/")) -> Iterator[Mount]:
    """Block devices that are mounted here."""
    for line in _text(root / "proc/self/mountinfo").splitlines():
        number, folder = line.split()[2], line.split()[4]
        if not number.startswith("0:"):
            yield Mount(folder, number, device_of(root, number))


def device_of(root: Path, number: str) -> str:
    """A device's name by its number, empty when it is no more."""
    for line in _text(root / f"sys/dev/block/{number}/uevent").splitlines():
        if line.startswith("DEVNAME="):
            return line.partition("=")[2]
    return ""


def udev(root: Path, number: str) -> Mapping[str, str]:
    """What udev knows of a block device."""
    lines = _text(root / f"run/udev/data/b{number}").splitlines()
    return dict(line[2:].split("=", 1) for line in lines if line.startswith("E:") and "=" in line)


def _disk(root: Path, folder: Path, users: Mapping[str, tuple[str, ...]]) -> Disk:
    folders = sorted(entry for entry in folder.iterdir() if (entry / "partition").exists())
    return Disk(
        name=folder.name,
        serials=_serials(root, folder),
        size=_number(folder / "size") * _SECTOR,
        sector=_number(folder / "queue/logical_block_size") or _SECTOR,
        partitions=tuple(sorted((_partition(root, each, users) for each in folders), key=lambda each: each.number)),
        users=_own_users(folder, users),
        loose=_number(folder / "removable") == 1 or "/usb" in str(folder.resolve()),
        read_only=_number(folder / "ro") == 1,
    )


def _partition(root: Path, folder: Path, users: Mapping[str, tuple[str, ...]]) -> Partition:
    told = dict(line.split("=", 1) for line in _text(folder / "uevent").splitlines() if "=" in line)
    known = udev(root, _text(folder / "dev").strip())
    return Partition(
        name=folder.name,
        number=_number(folder / "partition"),
        label=told.get("PARTNAME", ""),
        start=_number(folder / "start"),
        sectors=_number(folder / "size"),
        users=_own_users(folder, users),
        kind=known.get("ID_PART_ENTRY_TYPE", ""),
        holds=known.get("ID_FS_TYPE", ""),
    )


def _serials(root: Path, folder: Path) -> tuple[str, ...]:
    """As udev has them; before udev has seen it, as the disk's own driver has it."""
    known = udev(root, _text(folder / "dev").strip())
    told = [known.get("ID_SERIAL_SHORT", ""), known.get("ID_SERIAL", "")]
    own = (_text(folder / "serial"), _text(folder / "device/serial"), _vital(folder / "device/vpd_pg80"))
    told += ["_".join(text.split()) for text in own]
    return tuple(dict.fromkeys(text for text in told if text))


def _vital(path: Path) -> str:
    """SCSI's page of the serial number: four bytes, then text (SPC-5, 7.7.16)."""
    try:
        return path.read_bytes()[4:].decode("ascii", "ignore").strip("\0 ")
    except OSError:
        return ""


def _own_users(folder: Path, users: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    holders = folder / "holders"
    held = sorted(entry.name for entry in holders.iterdir()) if holders.exists() else []
    return (*held, *users.get(_text(folder / "dev").strip(), ()))


def _users(root: Path) -> Mapping[str, tuple[str, ...]]:
    """By a device's number where it is mounted; swap too."""
    found: dict[str, tuple[str, ...]] = {}
    for mount in mounts(root):
        found[mount.number] = (*found.get(mount.number, ()), mount.folder)
    for line in _text(root / "proc/swaps").splitlines()[1:]:
        number = _text(root / "sys/class/block" / line.split()[0].rpartition("/")[2] / "dev").strip()
        found[number] = (*found.get(number, ()), "swap")
    return found


def _number(path: Path) -> int:
    text = _text(path).strip()
    return int(text) if text.isdigit() else 0


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
