"""The server as its order describes it, and how its disks are cut. Pure: no disk is looked at here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hdinfra.installer.console import RefusedError

GAP_MIB = 1
"""Before the first partition and behind the last: partition tables, and borders where flash memory likes them."""
INSTALLING = "hdinfra-installing"
"""What the first partition is called until it says for itself that it is half made."""
ARRAYS = ("boot", "swap", "root")
"""Partitions 2 to 4, each a mirror over all disks."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A disk by the serial number that it tells itself, with the MiB that it has at least."""

    serial: str
    mib: int


@dataclass(frozen=True, slots=True)
class Server:
    """Sizes in MiB; `disks` hold the mirrors, `spares` stand by."""

    name: str
    disks: tuple[Wanted, ...]
    spares: tuple[Wanted, ...]
    esp_mib: int
    boot_mib: int
    swap_mib: int

    @property
    def all_disks(self) -> tuple[Wanted, ...]:
        """Those that are cut alike."""
        return (*self.disks, *self.spares)

    @property
    def root_mib(self) -> int:
        """What the smallest disk leaves."""
        smallest = min(disk.mib for disk in self.all_disks)
        return smallest - 2 * GAP_MIB - self.esp_mib - self.boot_mib - self.swap_mib


def server_of(facts: Mapping[str, Any], least_root_mib: int) -> Server:
    """RefusedError for one that cannot be made: fewer than two disks, one named twice, or too little for the root."""
    try:
        server = Server(
            str(facts["name"]),
            _wanted(facts["disks"]),
            _wanted(facts["spare_disks"]),
            *(int(facts[key]) for key in ("esp_mib", "boot_mib", "swap_mib")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RefusedError(f"the order's server.json is of another release: {error!r}") from error
    serials = [disk.serial for disk in server.all_disks]
    if twice := sorted({serial for serial in serials if serials.count(serial) > 1}):
        raise RefusedError(f"the order names a disk twice, and it mirrors nothing with itself: {', '.join(twice)}")
    if len(server.disks) < 2:
        raise RefusedError(f"the order names {len(server.disks)} disk; a mirror takes two")
    if server.root_mib < least_root_mib:
        raise RefusedError(f"the smallest disk leaves {server.root_mib} MiB for /, which needs {least_root_mib}")
    return server


def table_arguments(server: Server) -> tuple[str, ...]:
    """What sgdisk is told: a new table, in one write. Its first partition carries the mark of what is half made."""
    sizes = (server.esp_mib, server.boot_mib, server.swap_mib, server.root_mib)
    names = (INSTALLING, *ARRAYS)
    parts: list[str] = []
    for number, (size, name) in enumerate(zip(sizes, names, strict=True), 1):
        start = f"{GAP_MIB}M" if number == 1 else "0"  # 0: right behind the one before
        kind = "ef00" if number == 1 else "fd00"
        parts += [f"--new={number}:{start}:+{size}M", f"--typecode={number}:{kind}", f"--change-name={number}:{name}"]
    return ("--clear", *parts)


def array_arguments(home: str, name: str, members: Sequence[str], spares: Sequence[str]) -> tuple[str, ...]:
    """What `mdadm --create` is told. `home`: the server's name, with which its arrays' names begin."""
    return (
        *(f"/dev/md/{name}", "--run", "--quiet", "--level=1", "--metadata=1.2", "--bitmap=internal"),
        *(f"--homehost={home}", f"--name={name}", f"--raid-devices={len(members)}", f"--spare-devices={len(spares)}"),
        *members,
        *spares,
    )


def _wanted(disks: Sequence[Mapping[str, Any]]) -> tuple[Wanted, ...]:
    return tuple(Wanted(str(disk["serial"]), int(disk["mib"])) for disk in disks)
