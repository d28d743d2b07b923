"""In a guest: a volume is given a file system once and keeps quotas, and has the scheduler that knows weights."""

import json
from collections.abc import Iterator

import pytest

from tests.metal.guest import Guest
from tests.metal.waf_guest import DISKS, SMALL_DISK_MIB, done_deed

LOGS = "/var/log/hdinfra-tenants"
DISK = "/dev/disk/by-id/virtio"
_MIB = 1 << 20
_LARGER = f"until [ $(df --output=size -BM {LOGS} | tr -dc 0-9) -gt {{mebibytes}} ]; do sleep 0.2; done"


def begin_volume(place: Guest, serial: str) -> None:
    """As at a boot."""
    place.put({"/etc/hdinfra/volume": f"{DISK}-{serial}\n"})
    place.must("systemctl", "start", "hdinfra-volume", seconds=240)
    place.must("systemctl", "start", "hdinfra-tenants-disk", seconds=120)


def end_volume(place: Guest) -> None:
    """As if the machine was switched off."""
    place.must("systemctl", "stop", "hdinfra-volume")
    place.must("umount", "--lazy", LOGS)
    place.must("rm", "/etc/hdinfra/volume")


def refused(place: Guest, device: str) -> str:
    """Why that disk is not taken."""
    place.put({"/etc/hdinfra/volume": f"{device}\n"})
    code, words = place.run("/usr/lib/hdinfra/volume", seconds=240)
    place.must("rm", "/etc/hdinfra/volume")
    assert code != 0, words
    return words


def status(place: Guest) -> list[str]:
    """Limits that are not held, as the machine itself says."""
    told: list[str] = json.loads(place.must("hdctl", "status", "--json"))["limits_unenforced"]
    return told


def test_what_somebody_else_has_on_a_disk_is_left_there(place: Guest) -> None:
    place.must("mkswap", f"{DISK}-strange")
    before = place.must("sha256sum", f"{DISK}-strange")
    assert "mount" in refused(place, f"{DISK}-strange")
    assert place.must("sha256sum", f"{DISK}-strange") == before


def test_a_disk_that_cannot_be_read_is_not_taken_for_a_blank_one(place: Guest) -> None:
    place.must("truncate", "-s", "64M", "/root/ill")
    device = place.must("losetup", "--find", "--show", "/root/ill").strip()
    place.must("truncate", "-s", "0", "/root/ill")
    try:
        assert "Input/output error" in refused(place, device)
        assert place.must("stat", "-c", "%s", "/root/ill").strip() == "0"
    finally:
        place.must("losetup", "--detach", device)
        place.must("rm", "/root/ill")


def test_a_file_system_without_quotas_is_used_as_it_is_and_named(place: Guest) -> None:
    place.must("mkfs.ext4", "-q", "-F", "-O", "^quota", f"{DISK}-strange")
    begin_volume(place, "strange")
    try:
        assert status(place) == ["disk"]
    finally:
        end_volume(place)


@pytest.fixture(scope="module")
def volume(machine: Guest) -> Iterator[Guest]:
    """The machine, whose tenants' logs lie on a volume that was blank, as they do from the first boot on a cloud."""
    machine.must("systemctl", "stop", "hdinfra-tenant@*.service", seconds=240)
    begin_volume(machine, "volume")
    yield machine
    machine.must("systemctl", "stop", "hdinfra-tenant@*.service", seconds=240)
    end_volume(machine)


def test_a_blank_disk_is_given_a_file_system_that_keeps_quotas(volume: Guest) -> None:
    found = volume.must("findmnt", "--noheadings", "--output=FSTYPE,OPTIONS", LOGS)
    assert found.split()[0] == "ext4"
    assert {"nosuid", "nodev", "noexec"} <= set(found.split()[1].split(","))
    assert status(volume) == []
    assert int(done_deed(volume, "initech", "fill", 4 * SMALL_DISK_MIB)) > 0.8 * SMALL_DISK_MIB
    taken = int(volume.must("du", "-sm", f"{LOGS}/initech").split()[0])
    assert 0.8 * SMALL_DISK_MIB < taken <= SMALL_DISK_MIB
    volume.must("sh", "-c", f"rm {LOGS}/initech/filler /var/cache/hdinfra-tenants/initech/filler")


def test_it_is_never_made_anew_and_grows_with_its_disk_at_once(volume: Guest) -> None:
    volume.must("sh", "-c", f"echo kept >{LOGS}/witness")
    before = volume.must("blkid", "-o", "value", "-s", "UUID", f"{DISK}-volume")
    volume.monitor.must("block_resize", device="volume", size=(DISKS["volume"] + 128) * _MIB)
    volume.must("sh", "-c", _LARGER.format(mebibytes=DISKS["volume"]), seconds=120)
    end_volume(volume)
    volume.monitor.must("block_resize", device="volume", size=(DISKS["volume"] + 256) * _MIB)
    begin_volume(volume, "volume")
    volume.must("sh", "-c", _LARGER.format(mebibytes=DISKS["volume"] + 128))
    assert volume.must("cat", f"{LOGS}/witness").strip() == "kept"
    assert volume.must("blkid", "-o", "value", "-s", "UUID", f"{DISK}-volume") == before
    assert status(volume) == []


def test_without_its_scheduler_a_disk_knows_no_weights_and_is_named(volume: Guest) -> None:
    disk = volume.must("readlink", "--canonicalize", f"{DISK}-volume").strip().rpartition("/")[2]
    scheduler = f"/sys/block/{disk}/queue/scheduler"
    assert "[bfq]" in volume.must("cat", scheduler)
    volume.must("sh", "-c", f"echo none >{scheduler}")
    assert status(volume) == ["io"]
    assert "io (this place" in volume.must("hdctl", "status")
    volume.must("systemctl", "restart", "hdinfra-disks", seconds=120)
    assert "[bfq]" in volume.must("cat", scheduler)
    assert status(volume) == []
