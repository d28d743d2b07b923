"""What is wrong with a server's disks, by what it is about, each with what to type. Pure: it says, and does nothing."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from .raid_arrays import Array, Seen
from .raid_boot import Boot
from .raid_disks import Disk
from .raid_esps import differing
from .raid_notes import Note
from .raid_rules import Intent
from .raid_server import ARRAYS

_UNSTEADY = frozenset({"swap"})
"""A page that changes while it is written may differ on both halves and is never read again (md(4), "mismatch_cnt")."""
_MOST_NOTES = 5
_UNTIL_WHOLE = frozenset({"Fail", "FailSpare", "SparesMissing"})
"""Of mdadm(8)'s events those that are over when every array has its disks again."""


def alerts(
    seen: Seen,
    esps: Mapping[str, Boot] | None,
    notes: Sequence[Note] = (),
    intent: Intent | None = None,
    health: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """Texts by what they are about; the words stay the same while things stay as they are. `health` is smartctl's word
    by serial number, where somebody has asked it."""
    of_disks = (*_arrays(seen), *_disks(seen), *_failing(seen, health), *_esps(seen, esps))
    return dict((*of_disks, *_intent(seen, intent), *_notes(notes)))


def is_over(note: Note, seen: Seen, new: Disk) -> bool:
    """Whether a disk that was taken in has put an end to it: it was said of a disk that is this server's no more, or of
    the device that the new one is now, or of arrays that lacked a half and are whole."""
    if note.source == "mdadm":
        return note.event in _UNTIL_WHOLE and all(array.is_whole for array in seen.arrays)
    if note.source != "smartd":
        return False
    own = {name for disk in seen.own() for name in (*disk.serials, disk.device)} - {new.device}
    # By how it begins: what smartd says of a serial number ends at its first blank.
    return not any(name.startswith(note.about) for name in own)


def _arrays(seen: Seen) -> Iterator[tuple[str, str]]:
    for name in ARRAYS:
        array = next((one for one in seen.arrays if one.name == name), None)
        if array is None:
            yield f"array {name}", "does not run: see `mdadm --assemble --scan` and `hdraid status`"
        elif not array.is_whole:
            yield f"array {name}", _degraded(seen, array)
        elif array.mismatches and not array.is_busy and name not in _UNSTEADY:
            yield (
                f"array {name}",
                f"its disks differ in {array.mismatches} sectors, says the last check: `hdraid verify`",
            )


def _degraded(seen: Seen, array: Array) -> str:
    good = ", ".join(filter(None, (_serial(seen, member.name) for member in array.good))) or "no disk"
    writing = [_serial(seen, member.name) for member in array.members if member.is_spare]
    if writing and array.is_busy:
        return f"{array.marks}, {', '.join(writing)} is being written; until then {good} alone holds everything"
    if writing and array.waits:
        return f"{array.marks}, {', '.join(writing)} is half written since a restart: `hdraid replace` goes on with it"
    without = ", ".join(_without(seen, array)) or "a disk"
    if seen.missing():
        return f"{array.marks}, {without} is missing: put a blank disk into its slot, then `hdraid replace`"
    return f"{array.marks}, {without} is not in it: pull it, put a blank disk in, then `hdraid replace`"


def _without(seen: Seen, array: Array) -> tuple[str, ...]:
    """Whom it lacks, as the server's file calls them."""
    good = {member.name for member in array.good}
    idle = [disk for disk in seen.own() if not any(part.name in good for part in disk.partitions)]
    return (*seen.missing(), *(disk.serial for disk in idle))


def _disks(seen: Seen) -> Iterator[tuple[str, str]]:
    whole = all(array.is_whole for array in seen.arrays)
    for serial in seen.missing() if whole else ():
        yield f"disk {serial}", "is missing: put a blank one into its slot, then `hdraid replace`"
    for disk in seen.own() if whole else ():
        if len(list(seen.memberships(disk))) < len(ARRAYS):
            yield f"disk {disk.serial}", f"has no place in an array: `hdraid replace {disk.serial}`"
    serials = [disk.serial for disk in seen.own()]
    for serial in {one for one in serials if serials.count(one) > 1}:
        yield f"disk {serial}", "two devices say this serial number: two paths to one disk, or a copy"


def _failing(seen: Seen, health: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for disk in seen.own():
        if health.get(disk.serial) == "failing":
            yield (
                f"SMART of {disk.serial}",
                f"it says that it is failing: `hdraid fail {disk.serial}`, put a blank one in, then `hdraid replace`",
            )


def _esps(seen: Seen, esps: Mapping[str, Boot] | None) -> Iterator[tuple[str, str]]:
    if esps is None:
        return
    here = {disk.serial: esps[disk.serial] for disk in seen.own() if disk.serial in esps}
    for serial, wrong in differing(here).items():
        yield f"boot partition of {serial}", f"{wrong}: `hdraid esp` makes all alike"
    for disk in seen.own():
        if disk.serial not in esps:
            yield f"boot partition of {disk.serial}", "was never written: `hdraid esp` makes all alike"


def _intent(seen: Seen, intent: Intent | None) -> Iterator[tuple[str, str]]:
    if intent and seen.called(intent.new):
        yield f"disk {intent.new}", "is half taken in: `hdraid replace` goes on with it"


def _notes(notes: Sequence[Note]) -> Iterator[tuple[str, str]]:
    for note in [note for note in notes if note.is_problem][-_MOST_NOTES:]:
        often = f" ({note.times} times)" if note.times > 1 else ""
        yield f"{note.source} {note.event} {note.about}", f"{note.text}{often}; seen to? `hdraid note clear`"


def _serial(seen: Seen, partition: str) -> str:
    disk: Disk | None = seen.of_partition(partition)
    return disk.serial if disk else ""
