"""Who measures is alone, and does not wait for ever."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.machine.sync_stack import eventually
from tests.metal.room import room


def test_who_wants_to_be_alone_is_the_next_and_alone(tmp_path: Path) -> None:
    """While somebody is in, one who measures comes to the door, and then one who does not."""
    seen: list[str] = []
    leave = {name: threading.Event() for name in ("first", "alone", "late")}

    def stay(name: str) -> None:
        with room(tmp_path, alone=name == "alone"):
            seen.append(name)
            assert leave[name].wait(60)
            seen.append(f"{name} left")

    with ThreadPoolExecutor(3) as people:
        done = [people.submit(stay, "first")]
        eventually(lambda: seen == ["first"], 30)
        done.append(people.submit(stay, "alone"))
        eventually(lambda: _waiting(tmp_path / "room.lock") == 1, 30)
        done.append(people.submit(stay, "late"))
        eventually(lambda: _waiting(tmp_path / "door.lock") == 1, 30)
        for event in leave.values():
            event.set()
        for each in done:
            each.result(60)
    assert seen == ["first", "first left", "alone", "alone left", "late", "late left"]


def test_two_who_measure_nothing_are_in_together(tmp_path: Path) -> None:
    with room(tmp_path, alone=False), room(tmp_path, alone=False):
        pass


def _waiting(lock: Path) -> int:
    """How many the kernel lets wait for it (proc(5), /proc/locks: their lines have an arrow)."""
    if not lock.exists():
        return 0
    number = lock.stat().st_ino
    lines = Path("/proc/locks").read_text().splitlines()
    return sum("->" in line and line.split()[-3].endswith(f":{number}") for line in lines)
