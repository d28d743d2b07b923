"""The disks that are really there, and what is on them. Looks only; mounts nothing but to read."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from tempfile import TemporaryDirectory

from hdinfra.installer.console import FailedError, RefusedError, ended, every, run
from hdinfra.installer.server import INSTALLING, Server, Wanted

MARK = Path("EFI/hdinfra/installing")
"""On an EFI system partition, until it can start the server."""
ORDER_MARK = Path("EFI/hdinfra/order")
"""On an EFI system partition: the id of the order that it was made from."""
LOADER = Path("EFI/BOOT/BOOTX64.EFI")
"""What firmware starts (UEFI specification 2.10, 3.5.1.1)."""
_BLOCK = Path("/sys/block")
_NO_DISKS = re.compile(r"(loop|ram|md|dm-|sr|fd|zram|nbd)")
_SERIALS = ("ID_SERIAL_SHORT", "ID_SERIAL", "ID_SCSI_SERIAL")


@dataclass(frozen=True, slots=True)
class Disk:
    """`node` such as /dev/sda; `mib` as the kernel sees it; `serials` all names that udev has for it."""

    node: str
    mib: int
    serials: frozenset[str]

    def part(self, number: int) -> str:
        """The node of one of its partitions."""
        return f"{self.node}{'p' if self.node[-1].isdigit() else ''}{number}"


class State(Enum):
    """What is on a disk."""

    BLANK = auto()
    HALF_MADE = auto()
    STARTS = auto()
    FOREIGN = auto()


@dataclass(frozen=True, slots=True)
class Seen:
    """A disk of the order. `signatures` are shown to people; `order` is the id that a server of ours was made from."""

    serial: str
    disk: Disk
    state: State
    signatures: tuple[str, ...] = ()
    order: str | None = None


def disks_here() -> tuple[Disk, ...]:
    """Every disk that the kernel knows, media with our own image among them."""
    found = (path for path in sorted(_BLOCK.iterdir()) if not _NO_DISKS.match(path.name))
    return tuple(_disk(path) for path in found if (path / "device").exists())


def found_disks(server: Server, here: Sequence[Disk]) -> tuple[tuple[Wanted, Disk], ...]:
    """Each disk of the order. RefusedError for what is missing, smaller than ordered, or there by two ways."""
    pairs = [(wanted, [disk for disk in here if wanted.serial in disk.serials]) for wanted in server.all_disks]
    wrong = [problem for wanted, found in pairs if (problem := _problem(wanted, found))]
    if wrong:
        known = ", ".join(f"{disk.node} ({', '.join(sorted(disk.serials)) or 'no serial'})" for disk in here)
        raise RefusedError(f"the disks are not as ordered:\n{every(wrong)}\n  here are: {known or 'none'}")
    return tuple((wanted, found[0]) for wanted, found in pairs)


def looked_at(wanted: Wanted, disk: Disk) -> Seen:
    """What is on it, by its signatures, its first partition's name, and what its EFI system partition has."""
    signatures = tuple(_signatures(disk))
    if not signatures:
        return Seen(wanted.serial, disk, State.BLANK)
    named = f"'{INSTALLING}'" in ended("sgdisk", "--info=1", disk.node).stdout
    esp = f"{disk.part(1)}: vfat" in signatures
    has = _on_esp(disk) if esp else {}
    order = has.get(ORDER_MARK)
    if LOADER in has:
        return Seen(wanted.serial, disk, State.STARTS, signatures, order)
    if named or MARK in has:
        return Seen(wanted.serial, disk, State.HALF_MADE, signatures, order)
    return Seen(wanted.serial, disk, State.FOREIGN, signatures)


def made_already(seen: Sequence[Seen], order: str) -> bool:
    """Whether the server starts, from any disk, with what this very order made."""
    return any(one.state is State.STARTS and one.order == order for one in seen)


def check_overwritable(seen: Sequence[Seen], *, wipe: bool, overwrite: Collection[str] = ()) -> None:
    """RefusedError while there is anything on a disk that we have not half made ourselves, and that is not named."""
    starts = any(one.state is State.STARTS for one in seen)
    # Where one disk starts a server, the mark on another is that server's: it was cut off on its last stretch.
    good = {State.BLANK} if starts else {State.BLANK, State.HALF_MADE}
    full = [one for one in seen if one.state not in good and one.serial not in overwrite]
    if full and not wipe:
        told = every([f"{one.serial}: {', '.join(one.signatures)}" for one in full])
        raise RefusedError(f"there is something on these disks, and the order does not let it be overwritten:\n{told}")


@contextmanager
def mounted(node: str, *options: str) -> Iterator[Path]:
    """A file system, for as long as it is needed."""
    with TemporaryDirectory(prefix="hdinfra-", dir="/run") as folder:
        run("mount", *options, node, folder)
        try:
            yield Path(folder)
        finally:
            run("umount", folder)


def _disk(path: Path) -> Disk:
    properties = _properties(run("udevadm", "info", "--query=property", f"--path={path}"))
    serials = frozenset(properties[name].strip() for name in _SERIALS if properties.get(name, "").strip())
    return Disk(f"/dev/{path.name}", int((path / "size").read_text()) // 2048, serials)  # always in 512 bytes


def _problem(wanted: Wanted, found: Sequence[Disk]) -> str | None:
    if not found:
        return f"{wanted.serial} is missing"
    if len(found) > 1:
        return f"{wanted.serial} is there twice, one disk by two ways: {', '.join(disk.node for disk in found)}"
    if found[0].mib < wanted.mib:
        return f"{wanted.serial} ({found[0].node}) has {found[0].mib} MiB, ordered are {wanted.mib}"
    return None


def _properties(text: str) -> Mapping[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _signatures(disk: Disk) -> Iterator[str]:
    for node in (disk.node, *_parts(disk)):
        told = json.loads(run("wipefs", "--json", node) or "{}")
        yield from (f"{node}: {found['type']}" for found in told.get("signatures", []))


def _parts(disk: Disk) -> list[str]:
    folder = _BLOCK / Path(disk.node).name
    return sorted(f"/dev/{path.parent.name}" for path in folder.glob("*/partition"))


def _on_esp(disk: Disk) -> dict[Path, str]:
    """Our files there with their text; a loader's text is of no interest."""
    try:
        with mounted(disk.part(1), "-t", "vfat", "-o", "ro") as esp:
            there = [path for path in (MARK, ORDER_MARK, LOADER) if (esp / path).is_file()]
            return {path: "" if path is LOADER else (esp / path).read_text(errors="replace").strip() for path in there}
    except FailedError:
        return {}  # half a file system: nothing starts from it
