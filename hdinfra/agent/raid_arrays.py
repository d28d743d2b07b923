"""Arrays as the kernel shows them under /sys, and all that is seen of a server's disks at one moment."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .raid_disks import Disk, Mount, Partition, disks, mounts
from .raid_server import ARRAYS, ESP, Server

_SECTORS_A_KIBIBYTE = 2


@dataclass(frozen=True, slots=True)
class Member:
    """One half of a mirror. `there`: its device still is; the kernel notes a lost one only when it writes next."""

    name: str
    states: frozenset[str]
    there: bool = True

    @property
    def is_good(self) -> bool:
        """Whether it holds all that the array holds."""
        return self.there and "in_sync" in self.states and "faulty" not in self.states

    @property
    def is_lost(self) -> bool:
        """Whether the array should forget it."""
        return not self.there or "faulty" in self.states

    @property
    def is_spare(self) -> bool:
        """Waiting, or being written."""
        return not self.is_lost and not self.is_good


@dataclass(frozen=True, slots=True)
class Array:
    """`done` of `total` in KiB and `speed` in KiB a second, while `action` is none of idle and frozen. `asleep`: nobody
    has written to it since it was assembled, and until then the kernel copies nothing (md(4), "auto-read-only").
    `taken`: how much of each member it takes, in sectors of 512 bytes; 0 where the kernel does not say."""

    name: str
    device: str
    wanted: int
    members: tuple[Member, ...]
    action: str = "idle"
    done: int = 0
    total: int = 0
    speed: int = 0
    mismatches: int = 0
    asleep: bool = False
    taken: int = 0

    @property
    def good(self) -> tuple[Member, ...]:
        """Members that hold everything."""
        return tuple(member for member in self.members if member.is_good)

    @property
    def is_whole(self) -> bool:
        """Whether as many hold everything as should."""
        return len(self.good) >= self.wanted

    @property
    def is_busy(self) -> bool:
        """Whether its disks are compared or written at the moment."""
        return self.action not in ("idle", "frozen")

    @property
    def waits(self) -> bool:
        """Whether a disk would be written in it, if only somebody woke it."""
        return self.asleep and not self.is_whole and any(member.is_spare for member in self.members)

    @property
    def marks(self) -> str:
        """As in /proc/mdstat, but truthful about what is gone: `[U_]`."""
        return f"[{'U' * len(self.good):_<{self.wanted}}]"

    @property
    def percent(self) -> float | None:
        """How far it is, None where there is nothing to do."""
        return 100 * self.done / self.total if self.is_busy and self.total else None

    def member(self, partition: str) -> Member | None:
        """That partition's place in it."""
        return next((one for one in self.members if one.name == partition), None)


@dataclass(frozen=True, slots=True)
class Seen:
    """One look. `arrays` are the server's own; `others` whatever else is assembled, by device."""

    server: Server
    disks: tuple[Disk, ...]
    arrays: tuple[Array, ...]
    others: tuple[Array, ...] = ()
    esp_mount: Mount | None = None

    def called(self, name: str) -> tuple[Disk, ...]:
        """Disks of that serial number or device: one, none, or two paths to the same."""
        wanted = name.removeprefix("/dev/")
        return tuple(disk for disk in self.disks if wanted in (disk.name, *disk.serials))

    def own(self) -> tuple[Disk, ...]:
        """Disks that belong here and are here."""
        return tuple(disk for disk in self.disks if self.belongs(disk))

    def belongs(self, disk: Disk) -> bool:
        """Whether the server's file names it."""
        return not set(self.server.serials).isdisjoint(disk.serials)

    def missing(self) -> tuple[str, ...]:
        """Serial numbers of disks that belong here and are not here."""
        here = {serial for disk in self.disks for serial in disk.serials}
        return tuple(serial for serial in self.server.serials if serial not in here)

    def memberships(self, disk: Disk) -> Iterator[tuple[Array, Member]]:
        """Where that disk has a place, good or not."""
        for array in self.arrays:
            partition = disk.labelled(array.name)
            member = array.member(partition.name) if partition else None
            if member:
                yield array, member

    def is_good(self, disk: Disk) -> bool:
        """Whether it holds everything of every array."""
        return sum(member.is_good for _, member in self.memberships(disk)) == len(ARRAYS)

    def of_partition(self, name: str) -> Disk | None:
        """The disk that a partition is on."""
        return next((disk for disk in self.disks if any(part.name == name for part in disk.partitions)), None)

    def esp(self, disk: Disk) -> Partition | None:
        """The partition that its firmware starts from."""
        return disk.labelled(ESP)


def look(server: Server, root: Path = Path("/"), esp_mount: str = "/boot/efi") -> Seen:
    """See what there is; some thirty small files are read."""
    found = disks(root)
    labels = {part.name: part.label for disk in found for part in disk.partitions}
    own = {part.name for disk in found for part in disk.partitions if set(disk.serials) & set(server.serials)}
    arrays = [_array(root, folder, labels) for folder in sorted((root / "sys/block").glob("md*/md"))]
    ours = {array.device for array in arrays if _is_ours(array, own)}
    return Seen(
        server=server,
        disks=found,
        arrays=tuple(array for name in ARRAYS for array in arrays if array.name == name and array.device in ours),
        others=tuple(array for array in arrays if array.device not in ours),
        esp_mount=next((mount for mount in mounts(root) if mount.folder == esp_mount), None),
    )


def _is_ours(array: Array, own: set[str]) -> bool:
    """Another server's disk that is put in brings arrays of the same names with it."""
    return array.name in ARRAYS and any(member.name in own for member in array.members)


def _array(root: Path, folder: Path, labels: dict[str, str]) -> Array:
    members = tuple(_member(root, entry) for entry in sorted(folder.glob("dev-*")))
    done, _, total = _text(folder / "sync_completed").partition(" / ")
    return Array(
        name=next((labels[one.name] for one in members if labels.get(one.name)), ""),
        device=folder.parent.name,
        wanted=_number(_text(folder / "raid_disks").split(" ")[0]),
        members=members,
        action=_text(folder / "sync_action") or "idle",
        done=_number(done) // _SECTORS_A_KIBIBYTE,
        total=_number(total) // _SECTORS_A_KIBIBYTE,
        speed=_number(_text(folder / "sync_speed")),
        mismatches=_number(_text(folder / "mismatch_cnt")),
        asleep=_text(folder / "array_state") == "read-auto",
        taken=_taken(folder),
    )


def _taken(folder: Path) -> int:
    """What lies before the data, and the data (md.rst of the kernel: `offset` in sectors, the other in KiB)."""
    size = _number(_text(folder / "component_size")) * _SECTORS_A_KIBIBYTE
    offsets = [_number(_text(entry / "offset")) for entry in folder.glob("dev-*")]
    return max(offsets, default=0) + size if size else 0


def _member(root: Path, folder: Path) -> Member:
    name = folder.name.removeprefix("dev-")
    there = (root / "sys/class/block" / name).exists() and (folder / "block").exists()
    return Member(name, frozenset(_text(folder / "state").split(",")) - {""}, there)


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
