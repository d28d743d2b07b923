"""A server whose disks are made of nothing: it sees, cuts, wipes and adds as a real one does, and cries out when the
only copy of something is touched. Power can be cut before each deed."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hdinfra.agent import raid_boot
from hdinfra.agent.commands import Result
from hdinfra.agent.raid_arrays import Array, Member, Seen
from hdinfra.agent.raid_boot import LOADER, Holds
from hdinfra.agent.raid_disks import Disk, Mount, Partition
from hdinfra.agent.raid_esps import Esps
from hdinfra.agent.raid_replace import Place
from hdinfra.agent.raid_server import ARRAYS, LABELS, read_server

SECTORS = {"esp": (2048, 81_920), "boot": (83_968, 65_536), "swap": (149_504, 65_536), "root": (215_040, 262_144)}
SIZE = 256 << 20
LOADER_BYTES = b"MZ" + bytes(58) + b"\x40\0\0\0" + b"PE\0\0" + b"\x64\x86\x01\0" + bytes(12) + bytes(4)
"""A program of firmware with one section that is empty."""
LOADER_BYTES += bytes(40)


class PowerCut(BaseException):
    """It is dark."""


class Touched(AssertionError):
    """What must never be touched was."""


@dataclass
class SimDisk:
    """`copies` says by array which of its states lies there; `label` says what else is on it."""

    serial: str
    name: str
    size: int = SIZE
    present: bool = True
    cut: bool = False
    foreign: str = ""
    copies: dict[str, int] = field(default_factory=dict)
    spare: set[str] = field(default_factory=set)
    """Arrays in whose name a superblock lies there that says `spare`: mdadm writes it before the kernel is asked."""

    def partition(self, label: str) -> str:
        """Its partition of that label."""
        return f"{self.name}{LABELS.index(label) + 1}"


@dataclass
class SimArray:
    """`state` is the newest; each good member has it. Members by serial, with mdadm's word for each. `asleep` until
    the first write after it was assembled, as Debian has it (start_ro): nothing is copied."""

    name: str
    state: int = 1
    action: str = "idle"
    members: dict[str, str] = field(default_factory=dict)
    ghosts: dict[str, str] = field(default_factory=dict)
    """Members whose disk was pulled, by partition: the kernel holds on to them."""
    asleep: bool = False


class World:
    """A server with two disks at their work."""

    def __init__(self, root: Path, serials: Sequence[str] = ("A", "B")) -> None:
        self.root = root
        self.disks: dict[str, SimDisk] = {}
        self.arrays = {name: SimArray(name) for name in ARRAYS}
        self.mounted = ""
        self.until_cut: int | None = None
        self.forced = False
        self.letters = iter("abcdefghijklmnopqrstuvwxyz" * 40)
        path = root / "etc/hdinfra/server.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"name": "srv1", "disks": [{"serial": one, "mib": 256} for one in serials]}))
        for serial in serials:
            disk = self.plug(serial)
            disk.cut, disk.copies = True, dict.fromkeys(ARRAYS, 1)
            for array in self.arrays.values():
                array.members[serial] = "in_sync"
            self._loader(serial, LOADER_BYTES)
        self.mounted = serials[0]

    # What happens to it.

    def plug(self, serial: str, size: int = SIZE, foreign: str = "") -> SimDisk:
        """Put it in: the one that was there, or a new one."""
        name = f"v{next(self.letters)}{next(self.letters)}"
        disk = self.disks.get(serial) or SimDisk(serial, name, size, foreign=foreign)
        disk.present, disk.name = True, name
        self.disks[serial] = disk
        return disk

    def pull(self, serial: str) -> None:
        """Out of its slot. Arrays that had it notice with the next write; put in again, it is not what they had."""
        disk = self.disks[serial]
        disk.present = False
        for array in self.arrays.values():
            if state := array.members.pop(serial, None):
                array.ghosts[disk.partition(array.name)] = state

    def write(self, *names: str) -> None:
        """Somebody writes to these arrays, or to all: what is gone is noticed, what is good holds the new state."""
        for array in map(self.arrays.__getitem__, names or ARRAYS):
            array.ghosts = dict.fromkeys(array.ghosts, "faulty")
            if self.good(array.name):
                array.state += 1
                for serial in self.good(array.name):
                    self.disks[serial].copies[array.name] = array.state
            self._wake(array)

    def finish(self) -> None:
        """The kernel has copied all that it was copying."""
        for array in self.arrays.values():
            writing = [one for one, state in array.members.items() if state == "spare"]
            if array.action == "recover" and writing and self.good(array.name):
                array.members[writing[0]] = "in_sync"
                self.disks[writing[0]].spare.discard(array.name)
                self.disks[writing[0]].copies[array.name] = array.state
            array.action = "idle"
            self._recover(array)

    def reboot(self) -> None:
        """Arrays are assembled from the newest copies that are in."""
        self.until_cut = None
        for array in self.arrays.values():
            array.members = {one: state for one, state in array.members.items() if state != "faulty"}
            found = (one for one, disk in self.disks.items() if disk.present and array.name in disk.spare)
            array.members = {**dict.fromkeys(found, "spare"), **array.members}
            array.ghosts, array.action, array.asleep = {}, "idle", True
        good = [one for one, disk in self.disks.items() if disk.present and disk.cut]
        self.mounted = good[0] if good else ""

    def good(self, array: str) -> list[str]:
        """Who holds all of it and is in."""
        return [one for one, state in self.arrays[array].members.items() if state == "in_sync"]

    def esp_of(self, serial: str) -> Path:
        """What lies in its boot partition."""
        return self.root / "esps" / serial

    def bootable(self) -> set[str]:
        """Disks that are in, whose boot partition is whole."""
        own = read_server(self.root).serials
        return {
            one
            for one, disk in self.disks.items()
            if disk.present and disk.cut and one in own and raid_boot.look(self.esp_of(one)).holds is Holds.GOOD
        }

    # How hdraid sees and touches it.

    def place(self) -> Place:
        """For the code under test."""
        return Place(self.root, self.run, self.look, self.wipe, Esps(self, self.root, lambda _: None), lambda _: None)

    def look(self) -> Seen:
        """What the kernel would show."""
        server = read_server(self.root)
        disks = tuple(self._disk(one) for one in self.disks.values() if one.present)
        mounted = self.disks.get(self.mounted)
        mount = None
        if mounted:
            mount = Mount("/boot/efi", "254:1", mounted.partition("esp") if mounted.present else "")
        return Seen(server, disks, tuple(self._array(one) for one in self.arrays.values() if one.members), (), mount)

    def run(self, argv: Sequence[str]) -> Result:
        """mdadm, sgdisk and wipefs, as far as they are used."""
        self._flicker()
        match list(argv):
            case ["mdadm", device, "--fail", "detached", "--remove", "detached"]:
                self._at(device).ghosts = {}
            case ["mdadm", device, "--remove", "failed"]:
                array = self._at(device)
                array.ghosts = {one: state for one, state in array.ghosts.items() if state != "faulty"}
                array.members = {one: state for one, state in array.members.items() if state != "faulty"}
            case ["mdadm", "--readwrite", device]:
                self._wake(self._at(device))
            case ["mdadm", "--manage", device, "--fail", partition]:
                self._fail(self._at(device), self._by(partition))
            case ["mdadm", "--manage", device, "--remove", partition]:
                self._at(device).members.pop(self._by(partition), None)
            case ["mdadm", "--manage", device, "--add", partition]:
                return self._add(self._at(device), self._by(partition))
            case ["mdadm", "--examine", "--export", partition]:
                return self._examine(partition)
            case ["sgdisk", *_, device]:
                self._untouchable(self._by(device))
                self.disks[self._by(device)].cut = True
            case ["wipefs", "--no-act", "--json", device]:
                return self._signatures(device)
            case ["udevadm", "settle"]:
                pass
            case _:
                raise AssertionError(f"nobody knows {argv}")
        return Result(0, "")

    def wipe(self, device: str, spans: tuple[tuple[int, int], ...]) -> None:
        """Zeroes: on a partition its array's copy is gone, on a disk all are."""
        self._flicker()
        assert all(0 <= begin <= end <= SIZE * 2 for begin, end in spans)
        serial, disk = self._by(device), self.disks[self._by(device)]
        label = next((label for label in ARRAYS if device.endswith(disk.partition(label))), None)
        self._untouchable(serial, label)
        if disk.foreign and not self.forced:
            raise Touched(f"{disk.foreign} on {serial}")
        disk.foreign = ""
        if label:
            disk.copies.pop(label, None)
            disk.spare.discard(label)
        else:
            disk.cut, disk.copies, disk.spare = False, {}, set()
            shutil.rmtree(self.esp_of(serial), ignore_errors=True)

    @contextmanager
    def open(self, partition: Partition) -> Iterator[Path]:
        """A boot partition's files; none where there is no file system."""
        self._flicker()
        folder = self.esp_of(self._by(partition.device))
        if not folder.exists():
            raise FileNotFoundError(folder)
        yield folder

    see = open

    def format(self, partition: Partition) -> None:
        self._flicker()
        serial = self._by(partition.device)
        if self.bootable() == {serial}:
            raise Touched(f"the only boot loader, on {serial}")
        shutil.rmtree(self.esp_of(serial), ignore_errors=True)
        self.esp_of(serial).mkdir(parents=True)

    def mount(self, partition: Partition) -> bool:
        changed = self.mounted != self._by(partition.device)
        self.mounted = self._by(partition.device)
        return changed

    @contextmanager
    def staged(self) -> Iterator[Path]:
        folder = self.root / "staged"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield folder

    def dim(self) -> None:
        """Called before each deed on a boot partition's files as well."""
        self._flicker()

    def _flicker(self) -> None:
        if self.until_cut is not None:
            self.until_cut -= 1
            if self.until_cut < 0:
                raise PowerCut

    def _loader(self, serial: str, content: bytes) -> None:
        path = self.esp_of(serial) / LOADER
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def _disk(self, disk: SimDisk) -> Disk:
        parts = []
        for number, label in enumerate(LABELS, 1) if disk.cut else ():
            start, sectors = SECTORS[label]
            held = disk.serial in self.arrays[label].members if label in self.arrays else False
            users = (f"md{ARRAYS.index(label)}",) if held else ()
            parts.append(Partition(disk.partition(label), number, label, start, sectors, users))
        return Disk(disk.name, (disk.serial,), disk.size, 512, tuple(parts))

    def _array(self, array: SimArray) -> Array:
        members = (
            *(Member(self.disks[one].partition(array.name), frozenset({it})) for one, it in array.members.items()),
            *(Member(name, frozenset({it}), there=False) for name, it in array.ghosts.items()),
        )
        return Array(array.name, f"md{ARRAYS.index(array.name)}", 2, members, array.action, 1, 2, 0, 0, array.asleep)

    def _at(self, device: str) -> SimArray:
        return self.arrays[ARRAYS[int(device.removeprefix("/dev/md"))]]

    def _by(self, device: str) -> str:
        name = device.removeprefix("/dev/")
        # The newest of that name that is in, else the one that was.
        found = [one for one in self.disks.values() if name == one.name or name[:-1] == one.name]
        assert found, device
        return sorted(found, key=lambda one: one.present)[-1].serial

    def _fail(self, array: SimArray, serial: str) -> None:
        if set(self.good(array.name)) <= {serial}:
            raise Touched(f"the only good member of {array.name} was failed")
        array.members[serial] = "faulty"
        if array.action == "recover":
            array.action = "idle"
        self._recover(array)

    def _add(self, array: SimArray, serial: str) -> Result:
        if serial in array.members:
            return Result(1, "Device or resource busy")
        if array.name in self.disks[serial].copies:
            return Result(1, "reports being an active member, but a --re-add fails")
        self.disks[serial].spare.add(array.name)
        self._flicker()
        array.members[serial] = "spare"
        self._wake(array)
        return Result(0, "")

    def _recover(self, array: SimArray) -> None:
        spare = "spare" in array.members.values()
        if spare and 0 < len(self.good(array.name)) < 2 and not array.asleep:
            array.action = "recover"

    def _wake(self, array: SimArray) -> None:
        array.asleep = False
        self._recover(array)

    def _untouchable(self, serial: str, label: str | None = None) -> None:
        for array in self.arrays.values():
            if label in (None, array.name) and serial in array.members:
                raise Touched(f"{serial} is a member of {array.name}, {array.members[serial]}")

    def _examine(self, partition: str) -> Result:
        disk = self.disks[self._by(partition)]
        label = next(one for one in LABELS if disk.partition(one) == partition.removeprefix("/dev/"))
        if label not in disk.copies:
            return Result(1, "No md superblock detected")
        return Result(0, f"MD_UUID={label}\nMD_EVENTS={disk.copies[label]}")

    def _signatures(self, device: str) -> Result:
        disk = self.disks[self._by(device)]
        if device.removeprefix("/dev/") != disk.name:
            return Result(0, json.dumps({"signatures": [{"type": "linux_raid_member"}]}))
        kinds = [kind for kind in (disk.foreign, "gpt" if disk.cut else "") if kind]
        return Result(0, json.dumps({"signatures": [{"type": kind} for kind in kinds]}) if kinds else "")
