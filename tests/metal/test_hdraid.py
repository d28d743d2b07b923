"""Disks that can be pulled: no byte is lost, no foreign one is touched, and power may fail at any moment."""

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.metal.raid_guest import ALPHA, BRAVO, CHARLIE, DISK_MIB, RaidServer, raid_server

LONG = bool(os.environ.get("HDINFRA_LONG"))
CUTS = 30 if LONG else 2
"""Of each kind; where in the work is drawn by the number of the round."""

TAKING_IN, RENEWING = 9, 2
"""Lines that hdraid says while it takes a disk in, the last before it only watches; and while it renews two loaders."""
FIRST_CUTS = {0: TAKING_IN, 1: 3}
"""The two that are always tried: while the kernel copies, and while arrays take the disk's partitions."""
MOMENT_SECONDS = 1.0
"""A step takes no longer, on a computer that is not busy."""

_SLOWLY = "echo 1000 >/proc/sys/dev/raid/speed_limit_max; echo 500 >/proc/sys/dev/raid/speed_limit_min"
"""KiB a second, until the next boot: the copying takes longer than whatever happens before power is cut."""

_OTHER_SERVER = """
set -eu
disk=$(readlink -f /dev/disk/by-id/virtio-OTHER)
sgdisk --replicate="$disk" "$(readlink -f /dev/disk/by-id/virtio-{twin})" >/dev/null
sgdisk --randomize-guids "$disk" >/dev/null
udevadm settle
mdadm --create /dev/md/theirs --run --homehost=other --name=root --level=1 --raid-devices=2 --bitmap=internal \\
    "$disk"4 missing
udevadm settle
"""


@pytest.fixture(scope="module")
def server() -> Iterator[RaidServer]:
    with raid_server() as made:
        yield made


@pytest.fixture
def whole(server: RaidServer) -> RaidServer:
    """Nothing is wrong with it before a test."""
    assert server.told()["problems"] == []
    return server


def marks(server: RaidServer) -> list[str]:
    """Of its arrays, as hdraid shows them."""
    arrays = server.told()["arrays"]
    assert isinstance(arrays, list)
    return [array["marks"] for array in arrays]


def devices(server: RaidServer) -> dict[str, str]:
    """Its arrays' devices by name; each boot may give them other numbers."""
    arrays = server.told()["arrays"]
    assert isinstance(arrays, list)
    return {array["name"]: array["device"] for array in arrays}


def begin(server: RaidServer, command: str, log: str = "/root/log") -> None:
    """Start it, and do not wait for its end."""
    server.guest.must("sh", "-c", f"rm -f {log} /srv/written/stop; setsid {command} >{log} 2>&1 &")


def replaced(server: RaidServer) -> str:
    code, words = server.hdraid("replace", seconds=600)
    assert code == 0, words
    return words


def test_a_disk_is_pulled_and_a_blank_one_put_in_while_somebody_writes(whole: RaidServer) -> None:
    mounted = str(whole.told()["boot_mounted_from"])
    other = BRAVO if mounted == ALPHA else ALPHA
    begin(whole, "python3 /root/writer.py write")
    whole.pull(mounted)
    assert whole.hdraid("gone")[0] == 0
    told = whole.told()
    assert (told["missing"], told["boot_mounted_from"], marks(whole)) == ([mounted], other, ["[U_]"] * 3)
    assert f"{mounted} is missing: put a blank disk into its slot, then `hdraid replace`" in str(told["problems"])
    code, words = whole.hdraid("fail", other)
    assert (code, "is the only good disk of array boot [U_], so it stays" in words) == (1, True), words
    whole.put(CHARLIE, DISK_MIB + 44)
    assert f"{CHARLIE} is at its work" in replaced(whole)
    whole.guest.must("touch", "/srv/written/stop")
    whole.guest.must("sh", "-c", "until [ -s /root/log ]; do sleep 0.1; done", seconds=240)
    assert int(whole.guest.must("cat", "/root/log")) > 10
    code, words = whole.hdraid("verify", seconds=600)
    assert code == 0, words
    assert "array root [UU]: 0 sectors differ" in words
    assert int(whole.guest.must("python3", "/root/writer.py", "check", seconds=240)) > 10


def test_foreign_and_small_disks_are_left_alone(whole: RaidServer) -> None:
    disks = whole.told()["disks"]
    assert isinstance(disks, list)
    old = next(disk["serial"] for disk in disks if disk["belongs"])
    whole.put("STRANGE")
    whole.guest.must("mkfs.ext4", "-q", "-F", "/dev/disk/by-id/virtio-STRANGE")
    before = whole.guest.must("sha256sum", "/dev/disk/by-id/virtio-STRANGE")
    code, words = whole.hdraid("replace", "STRANGE")
    assert (code, "no place is free for STRANGE" in words) == (1, True), words
    assert whole.hdraid("fail", old)[0] == 0
    code, words = whole.hdraid("replace", "STRANGE")
    assert (code, "STRANGE" in words, "is not blank (ext4 on vd" in words) == (1, True, True), words
    whole.put("SMALL", 64)
    code, words = whole.hdraid("replace", "SMALL")
    assert (code, "is too small" in words) == (1, True), words
    assert whole.guest.must("sha256sum", "/dev/disk/by-id/virtio-STRANGE") == before
    whole.pull("SMALL")
    # What was taken out is taken in again: it is an older copy of this server's own.
    code, words = whole.hdraid("replace", old, seconds=600)
    assert code == 0, words
    whole.pull("STRANGE")
    assert marks(whole) == ["[UU]"] * 3


def test_a_disk_of_another_server_is_taken_by_force_alone(whole: RaidServer) -> None:
    """Its partitions have the same names, and its arrays have been assembled as soon as it was in."""
    old = whole.inside[0]
    whole.put("OTHER")
    whole.guest.must("sh", "-c", _OTHER_SERVER.format(twin=old), seconds=240)
    assert whole.hdraid("fail", old)[0] == 0
    whole.pull(old)
    code, words = whole.hdraid("replace")
    assert (code, "OTHER" in words, "linux_raid_member on vd" in words) == (1, True, True), words
    code, words = whole.hdraid("replace", "--force", seconds=600)
    assert (code, "an array that it brought along" in words) == (0, True), words
    assert (marks(whole), whole.told()["problems"]) == (["[UU]"] * 3, [])


def test_nothing_is_done_during_a_check(whole: RaidServer) -> None:
    whole.guest.must(
        "sh", "-c", "echo 100 >/proc/sys/dev/raid/speed_limit_max; echo 50 >/proc/sys/dev/raid/speed_limit_min"
    )
    action = f"/sys/block/{devices(whole)['root'].removeprefix('/dev/')}/md/sync_action"
    whole.guest.must("sh", "-c", f"echo check >{action}")
    try:
        for argv in (("fail", ALPHA), ("fail", CHARLIE), ("verify",)):
            code, words = whole.hdraid(*argv)
            assert code == 1, words
            assert "array root is being checked" in words or "there is no disk" in words
    finally:
        whole.guest.must("sh", "-c", "echo 200000 >/proc/sys/dev/raid/speed_limit_max")
        whole.guest.must("sh", "-c", f"echo idle >{action}")


@pytest.mark.parametrize("round_", range(CUTS))
def test_power_fails_while_a_disk_is_taken_in(whole: RaidServer, round_: int) -> None:
    """However far it was, the server starts, nothing that was on the disk is lost, and another run ends the work."""
    old, new = whole.inside[0], f"NEW{round_}"
    whole.pull(old)
    whole.put(new)
    whole.guest.must("sh", "-c", _SLOWLY)
    begin(whole, "python3 /root/writer.py write", "/root/wrote")
    begin(whole, "hdraid replace")
    cut_after(whole, FIRST_CUTS.get(round_, random.Random(round_).randint(0, TAKING_IN)), round_)
    whole.boot()
    assert int(whole.guest.must("python3", "/root/writer.py", "check", seconds=240)) > 0
    assert good_boots(whole)
    code, words = whole.hdraid("resume")
    assert code == 0, words
    code, words = whole.hdraid("replace", seconds=600)
    assert code == 0 or "nothing is to be replaced" in words, words
    assert mended(whole) == 0
    assert (marks(whole), whole.told()["problems"]) == (["[UU]"] * 3, [])
    assert whole.told()["missing"] == []
    (whole.folder / old).unlink()


@pytest.mark.parametrize("round_", range(CUTS))
def test_power_fails_while_boot_partitions_are_written(whole: RaidServer, round_: int) -> None:
    """One that starts the server is there all along."""
    begin(whole, "hdraid esp --renew")
    cut_after(whole, random.Random(round_).randint(0, RENEWING), round_)
    whole.boot()
    assert good_boots(whole)
    assert mended(whole) == 0
    assert len(good_boots(whole)) == 2
    assert whole.told()["problems"] == []


def cut_after(server: RaidServer, steps: int, seed: int) -> None:
    """The power, when it has told of so many steps and a moment later, which the seed decides."""
    told = f"until [ $(cat /root/log 2>/dev/null | wc -l) -ge {steps} ]; do sleep 0.1; done"
    server.guest.must("sh", "-c", told, seconds=240)
    server.guest.must("sh", "-c", "! grep '^hdraid: ' /root/log")  # it is at work, and has not given up
    with suppress(subprocess.TimeoutExpired):
        server.guest.process.wait(random.Random(seed).uniform(0, MOMENT_SECONDS))
    print(f"cut after {steps} steps")
    server.cut()


def good_boots(server: RaidServer) -> list[str]:
    """Disks that could start the server, seen before anybody mends anything."""
    disks = server.told()["disks"]
    assert isinstance(disks, list)
    return [disk["serial"] for disk in disks if disk["belongs"] and disk["boot"] == "good"]


def mended(server: RaidServer) -> int:
    """What happens at every boot."""
    code, words = server.hdraid("esp")
    assert code == 0, words
    return code
