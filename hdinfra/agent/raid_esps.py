"""The boot partitions of all disks, kept alike: one good one is read, the others are written one after the other."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from . import raid_boot
from .durable import write_whole
from .paths import ESPS_SEEN
from .raid_arrays import Seen
from .raid_boot import Boot, Holds
from .raid_disks import Disk, Partition
from .raid_rules import words
from .raid_server import ESP, RaidError

Install = Callable[[Path], None]


class Folders(Protocol):
    """How boot partitions are reached."""

    def see(self, partition: Partition) -> AbstractContextManager[Path]:
        """Its folder, to be read only, as long as the context lasts; RaidError where it has no file system."""
        ...

    def open(self, partition: Partition) -> AbstractContextManager[Path]:
        """Its folder, writable, as long as the context lasts; RaidError when it has no file system that can be used."""
        ...

    def format(self, partition: Partition) -> None:
        """Give it an empty file system."""
        ...

    def mount(self, partition: Partition) -> bool:
        """Have it, and no other, at the place where the system looks for it; whether it was not there before."""
        ...

    def staged(self) -> AbstractContextManager[Path]:
        """An empty FAT file system of its own, in memory, as long as the context lasts."""
        ...


class Esps:
    """Those of one server. `told` hears what is done, one line each."""

    def __init__(self, folders: Folders, root: Path, told: Callable[[str], None]) -> None:
        self._folders = folders
        self._root = root
        self._told = told

    def look(self, seen: Seen) -> dict[str, Boot]:
        """What each disk's holds, by serial number; kept, so that others need not mount them to know."""
        found = {disk.serial: self._look(disk) for disk in seen.own()}
        self._keep(found)
        return found

    def make_alike(self, seen: Seen) -> dict[str, Boot]:
        """From the good one that is mounted, else from another good one; RaidError when none is good."""
        source = self._source(seen)
        self._mount(source)
        with self._folders.see(_esp(source)) as folder:
            self._spread(seen, folder, without=source)
        return self.look(seen)

    def move_away(self, seen: Seen, disk: Disk) -> None:
        """Have another disk's mounted, which is good; RaidError when there is none."""
        good = [one for one in seen.own() if one != disk and self._look(one).holds is Holds.GOOD]
        if not good:
            raise RaidError(f"no disk but {words(disk)} could start this server: `hdraid esp` first")
        if seen.esp_mount is None or seen.esp_mount.name not in [_esp(one).name for one in good]:
            self._mount(good[0])

    def renew(self, seen: Seen, install: Install) -> dict[str, Boot]:
        """Have a boot loader made beside them, then copy it to one after the other: a good one is there all along."""
        with self._folders.staged() as folder:
            install(folder)
            if raid_boot.look(folder).holds is not Holds.GOOD:
                raise RaidError(f"no {raid_boot.LOADER} was made, so every boot partition stays as it was")
            self._carry_order(seen, folder)
            self._spread(seen, folder)
            self._mount(self._source(seen))
        return self.look(seen)

    def _carry_order(self, seen: Seen, folder: Path) -> None:
        """Without it the installer, started once more, would take this server for another one."""
        for disk in seen.own():
            try:
                with self._folders.see(_esp(disk)) as old:
                    order = (old / raid_boot.ORDER).read_bytes()
            except (RaidError, OSError):
                continue
            (folder / raid_boot.ORDER).parent.mkdir(parents=True, exist_ok=True)
            (folder / raid_boot.ORDER).write_bytes(order)
            return

    def _spread(self, seen: Seen, source: Path, without: Disk | None = None) -> None:
        """A broken one first: until it is well, a good one is not touched."""
        others = [disk for disk in seen.own() if disk != without]
        for disk in sorted(others, key=lambda each: self._look(each).holds is Holds.GOOD):
            self._write(source, disk)

    def _write(self, source: Path, disk: Disk) -> None:
        partition = _esp(disk)
        if self._look(disk).holds is not Holds.GOOD:
            self._told(f"{disk.serial}: making its boot partition {partition.device} anew")
            self._folders.format(partition)
        with self._folders.open(partition) as target:
            if raid_boot.copy(source, target):
                self._told(f"{disk.serial}: boot partition written")

    def _source(self, seen: Seen) -> Disk:
        good = [disk for disk in seen.own() if self._look(disk).holds is Holds.GOOD]
        mounted = seen.esp_mount.name if seen.esp_mount else ""
        if not good:
            raise RaidError("no disk has a whole boot loader to copy from: `hdraid esp --renew` makes one")
        return next((disk for disk in good if _esp(disk).name == mounted), good[0])

    def _mount(self, disk: Disk) -> None:
        if self._folders.mount(_esp(disk)):
            self._told(f"mounted the boot partition of {words(disk)}")

    def _look(self, disk: Disk) -> Boot:
        partition = disk.labelled(ESP)
        if partition is None:
            return Boot(Holds.NOTHING)
        try:
            with self._folders.see(partition) as folder:
                return raid_boot.look(folder)
        except (RaidError, OSError):
            return Boot(Holds.NOTHING)

    def _keep(self, found: Mapping[str, Boot]) -> None:
        told = {serial: {"holds": boot.holds, "digest": boot.digest} for serial, boot in found.items()}
        text = json.dumps({"at": int(time.time()), "disks": told})
        write_whole(self._root / ESPS_SEEN.lstrip("/"), text.encode(), 0o644)


def esps_seen(root: Path = Path("/")) -> dict[str, Boot] | None:
    """What the last look found, by serial number; None when nobody has looked."""
    try:
        told = json.loads((root / ESPS_SEEN.lstrip("/")).read_bytes())["disks"]
        return {serial: Boot(Holds(each["holds"]), str(each["digest"])) for serial, each in told.items()}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def differing(found: Mapping[str, Boot]) -> dict[str, str]:
    """By serial number what is wrong with a disk's boot partition; nothing when all are good and alike."""
    wrong = {serial: str(boot.holds) for serial, boot in found.items() if boot.holds is not Holds.GOOD}
    if not wrong and len({boot.digest for boot in found.values()}) > 1:
        return {serial: f"differs from the others ({boot.digest[:12]})" for serial, boot in found.items()}
    return wrong


def _esp(disk: Disk) -> Partition:
    found = disk.labelled(ESP)
    if found is None:
        raise RaidError(f"{words(disk)} has no partition called `{ESP}`: `hdraid replace {disk.serial}` makes it anew")
    return found
