"""What the installer must not do: overwrite anything good. Each refusal leaves the disks as they were, bit by bit."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.metal.rack import Bays, bays, copied, powered
from tests.metal.rack_install import Installed, ended, ordered
from tests.metal.rack_server import DISK_MIB, SERIALS, rack_server


@pytest.fixture
def blank() -> Iterator[Bays]:
    with bays(rack_server()) as disks:
        yield disks


def told_and_untouched(disks: Bays, medium: Path, *, medium_first: bool = False) -> str:
    """What the installer has said at its end; it has written nothing to any disk."""
    with copied(disks) as used:
        with powered(used, medium, medium_first=medium_first) as place:
            words = ended(place)
            place.cut_power()
        for serial, path in disks.files.items():
            compared = ("qemu-img", "compare", "-q", str(path), str(used.files[serial]))
            assert subprocess.run(compared, check=False).returncode == 0, f"{serial} was written to: {words}"
    return words


def test_what_is_on_a_disk_stays_there(blank: Bays) -> None:
    _write_foreign(blank.files[SERIALS[1]])
    with ordered(blank.folder, blank.server) as medium:
        words = told_and_untouched(blank, medium)
    assert "refused: there is something on these disks" in words
    assert f"{SERIALS[1]}: /dev/vdb: ext4" in words
    assert SERIALS[0] not in words.partition("refused:")[2]


def test_another_disk_than_ordered_is_left_alone(blank: Bays) -> None:
    other = rack_server(serials=(SERIALS[0], "HD0009"))
    with ordered(blank.folder, other) as medium:
        words = told_and_untouched(blank, medium)
    assert "HD0009 is missing" in words
    assert "refused: no disk was written to" in words


def test_a_server_is_installed_once_from_an_order(installed: Installed) -> None:
    """Its medium may stay in, and come first."""
    with bays(installed.bays.server, serials=()) as room, ordered(room.folder, installed.bays.server) as medium:
        words = told_and_untouched(installed.bays, medium, medium_first=True)
    assert "is installed from this order already; nothing was written" in words


def _write_foreign(disk: Path) -> None:
    raw = disk.with_suffix(".raw")
    with raw.open("wb") as file:
        file.truncate(DISK_MIB << 20)
    subprocess.run(("/sbin/mkfs.ext4", "-q", str(raw)), check=True)
    subprocess.run(("qemu-img", "convert", "-q", "-O", "qcow2", str(raw), str(disk)), check=True)
    raw.unlink()
