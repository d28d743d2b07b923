"""How the installer cuts a disk and what it takes for whose: the real programs, on files in place of disks."""

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdinfra.installer import disks as looks
from hdinfra.installer.console import RefusedError
from hdinfra.installer.disks import Disk, Seen, State, check_overwritable, found_disks, looked_at, made_already
from hdinfra.installer.server import INSTALLING, Server, Wanted, array_arguments, server_of, table_arguments
from hdinfra.machine.metal.server_file import server_facts
from hdinfra.model.server import ServerPlan
from tests.metal.rack_server import rack_server

SECTORS = 2048  # in a MiB
ESP, RAID = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "A19D880F-05FC-4D3B-A006-743F0F84911E"
PLAN = rack_server(mib=4096)
WANTED = Wanted("S1", 512)


def cut(plan: ServerPlan, least_root_mib: int = 1) -> Server:
    return server_of(server_facts(plan), least_root_mib)


@pytest.fixture
def blank(tmp_path: Path) -> Disk:
    return disk_of(tmp_path / "blank", 512)


def disk_of(path: Path, mib: int) -> Disk:
    with path.open("wb") as file:
        file.truncate(mib << 20)
    return Disk(str(path), mib, frozenset({"S1"}))


def program(*argv: str) -> str:
    done = subprocess.run(argv, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return done.stdout.decode()


def partition(disk: Disk, number: int) -> tuple[str, str, int, int]:
    """Type, name, and where it begins and how long it is in MiB."""
    told = program("sgdisk", f"--info={number}", disk.node)
    kind, name, start, size = (
        re.search(f"{what}: '?([^ '\n]+)", told)
        for what in ("GUID code", "Partition name", "First sector", "Partition size")
    )
    assert kind and name and start and size, told
    return kind[1], name[1], int(start[1]) // SECTORS, int(size[1]) // SECTORS


@pytest.mark.parametrize("spare", [0, 300])
def test_every_disk_is_cut_alike_and_whats_over_is_left(tmp_path: Path, spare: int) -> None:
    disk = disk_of(tmp_path / "disk", 4096 + spare)
    program("sgdisk", *table_arguments(cut(PLAN)), disk.node)
    assert [partition(disk, number) for number in (1, 2, 3, 4)] == [
        (ESP, INSTALLING, 1, 64),
        (RAID, "boot", 65, 256),
        (RAID, "swap", 321, 256),
        (RAID, "root", 577, 4096 - 2 - 64 - 256 - 256),
    ]


@given(st.integers(1, 2000), st.integers(1, 2000), st.integers(1, 2000), st.integers(8000, 1 << 24))
def test_what_is_cut_fits_the_smallest_disk(esp: int, boot: int, swap: int, mib: int) -> None:
    plan = replace(rack_server(mib=mib), esp_mib=esp, boot_mib=boot, swap_mib=swap)
    server = cut(replace(plan, spare_disks=(replace(plan.disks[0], serial="S3", mib=mib - 7),)))
    assert 1 + esp + boot + swap + server.root_mib + 1 == mib - 7


def test_mirrors_are_named_for_their_server() -> None:
    told = array_arguments("r1", "root", ["/dev/a4", "/dev/b4"], ["/dev/c4"])
    assert {"--homehost=r1", "--name=root", "--bitmap=internal", "--raid-devices=2", "--spare-devices=1"} <= set(told)
    assert told[-3:] == ("/dev/a4", "/dev/b4", "/dev/c4")
    assert "--assume-clean" not in told, "two new disks are not alike"


def test_a_blank_disk_is_blank(blank: Disk) -> None:
    assert looked_at(WANTED, blank) == Seen("S1", blank, State.BLANK)


def test_what_is_half_made_is_known_from_its_first_write_on(blank: Disk) -> None:
    program("sgdisk", *table_arguments(cut(rack_server(mib=512 + 578))), blank_of(blank, 512 + 578).node)
    assert looked_at(WANTED, blank).state is State.HALF_MADE


@pytest.mark.parametrize("lost", ["first", "last"])
def test_half_a_table_is_known_too(blank: Disk, lost: str) -> None:
    """Sgdisk writes the copy at the disk's end, then the table: power may fail between them, and again on a rewrite."""
    disk = blank_of(blank, 1100)
    program("sgdisk", *table_arguments(cut(rack_server(mib=1100))), disk.node)
    with Path(disk.node).open("r+b") as file:
        file.seek(512 if lost == "first" else (1100 << 20) - 512)
        file.write(b"\0" * 512)
    assert looked_at(WANTED, disk).state is State.HALF_MADE


def blank_of(disk: Disk, mib: int) -> Disk:
    return disk_of(Path(disk.node), mib)


def ext4(path: str) -> None:
    program("mkfs.ext4", "-q", path)


def lvm(path: str) -> None:
    """What pvcreate writes first: the label of a physical volume (LVM2, lib/format_text/layout.h)."""
    header = b"LABELONE" + (1).to_bytes(8, "little")
    body = (32).to_bytes(4, "little") + b"LVM2 001" + b"0" * 32
    label = (header + b"\0\0\0\0" + body).ljust(512, b"\0")
    with Path(path).open("r+b") as file:
        file.seek(512)
        file.write(label[:16] + _crc(label[20:]).to_bytes(4, "little") + label[20:])


def _crc(data: bytes) -> int:
    """LVM2's own checksum: CRC-32 that begins elsewhere and is not turned round at its end."""
    crc = 0xF597A6CF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    return crc


def raid(path: str) -> None:
    """A member of somebody's array, by the superblock of metadata 1.2 (Linux, include/uapi/linux/raid/md_p.h)."""
    block = bytearray(256)
    block[0:4], block[4:8] = 0xA92B4EFC.to_bytes(4, "little"), (1).to_bytes(4, "little")
    block[16:32], block[128:136] = b"\x11" * 16, (2048).to_bytes(8, "little")
    block[144:152] = (8).to_bytes(8, "little")  # where the superblock itself lies, in sectors
    total = sum(int.from_bytes(block[at : at + 4], "little") for at in range(0, 256, 4))
    block[216:220] = ((total & 0xFFFFFFFF) + (total >> 32)).to_bytes(4, "little")
    with Path(path).open("r+b") as file:
        file.seek(4096)
        file.write(block)


def foreign_table(path: str) -> None:
    program("sgdisk", "--clear", "--new=1:1M:+100M", "--change-name=1:data", path)


@pytest.mark.parametrize(
    ("write", "sign"),
    [(ext4, "ext4"), (lvm, "LVM2_member"), (raid, "linux_raid_member"), (foreign_table, "gpt")],
    ids=["file system", "LVM", "RAID", "partitions"],
)
def test_what_is_foreign_is_refused_and_named(blank: Disk, write: Callable[[str], None], sign: str) -> None:
    write(blank.node)
    seen = looked_at(WANTED, blank)
    assert seen.state is State.FOREIGN
    with pytest.raises(RefusedError, match=f"S1: .*{sign}"):
        check_overwritable([seen], wipe=False)
    check_overwritable([seen], wipe=True)


def seen(state: State, order: str | None = None, serial: str = "S1") -> Seen:
    return Seen(serial, Disk("/dev/a", 512, frozenset({serial})), state, ("/dev/a: gpt",), order)


def test_a_server_that_starts_is_never_overwritten_because_its_last_stretch_was_cut_off() -> None:
    with pytest.raises(RefusedError, match="S2"):
        check_overwritable([seen(State.STARTS, "old"), seen(State.HALF_MADE, serial="S2")], wipe=False)
    check_overwritable([seen(State.BLANK), seen(State.HALF_MADE, serial="S2")], wipe=False)


def test_an_order_is_carried_out_once() -> None:
    assert made_already([seen(State.BLANK), seen(State.STARTS, "this")], "this")
    assert not made_already([seen(State.STARTS, "other"), seen(State.HALF_MADE, "this")], "this")


def at(node: str, mib: int, *serials: str) -> Disk:
    return Disk(node, mib, frozenset(serials))


@pytest.mark.parametrize(
    ("here", "why"),
    [
        ([], "HD0001 is missing"),
        ([at("/dev/a", 4096, "HD0001"), at("/dev/b", 4096, "HD000")], "HD0002 is missing"),
        ([at("/dev/a", 4096, "HD0001"), at("/dev/b", 4095, "HD0002")], "HD0002 .* has 4095 MiB, ordered are 4096"),
        (
            [at("/dev/a", 4096, "HD0001"), at("/dev/b", 4096, "HD0002"), at("/dev/c", 4096, "HD0002")],
            "HD0002 is there twice, one disk by two ways: /dev/b, /dev/c",
        ),
    ],
    ids=["none", "wrong serial", "too small", "two paths"],
)
def test_other_disks_than_ordered_are_refused(here: list[Disk], why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        found_disks(cut(PLAN), here)


def test_disks_are_found_wherever_they_are() -> None:
    here = [at("/dev/c", 4096, "QEMU_HD0002", "HD0002"), at("/dev/a", 9000, "HD0001"), at("/dev/b", 100)]
    assert [disk.node for _, disk in found_disks(cut(PLAN), here)] == ["/dev/a", "/dev/c"]


@pytest.mark.parametrize(
    ("plan", "least", "why"),
    [
        (replace(PLAN, disks=PLAN.disks[:1]), 1, "names 1 disk"),
        (replace(PLAN, disks=(PLAN.disks[0], PLAN.disks[0])), 1, "names a disk twice.*HD0001"),
        (replace(PLAN, spare_disks=PLAN.disks[1:]), 1, "names a disk twice.*HD0002"),
        (PLAN, 4096, "leaves 3518 MiB for /, which needs 4096"),
    ],
    ids=["one disk", "twice", "spare too", "too small"],
)
def test_orders_that_cannot_be_carried_out_are_refused(plan: ServerPlan, least: int, why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        cut(plan, least)


def test_an_order_of_another_release_is_refused() -> None:
    with pytest.raises(RefusedError, match="another release"):
        server_of({"name": "r1"}, 1)


@pytest.mark.parametrize(("node", "first"), [("/dev/sda", "/dev/sda1"), ("/dev/nvme0n1", "/dev/nvme0n1p1")])
def test_partitions_are_named_as_the_kernel_does(node: str, first: str) -> None:
    assert at(node, 1).part(1) == first


def test_the_loader_is_where_firmware_looks() -> None:
    assert str(looks.LOADER) == "EFI/BOOT/BOOTX64.EFI"
