"""A boot partition becomes as another, and power may fail at any moment of it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hdinfra.agent import raid_boot
from hdinfra.agent.raid_boot import LOADER, MARK, Holds, copy, digest, is_program, look
from tests.machine.raid_world import LOADER_BYTES, PowerCut

NEW = LOADER_BYTES + b"new"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """A good one, and an older one with other files."""
    source, target = tmp_path / "source", tmp_path / "target"
    for folder, content in ((source, NEW), (target, LOADER_BYTES)):
        (folder / LOADER).parent.mkdir(parents=True)
        (folder / LOADER).write_bytes(content)
    (source / "EFI/BOOT/grub.cfg").write_text("new")
    (target / "EFI/BOOT/grub.cfg").write_text("old")
    (target / "EFI/old").mkdir()
    (target / "EFI/old/left.efi").write_text("left")
    yield source, target


def test_they_are_alike_afterwards_and_nothing_is_left(pair: tuple[Path, Path]) -> None:
    source, target = pair
    assert copy(source, target)
    assert digest(source) == digest(target)
    assert sorted(path.name for path in target.rglob("*") if path.is_file()) == ["BOOTX64.EFI", "grub.cfg"]
    assert not copy(source, target)


@pytest.mark.parametrize("after", range(14))
def test_cut_off_anywhere_it_is_known_for_one_and_mended(
    pair: tuple[Path, Path], after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = pair
    before, left = look(target), [after]

    def cut(real: Callable[[Path], None]) -> Callable[[Path], None]:
        def deed(path: Path) -> None:
            if left[0] == 0:
                raise PowerCut
            left[0] -= 1
            real(path)

        return deed

    with monkeypatch.context() as patch:
        patch.setattr(raid_boot, "_sync", cut(raid_boot._sync))
        patch.setattr(raid_boot, "sync_folder", cut(raid_boot.sync_folder))
        with pytest.raises(PowerCut):
            copy(source, target)
    # Nothing but its mark tells the two apart while it is written: never is a mixture taken for a good one.
    assert look(target).holds is Holds.TORN or look(target) in (before, look(source))
    assert copy(source, target) or look(target) == look(source)
    assert look(target) == look(source)


def test_there_are_as_many_places_to_cut_as_are_tried(pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[Path] = []
    real, folder = raid_boot._sync, raid_boot.sync_folder
    monkeypatch.setattr(raid_boot, "_sync", lambda path: (counted.append(path), real(path)))
    monkeypatch.setattr(raid_boot, "sync_folder", lambda path: (counted.append(path), folder(path)))
    copy(*pair)
    assert len(counted) == 14


def test_one_that_is_marked_is_not_good(pair: tuple[Path, Path]) -> None:
    source, _ = pair
    assert look(source).holds is Holds.GOOD
    (source / MARK).touch()
    assert look(source).holds is Holds.TORN


def test_without_a_loader_or_a_folder_there_is_none(pair: tuple[Path, Path]) -> None:
    source, target = pair
    (source / LOADER).write_bytes(NEW[:40])
    assert look(source).holds is Holds.EMPTY
    shutil.rmtree(target)
    assert look(target).holds is Holds.EMPTY


def section(size: int, at: int) -> bytes:
    """A program with one section of that size at that place."""
    header = bytearray(LOADER_BYTES)
    begin = 0x40 + 24
    header[begin + 16 : begin + 24] = size.to_bytes(4, "little") + at.to_bytes(4, "little")
    return bytes(header)


@pytest.mark.parametrize(
    ("content", "whole"),
    [
        (LOADER_BYTES, True),
        (section(100, 200) + bytes(300), True),
        (section(100, 200) + bytes(10), False),
        (LOADER_BYTES[:70], False),
        (b"", False),
        (b"MZ" + bytes(200), False),
        (bytes(2000), False),
    ],
)
def test_a_program_is_whole_or_none(content: bytes, whole: bool) -> None:
    assert is_program(content) is whole
