"""What the kernel and udev of a Debian 13 showed, recorded in a guest, is understood."""

import json
from pathlib import Path

import pytest

from hdinfra.agent.raid_alerts import alerts
from hdinfra.agent.raid_arrays import Seen, look
from hdinfra.agent.raid_disks import disks
from hdinfra.agent.raid_rules import alike, lost
from hdinfra.agent.raid_server import Server

RECORDED = Path(__file__).with_name("raid_recorded")
ESP_TYPE, RAID_TYPE = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "a19d880f-05fc-4d3b-a006-743f0f84911e"
"""UEFI 2.10, 5.3.3, and the Discoverable Partitions Specification."""


def laid(root: Path, name: str) -> Path:
    """The kernel's files as they were then."""
    told = json.loads((RECORDED / f"{name}.json").read_text())
    for path, content in told["files"].items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    for path, target in told["links"].items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)
    return root


def seen(root: Path, name: str, *serials: str) -> Seen:
    """A look at it, of a server that has these disks."""
    return look(Server("srv1", serials), laid(root, name))


def test_both_disks_at_their_work(tmp_path: Path) -> None:
    found = seen(tmp_path, "whole", "ALPHA", "BRAVO")
    alpha, bravo = found.own()
    assert [(one.name, one.serial, one.size, one.sector) for one in found.disks] == [
        ("vda", "", 4 << 30, 512),
        ("vdb", "ALPHA", 256 << 20, 512),
        ("vdc", "BRAVO", 256 << 20, 512),
    ]
    assert [(one.label, one.start, one.sectors) for one in alpha.partitions] == [
        ("esp", 2048, 73_728),
        ("boot", 75_776, 32_768),
        ("swap", 108_544, 32_768),
        ("root", 141_312, 196_608),
    ]
    assert [one.kind for one in bravo.partitions] == [ESP_TYPE, *3 * [RAID_TYPE]]
    assert alike(found, alpha, bravo)
    assert [(a.name, a.device, a.marks, a.is_whole, a.is_busy) for a in found.arrays] == [
        ("boot", "md127", "[UU]", True, False),
        ("swap", "md126", "[UU]", True, False),
        ("root", "md125", "[UU]", True, False),
    ]
    assert found.is_good(alpha) and found.is_good(bravo)
    assert found.esp_mount and found.esp_mount.name == "vdc1"
    assert [one.users for one in bravo.partitions] == [("/boot/efi",), ("md127",), ("md126",), ("md125",)]
    assert found.disks[0].users == ("/",)
    assert alerts(found, None) == {}


def test_a_disk_that_is_gone_while_the_arrays_were_idle(tmp_path: Path) -> None:
    found = seen(tmp_path, "gone", "ALPHA", "BRAVO")
    assert "[UU]" in (tmp_path / "proc/mdstat").read_text()
    assert [a.marks for a in found.arrays] == ["[U_]"] * 3
    assert [a.name for a in lost(found)] == ["boot", "swap", "root"]
    assert (found.missing(), found.esp_mount and found.esp_mount.is_dead) == (("BRAVO",), True)
    words = "[U_], BRAVO is missing: put a blank disk into its slot, then `hdraid replace`"
    assert alerts(found, None) == {f"array {name}": words for name in ("boot", "swap", "root")}


def test_a_disk_that_is_being_written(tmp_path: Path) -> None:
    found = seen(tmp_path, "recover", "ALPHA", "CHARLIE")
    boot = found.arrays[0]
    assert (boot.action, boot.marks, boot.total) == ("recover", "[U_]", 15_360)
    assert boot.percent and 0 < boot.percent < 100
    assert 0 < boot.speed < 10_000
    assert [member.is_spare for member in boot.members] == [False, True]
    words = "[U_], CHARLIE is being written; until then ALPHA alone holds everything"
    assert alerts(found, None)["array boot"] == words


def test_an_array_that_nobody_has_written_to_since_a_restart(tmp_path: Path) -> None:
    """Seen in a guest whose power was cut while CHARLIE was written."""
    laid(tmp_path, "recover")
    for name, content in {"array_state": "read-auto\n", "sync_action": "idle\n", "sync_completed": "none\n"}.items():
        (tmp_path / "sys/block/md127/md" / name).write_text(content)
    boot, *others = look(Server("srv1", ("ALPHA", "CHARLIE")), tmp_path).arrays
    assert (boot.name, boot.waits, [one.waits for one in others]) == ("boot", True, [False, False])


def test_arrays_of_another_server_are_not_ours(tmp_path: Path) -> None:
    found = seen(tmp_path, "whole", "S1", "S2")
    assert (found.arrays, len(found.others), found.own()) == ((), 3, ())


def disk(root: Path, name: str, files: dict[str, str | bytes], number: str = "8:0") -> Path:
    """A disk as its driver shows it."""
    folder = root / "sys/block" / name
    shown: dict[str, str | bytes] = {"size": "1000\n", "dev": f"{number}\n", "removable": "0\n", "ro": "0\n", **files}
    for path, content in shown.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        data = content if isinstance(content, bytes) else content.encode()
        (folder / path).write_bytes(data)
    return folder


@pytest.mark.parametrize(
    ("files", "known", "serials"),
    [
        ({}, "E:ID_SERIAL=SAMSUNG_MZ7_S4EV\nE:ID_SERIAL_SHORT=S4EV\n", ("S4EV", "SAMSUNG_MZ7_S4EV")),
        ({"device/vpd_pg80": b"\0\x80\0\x10S4EVNX0R        "}, "", ("S4EVNX0R",)),
        ({"device/serial": "PHLN 1234  \n"}, "", ("PHLN_1234",)),
        ({"serial": "ALPHA"}, "E:ID_SERIAL=ALPHA\n", ("ALPHA",)),
        ({}, "", ()),
    ],
    ids=["udev", "scsi", "nvme", "virtio", "none"],
)
def test_serial_numbers(tmp_path: Path, files: dict[str, str | bytes], known: str, serials: tuple[str, ...]) -> None:
    disk(tmp_path, "sda", files)
    (tmp_path / "run/udev/data").mkdir(parents=True)
    (tmp_path / "run/udev/data/b8:0").write_text(known)
    (found,) = disks(tmp_path)
    assert found.serials == serials


def test_what_is_no_disk_of_a_server(tmp_path: Path) -> None:
    for number, name in enumerate(("loop0", "sr0", "md127", "dm-0", "zram0", "ram1", "nbd0")):
        disk(tmp_path, name, {}, f"7:{number}")
    disk(tmp_path, "sdz", {"size": "0\n"})
    assert disks(tmp_path) == ()
    disk(tmp_path, "sdb", {"removable": "1\n"})
    disk(tmp_path, "sdc", {"ro": "1\n"})
    disk(tmp_path, "nvme0n1", {"queue/logical_block_size": "4096\n"})
    assert [(one.name, one.loose, one.read_only, one.sector) for one in disks(tmp_path)] == [
        ("nvme0n1", False, False, 4096),
        ("sdb", True, False, 512),
        ("sdc", False, True, 512),
    ]
    assert disks(tmp_path / "gone") == ()
