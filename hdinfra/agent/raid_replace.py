"""Takes a new disk in. Each step looks at what is there, so a run that was cut off anywhere is finished by the next."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from .commands import Run, wait
from .durable import sync_folder, write_whole
from .paths import REPLACING
from .raid_arrays import Array, Seen
from .raid_contents import check_contents
from .raid_disks import Disk, Partition
from .raid_esps import Esps
from .raid_rules import Choice, Intent, alike, choose, cut_as, foreign_arrays, lost, waiting, words
from .raid_server import ESP, RaidError, exchange

_MOST_STEPS = 20
_SETTLE_SECONDS = 60
_MIB = 1 << 20
_KINDS = {ESP: "EF00"}
_RAID = "FD00"

Wipe = Callable[[str, tuple[tuple[int, int], ...]], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where it is done: `look` sees, `run` starts programs, `wipe` writes zeroes, `told` hears one line a step."""

    root: Path
    run: Run
    look: Callable[[], Seen]
    wipe: Wipe
    esps: Esps
    told: Callable[[str], None]

    def must(self, *argv: str) -> None:
        """Run a program that has to end well."""
        done = self.run(argv)
        if done.code:
            raise RaidError(f"`{' '.join(argv)}` ended with {done.code}: {done.words[-300:]}")


@dataclass(frozen=True, slots=True)
class Stop:
    """An array that the new disk brought along is let go of."""

    device: str


@dataclass(frozen=True, slots=True)
class Forget:
    """An array lets go of what is gone or faulty."""

    array: Array


@dataclass(frozen=True, slots=True)
class Cut:
    """The new disk gets its twin's partitions, as it has room for them."""

    new: Disk
    twin: Disk
    partitions: tuple[Partition, ...]


@dataclass(frozen=True, slots=True)
class Add:
    """A partition of the new disk becomes half of an array."""

    array: Array
    partition: Partition


@dataclass(frozen=True, slots=True)
class Wake:
    """An array that waits for somebody to write goes on with its copying."""

    array: Array


@dataclass(frozen=True, slots=True)
class Exchange:
    """The server's file has the new disk's serial number."""

    old: str
    new: Disk


Step = Stop | Forget | Cut | Add | Wake | Exchange


def read_intent(root: Path) -> Intent | None:
    """What an earlier run began with; None when it finished, or none did."""
    try:
        told = json.loads(_intent_path(root).read_bytes())
        return Intent(str(told["new"]), str(told["old"]), bool(told["forced"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RaidError(
            f"{REPLACING} cannot be read ({error}): remove it, then `hdraid replace SERIAL --force`"
        ) from error


def replace(place: Place, name: str | None, *, force: bool) -> str:
    """Have a new disk do a lost one's work, all but the copying that the kernel does by itself; its serial number."""
    seen, intent = place.look(), read_intent(place.root)
    choice = choose(seen, name, intent)
    if intent is None or intent.new not in choice.new.serials:
        if not force:
            check_contents(place.run, seen, choice)
        intent = Intent(choice.new.serial, choice.old, force)
        write_whole(_intent_path(place.root), json.dumps(asdict(intent)).encode(), 0o600)
    place.told(f"{words(choice.new)} takes the place of {choice.old}, as its twin {words(choice.twin)} is")
    _carry_out(place, intent)
    place.esps.make_alike(place.look())
    _intent_path(place.root).unlink(missing_ok=True)
    sync_folder(_intent_path(place.root).parent)
    return intent.new


def next_step(seen: Seen, choice: Choice) -> Step | None:
    """What is to be done now, None when all is; a pure function of what is there."""
    new, twin = choice.new, choice.twin
    for device in foreign_arrays(seen, new):
        return Stop(device)
    for array in lost(seen):
        return Forget(array)
    if not alike(seen, new, twin):
        if any(seen.memberships(new)):
            raise RaidError(
                f"{words(new)} is in an array, but cut otherwise than its twin {words(twin)}: nothing is done"
            )
        return Cut(new, twin, cut_as(seen, new, twin))
    for array in seen.arrays:
        partition = new.labelled(array.name)
        if partition and not array.member(partition.name):
            return Add(array, partition)
    for array in waiting(seen):
        return Wake(array)
    return Exchange(choice.old, new) if choice.old not in new.serials else None


def _carry_out(place: Place, intent: Intent) -> None:
    for _ in range(_MOST_STEPS):
        seen = place.look()
        step = next_step(seen, _again(seen, intent))
        if step is None:
            return
        _do(place, step)
    raise RaidError("it does not get on; see `hdraid status` and the kernel's words (`dmesg`)")


def _again(seen: Seen, intent: Intent) -> Choice:
    """The same disks as they are now."""
    found = seen.called(intent.new)
    if len(found) != 1:
        raise RaidError(f"{intent.new} is gone, or here twice: put it back and run `hdraid replace` again")
    others = [
        disk for disk in seen.own() if disk != found[0] and any(member.is_good for _, member in seen.memberships(disk))
    ]
    if not others:
        raise RaidError("no good disk is left beside the new one: nothing is done")
    twin = max(others, key=lambda disk: len(disk.partitions))
    old = intent.new if seen.belongs(found[0]) else intent.old
    return Choice(found[0], twin, old)


def _do(place: Place, step: Step) -> None:
    match step:
        case Stop(device):
            place.told(f"stopping {device}, an array that it brought along")
            place.must("mdadm", "--stop", f"/dev/{device}")
        case Forget(array):
            forget(place, array)
        case Cut():
            _cut(place, step)
        case Add(array, partition):
            _add(place, array, partition)
        case Wake(array):
            _wake(place, array)
        case Exchange(old, new):
            place.told(f"{new.serial} stands in the server's file where {old} stood")
            exchange(place.root, old, new.serial, new.mebibytes)


def forget(place: Place, array: Array) -> None:
    """Gone ones first: mdadm knows them by no other name (mdadm(8), "detached")."""
    place.told(f"array {array.name}: letting go of what is gone or faulty")
    place.run(("mdadm", f"/dev/{array.device}", "--fail", "detached", "--remove", "detached"))
    place.run(("mdadm", f"/dev/{array.device}", "--remove", "failed"))


def resume(place: Place) -> None:
    """Have the kernel go on with what a restart cut short: a spare one that came back with an array which nobody
    writes to, such as swap, is otherwise not written for as long."""
    for array in waiting(place.look()):
        _wake(place, array)


def _wake(place: Place, array: Array) -> None:
    place.told(f"array {array.name}: going on with the copying that a restart cut short")
    place.must("mdadm", "--readwrite", f"/dev/{array.device}")


def _cut(place: Place, step: Cut) -> None:
    new, twin = step.new, step.twin
    place.told(f"{new.serial}: partitions as {twin.serial} has them")
    edges = ((0, _MIB), (new.size - _MIB, new.size))
    place.wipe(new.device, (*edges, *(span for part in step.partitions for span in _ends(part.start, part.end))))
    # One run writes all: the second table first, then the first (sgdisk(8)).
    place.must("sgdisk", "--clear", "--set-alignment=1", *_cuts(twin.sector, step.partitions), new.device)
    place.run(("udevadm", "settle"))

    def is_cut() -> bool:
        seen = place.look()
        now = seen.called(new.serial)
        return len(now) == 1 and alike(seen, now[0], twin)

    if not wait(is_cut, _SETTLE_SECONDS):
        raise RaidError(
            f"the kernel does not show the partitions of {words(new)}: `partprobe {new.device}`, then again"
        )


def _cuts(sector: int, partitions: tuple[Partition, ...]) -> list[str]:
    """sgdisk's words for each partition; it counts in the disk's own sectors."""
    unit = sector // 512
    found = []
    for part in partitions:
        kind = part.kind or _KINDS.get(part.label, _RAID)
        found += [f"--new={part.number}:{part.start // unit}:{part.end // unit - 1}"]
        found += [f"--typecode={part.number}:{kind}", f"--change-name={part.number}:{part.label}"]
    return found


def _add(place: Place, array: Array, partition: Partition) -> None:
    if not any(member.name != partition.name for member in array.good):
        raise RaidError(f"array {array.name} has no good disk but this one: nothing is written to it")
    place.told(f"array {array.name}: adding {partition.device}")
    # What is left of an older life there would make mdadm refuse, or udev assemble it.
    place.wipe(partition.device, _ends(0, partition.sectors))
    place.must("mdadm", "--manage", f"/dev/{array.device}", "--add", partition.device)


def _ends(start: int, end: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """The first and the last MiB between two sectors of 512 bytes, in bytes."""
    begin, over = start * 512, end * 512
    return (begin, min(begin + _MIB, over)), (max(over - _MIB, begin), over)


def _intent_path(root: Path) -> Path:
    return root / REPLACING.lstrip("/")
