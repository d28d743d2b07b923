"""What may be done to a server's disks, decided from one look. Nothing here touches anything.

The law: whoever holds the only whole copy of an array is never failed, wiped or taken away.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from .paths import SERVER
from .raid_arrays import Array, Seen
from .raid_disks import Disk, Partition
from .raid_server import ARRAYS, LABELS, RaidError

_SPARE_SECTORS = 34
"""Behind the last partition lies the second table (UEFI 2.10, 5.3: 32 sectors of entries, a header), and one more."""


_SECTOR = 512
_ALIGNED = 8
"""Sectors of 512 bytes, so that disks with sectors of 4,096 can be cut so as well."""


@dataclass(frozen=True, slots=True)
class Choice:
    """`new` becomes as `twin` is and stands where the disk of the serial number `old` stood, maybe its own."""

    new: Disk
    twin: Disk
    old: str


@dataclass(frozen=True, slots=True)
class Intent:
    """A disk that is being taken in, by serial numbers: what is on it is ours since then. `forced`: more was on it."""

    new: str
    old: str
    forced: bool


def may_fail(seen: Seen, name: str) -> Disk:
    """The disk that is called so, when it can be spared; RaidError when not."""
    disk = one(seen, name)
    if not seen.belongs(disk):
        raise RaidError(f"{words(disk)} is no disk of this server: {SERVER} knows {_serials(seen)}")
    places = list(seen.memberships(disk))
    if not places:
        raise RaidError(
            f"{words(disk)} has no place in any array already: pull it, put a blank one in, `hdraid replace`"
        )
    for array, member in places:
        if member.is_good and len(array.good) == 1:
            raise RaidError(
                f"{words(disk)} is the only good disk of array {array.name} {array.marks}, so it stays: "
                "first get the other one back with `hdraid replace`"
            )
        if array.is_busy and (member.is_good or array.action != "recover"):
            raise RaidError(busy(array))
    return disk


def choose(seen: Seen, name: str | None, intent: Intent | None) -> Choice:
    """Which disk is to be taken in, and for which; RaidError when there is none, more than one, or it may not be."""
    _check_server(seen)
    going_on = going_on_with(seen, intent)
    new = one(seen, name) if name else going_on or _only_candidate(seen)
    if going_on and new != going_on:
        raise RaidError(
            f"{words(going_on)} is half taken in: go on with `hdraid replace {going_on.serial}`, or pull it out first"
        )
    choice = Choice(new, _twin(seen, new), intent.old if going_on and intent else _old(seen, new))
    _check_new(seen, choice)
    if not going_on:
        if seen.is_good(new):
            raise RaidError(f"{words(new)} holds everything already: nothing is to be done with it")
        _check_idle(seen)
    return choice


def going_on_with(seen: Seen, intent: Intent | None) -> Disk | None:
    """The disk that an earlier run began with, when it is still here."""
    if intent is None:
        return None
    found = seen.called(intent.new)
    return found[0] if len(found) == 1 else None


def one(seen: Seen, name: str) -> Disk:
    """The one disk of that serial number or device."""
    found = seen.called(name)
    if not found:
        raise RaidError(f"there is no disk {name!r:.80} here; there are {', '.join(map(words, seen.disks))}")
    if len(found) > 1:
        paths = " and ".join(disk.device for disk in found)
        raise RaidError(f"{paths} say the same serial number: two paths to one disk, or a copy; leave one of them in")
    return found[0]


def alike(seen: Seen, disk: Disk, twin: Disk) -> bool:
    """Whether they are cut the same way. Of the last partition only what its array takes counts: other installers make
    it as large as each disk allows, and a mirror is as large as its smaller half."""
    if len(disk.partitions) != len(twin.partitions) or not disk.partitions:
        return not disk.partitions and not twin.partitions
    cuts = [[(one.number, one.label, one.start, one.sectors) for one in each.partitions] for each in (disk, twin)]
    ends = [cut.pop() for cut in cuts]
    least = _taken(seen, twin) or max(end[3] for end in ends)
    return cuts[0] == cuts[1] and ends[0][:3] == ends[1][:3] and all(end[3] >= least for end in ends)


def cut_as(seen: Seen, new: Disk, twin: Disk) -> tuple[Partition, ...]:
    """The partitions that a new disk gets: its twin's, the last one shorter where the disk is."""
    *others, last = twin.partitions
    room = (new.size - _SPARE_SECTORS * new.sector) // _SECTOR
    end = min(last.end, room - room % _ALIGNED)
    return (*others, replace(last, sectors=max(end, _needed(seen, twin)) - last.start))


def words(disk: Disk) -> str:
    """A disk for people."""
    return f"{disk.serial or 'a disk without a serial number'} ({disk.device}, {disk.size / 1e9:,.1f} GB)"


def busy(array: Array) -> str:
    """Why to wait."""
    deed = "is being checked" if array.action == "check" else "is being written"
    done = f", {array.percent:.0f} % done" if array.percent is not None else ""
    stop = f", or `echo idle >/sys/block/{array.device}/md/sync_action`" if array.action == "check" else ""
    return f"array {array.name} {deed} ({array.action}{done}): wait until it is over (`hdraid status`){stop}"


def lost(seen: Seen) -> Iterator[Array]:
    """Arrays that hold on to a member that is gone or faulty."""
    return (array for array in seen.arrays if any(member.is_lost for member in array.members))


def waiting(seen: Seen) -> Iterator[Array]:
    """Arrays whose copying a restart cut short, and that nobody has written to since."""
    return (array for array in seen.arrays if array.waits)


def being_written(seen: Seen) -> str | None:
    """The serial number of a disk that the kernel is copying to already, or would be but for a restart."""
    for disk in seen.own():
        if any(member.is_spare and (array.is_busy or array.waits) for array, member in seen.memberships(disk)):
            return disk.serial
    return None


def _check_server(seen: Seen) -> None:
    if not seen.own():
        raise RaidError(f"{SERVER} knows {_serials(seen)}, and none of these is here: it is another server's file")
    missing = [name for name in ARRAYS if name not in {array.name for array in seen.arrays}]
    if missing:
        raise RaidError(f"array {', '.join(missing)} does not run: start it with `mdadm --assemble --scan` first")
    for array in seen.arrays:
        if not array.good:
            raise RaidError(f"array {array.name} has no good disk left: nothing here can be copied to a new one")


def _only_candidate(seen: Seen) -> Disk:
    found = [disk for disk in seen.disks if _is_candidate(seen, disk)]
    if len(found) == 1:
        return found[0]
    if found:
        raise RaidError(f"which one? Say `hdraid replace SERIAL` with one of {', '.join(map(words, found))}")
    if seen.missing() or not all(array.is_whole for array in seen.arrays):
        gone = ", ".join(seen.missing()) or "see `hdraid status`"
        raise RaidError(f"no new disk is here: put a blank one into the slot of the missing one ({gone})")
    raise RaidError("nothing is to be replaced: every array has its disks. To take one out: `hdraid fail SERIAL` first")


def _is_candidate(seen: Seen, disk: Disk) -> bool:
    """New, or one of ours that has lost its place in an array."""
    if seen.belongs(disk):
        return not seen.is_good(disk) and not any(member.is_spare for _, member in seen.memberships(disk))
    return not (disk.loose or disk.read_only or _users(seen, disk))


def _twin(seen: Seen, new: Disk) -> Disk:
    others = [disk for disk in seen.own() if disk != new and all(disk.labelled(label) for label in LABELS)]
    if not others:
        raise RaidError(f"{words(new)} is the only disk with this server's partitions, so it stays as it is")
    return max(others, key=lambda disk: sum(member.is_good for _, member in seen.memberships(disk)))


def _old(seen: Seen, new: Disk) -> str:
    """Whose place it takes: its own, else a missing disk's, else that of one without a place in any array."""
    if seen.belongs(new):
        return next(serial for serial in new.serials if serial in seen.server.serials)
    idle = (disk for disk in seen.own() if not any(not member.is_lost for _, member in seen.memberships(disk)))
    places = [*seen.missing(), *(name for disk in idle for name in disk.serials if name in seen.server.serials)]
    if not places:
        raise RaidError(
            f"no place is free for {words(new)}: every disk of this server does its work. "
            "To take one out: `hdraid fail SERIAL` first"
        )
    return places[0]


def _check_new(seen: Seen, choice: Choice) -> None:
    new, twin = choice.new, choice.twin
    for array, member in seen.memberships(new):
        if member.is_good and len(array.good) == 1:
            raise RaidError(f"{words(new)} is the only good disk of array {array.name}, so it stays as it is")
    if not new.serial:
        raise RaidError(f"{new.device} says no serial number, so nobody could tell it from others later: take another")
    if len(seen.called(new.serial)) > 1:
        one(seen, new.serial)
    if new.read_only:
        raise RaidError(f"{words(new)} can only be read: take another")
    _check_size(seen, new, twin)
    _check_users(seen, new)


def _taken(seen: Seen, twin: Disk) -> int:
    """How many sectors of its last partition are in use; 0 where nobody knows."""
    return next((array.taken for array in seen.arrays if array.name == twin.partitions[-1].label), 0)


def _needed(seen: Seen, twin: Disk) -> int:
    """The first sector behind all that a disk beside that one has to hold."""
    last = twin.partitions[-1]
    end = last.start + (_taken(seen, twin) or last.sectors)
    return end + -end % _ALIGNED


def _check_size(seen: Seen, new: Disk, twin: Disk) -> None:
    if new.sector != twin.sector:
        raise RaidError(
            f"{words(new)} has sectors of {new.sector} bytes and its twin of {twin.sector}: take one that is alike"
        )
    used = _needed(seen, twin) * _SECTOR + _SPARE_SECTORS * twin.sector
    if new.size < used:
        raise RaidError(
            f"{words(new)} is too small: its twin {words(twin)} uses {used / 1e9:,.1f} GB; take a larger one"
        )


def _check_users(seen: Seen, new: Disk) -> None:
    if users := _users(seen, new):
        raise RaidError(f"{words(new)} is in use ({', '.join(users)}): unmount it or let go of it first")


def _users(seen: Seen, new: Disk) -> list[str]:
    """Who holds it. An array that is made of it alone does not count: another server left it, it is foreign data."""
    free = {array.device for array in seen.arrays} | set(foreign_arrays(seen, new))
    esp = seen.esp(new) if seen.belongs(new) else None
    free.update(esp.users if esp else ())
    held = (new.users, *(part.users for part in new.partitions))
    return [user for each in held for user in each if user not in free]


def foreign_arrays(seen: Seen, new: Disk) -> tuple[str, ...]:
    """Arrays that are made of that disk alone and that nobody uses."""
    parts = {new.name, *(one.name for one in new.partitions)}
    return tuple(array.device for array in seen.others if {one.name for one in array.members} <= parts)


def _check_idle(seen: Seen) -> None:
    """A new disk waits until the others are at rest."""
    for array in seen.arrays:
        if array.is_busy:
            raise RaidError(busy(array))


def _serials(seen: Seen) -> str:
    return ", ".join(seen.server.serials)
