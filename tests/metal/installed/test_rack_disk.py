"""A disk is pulled from a running server, and a blank one put in: the writer loses nothing, and the new disk, taken in
by one command, starts the server alone."""

import json
from typing import Any

from tests.metal.guest import BOOT_SECONDS
from tests.metal.rack import Chassis, powered
from tests.metal.rack_looks import DEGRADED, WHOLE, esps, mirrors
from tests.metal.rack_server import DISK_MIB, SERIALS
from tests.metal.rack_writer import writing

NEW = "HD0009"
HDRAID = "/usr/local/sbin/hdraid"
_MOUNTED = 'until [ -b "$(findmnt --noheadings --output SOURCE /boot/efi)" ]; do sleep 0.5; done'
"""Until the boot partition is one of a disk that is there: udev had hdraid see to it."""
_HERE = f"until [ -b /dev/disk/by-id/virtio-{NEW} ]; do sleep 0.5; done; udevadm settle"
_RESYNC_SECONDS = 600


def told(place: Chassis) -> dict[str, Any]:
    """What hdraid says of its disks."""
    found: dict[str, Any] = json.loads(place.must(HDRAID, "status", "--json", seconds=240))
    return found


def problems(place: Chassis) -> str:
    """What an operator sees."""
    return "\n".join(json.loads(place.must("hdctl", "status", "--json", seconds=240))["problems"])


def test_the_disk_that_it_was_started_from_is_replaced(running: Chassis) -> None:
    place, disks = running, running.bays
    old = str(told(place)["boot_mounted_from"])
    (other,) = set(SERIALS) - {old}
    assert problems(place) == ""
    with writing(place) as written:
        place.unplug(old)
        place.must("sh", "-c", _MOUNTED, seconds=240)
        assert mirrors(place) == DEGRADED
        assert f"array root: [U_], {old} is missing: put a blank disk into its slot" in problems(place)
        assert told(place)["boot_mounted_from"] == other
        place.plug(NEW, DISK_MIB)
        place.must("sh", "-c", _HERE, seconds=240)
        words = place.must(HDRAID, "replace", seconds=_RESYNC_SECONDS)
        assert f"{NEW} is at its work" in words
    assert (written.refused, written.lost, written.written > 10) == (0, 0, True), written
    assert "array root [UU]: 0 sectors differ" in place.must(HDRAID, "verify", seconds=_RESYNC_SECONDS)
    assert (mirrors(place), problems(place)) == (WHOLE, "")
    assert len(esps(place)) == 2 == 3 - len(set(esps(place)))
    assert place.must("systemctl", "--failed", "--no-legend").strip() == ""
    # As where power fails while grub-install makes them anew: each disk's loader has what it needs inside.
    place.must("sh", "-ec", "rm /boot/grub/x86_64-efi/*.mod && sync")
    place.power_off()
    with powered(disks, without=[old, other]) as place:
        place.await_shell(BOOT_SECONDS)
        assert mirrors(place) == DEGRADED
        assert told(place)["missing"] == [other]
        assert f"array root: [U_], {other} is missing" in problems(place)
