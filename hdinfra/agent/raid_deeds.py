"""What `hdraid fail` and `hdraid verify` do."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from .commands import wait
from .raid_arrays import Array, Member, Seen
from .raid_boot import LOADER
from .raid_esps import differing
from .raid_notes import CHECKED, Note, Notes
from .raid_replace import Place
from .raid_rules import alike, busy, may_fail, words
from .raid_server import ARRAYS, ESP, RaidError

_REMOVE_SECONDS = 20


def fail(place: Place, name: str) -> str:
    """Take a disk out of every array, so that it can be pulled; its serial number. The others can start the server."""
    seen = place.look()
    disk = may_fail(seen, name)
    place.esps.move_away(seen, disk)
    for array, member in seen.memberships(disk):
        # Looked at anew each time: another disk may have gone meanwhile.
        may_fail(place.look(), disk.serial or disk.name)
        _take_out(place, array, member)
    place.told(f"{words(disk)} is in no array any more: pull it, put a blank one in, then `hdraid replace`")
    return disk.serial


def _take_out(place: Place, array: Array, member: Member) -> None:
    place.told(f"array {array.name}: taking {member.name} out")
    if not member.is_lost:
        place.must("mdadm", "--manage", f"/dev/{array.device}", "--fail", f"/dev/{member.name}")

    def removed() -> bool:
        place.run(("mdadm", "--manage", f"/dev/{array.device}", "--remove", f"/dev/{member.name}"))
        return all(one.member(member.name) is None for one in place.look().arrays)

    if not wait(removed, _REMOVE_SECONDS):
        raise RaidError(f"array {array.name} does not let go of {member.name}: see the kernel's words (`dmesg`)")


def look_alike(place: Place) -> list[str]:
    """See that disks are cut alike and that each can start the server; what is wrong. Nothing may be at work."""
    seen = place.look()
    for array in seen.arrays:
        if array.is_busy:
            raise RaidError(busy(array))
    return [*_cut_alike(seen), *_bootable(place, seen)]


def compare(
    place: Place, notes: Notes, begin: Callable[[], AbstractContextManager[None]], await_rest: Callable[[str], Array]
) -> list[str]:
    """Have every array compared with itself; what is wrong. `begin` is held while a comparison is begun, not while it
    runs: that takes hours."""
    return [wrong for name in ARRAYS if (wrong := _compared(place, name, notes, begin, await_rest))]


def _cut_alike(seen: Seen) -> Iterator[str]:
    own = seen.own()
    for disk in own[1:]:
        kinds = [[part.kind for part in each.partitions] for each in (own[0], disk)]
        if kinds[0] != kinds[1] or not alike(seen, disk, own[0]):
            yield f"{words(disk)} is cut otherwise than {words(own[0])}"
    yield from (f"disk {serial} is missing" for serial in seen.missing())


def _bootable(place: Place, seen: Seen) -> Iterator[str]:
    found = place.esps.look(seen)
    for serial, wrong in differing(found).items():
        yield f"boot partition ({ESP}) of {serial}: {wrong}"
    if not differing(found):
        place.told(f"{len(found)} boot partitions are alike, each with {LOADER}")


def _compared(
    place: Place,
    name: str,
    notes: Notes,
    begin: Callable[[], AbstractContextManager[None]],
    await_rest: Callable[[str], Array],
) -> str | None:
    with begin():
        seen = place.look()
        array = next((one for one in seen.arrays if one.name == name), None)
        if array is None or not array.is_whole:
            return f"array {name} {array.marks if array else 'does not run'}: it cannot be compared"
        if working := next((one for one in seen.arrays if one.is_busy), None):
            return f"array {name} was not compared: {busy(working)}"
        (place.root / f"sys/block/{array.device}/md/sync_action").write_text("check\n")
    done = await_rest(name)
    if not done.is_whole:
        return f"array {name} {done.marks}: a disk went while it was compared"
    text = f"{done.mismatches} sectors differ"
    notes.add(Note("hdraid", CHECKED, f"/dev/{array.device}", text, int(time.time())))
    place.told(f"array {name} {done.marks}: {text}")
    return f"array {name}: {text}" if done.mismatches and name != "swap" else None
