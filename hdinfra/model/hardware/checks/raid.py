"""Disks: two in each mirror, each a disk of its own that can be told from all others."""

from collections.abc import Iterator

from hdinfra.model.hardware.disks import called, identities, serial_in_path, serial_of
from hdinfra.model.hardware.spec import DiskSpec, HardwareSpec
from hdinfra.model.refusal import Refusal


def check_raid(spec: HardwareSpec) -> Iterator[Refusal]:
    """`raid.two-disks`, `raid.same-disk-twice`, `raid.disk-serial`."""
    holders: dict[str, tuple[str, str]] = {}
    for index, server in enumerate(spec.servers):
        if len(server.disks) < 2:
            message = f"`{server.name}` has one disk ({called(server.disks[0])}); when it fails, all on it is lost."
            fix = "add a second one with its own `serial` and `size_mib`, as `lsblk -bo NAME,SERIAL,SIZE` shows them"
            yield Refusal(f"servers[{index}].disks", "raid.two-disks", message, fix)
        for path, disk in _disks(spec, index):
            yield from _serial(path, disk)
            yield from _same(path, disk, server.name, holders)


def _disks(spec: HardwareSpec, index: int) -> Iterator[tuple[str, DiskSpec]]:
    for key in ("disks", "spare_disks"):
        for number, disk in enumerate(getattr(spec.servers[index], key)):
            yield f"servers[{index}].{key}[{number}]", disk


def _serial(path: str, disk: DiskSpec) -> Iterator[Refusal]:
    in_path = serial_in_path(disk.path or "")
    fix = "write `serial: ...` as `lsblk -dno NAME,SERIAL` shows it on the server"
    if serial_of(disk) is None:
        told = f"`{disk.path}` has none in it" if disk.path else "neither `serial` nor `path` is given"
        message = f"This disk's serial is not known, for {told}; another name of the same disk would pass for a second."
        yield Refusal(path, "raid.disk-serial", message, fix)
    elif disk.serial and in_path and disk.serial.upper() != in_path.upper():
        message = f"`serial` is {disk.serial}, and `path` ends with {in_path}; these are two disks, or one is mistyped."
        yield Refusal(path, "raid.disk-serial", message, f"{fix}, and drop `path`")


def _same(path: str, disk: DiskSpec, server: str, holders: dict[str, tuple[str, str]]) -> Iterator[Refusal]:
    found = sorted(identities(disk))
    before = next((holders[identity] for identity in found if identity in holders), None)
    holders |= {identity: (path, server) for identity in found if identity not in holders}
    if before is None:
        return
    shared = next(identity for identity in found if holders[identity] == before)
    where = "in the same server" if before[1] == server else f"in `{before[1]}`"
    message = f"{called(disk)} is the disk of {before[0]} {where} again ({shared}); a disk is no mirror of itself."
    fix = "write what the other disk says of itself; `lsblk -dno NAME,SERIAL` shows every disk once"
    yield Refusal(path, "raid.same-disk-twice", message, fix)
