"""What is refused, each in words that say the way out."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hdinfra.agent.commands import Result
from hdinfra.agent.raid_arrays import Array, Member, Seen
from hdinfra.agent.raid_contents import check_contents, signatures
from hdinfra.agent.raid_disks import Disk, Partition
from hdinfra.agent.raid_replace import Cut, next_step
from hdinfra.agent.raid_rules import Choice, Intent, alike, being_written, choose, cut_as, foreign_arrays, may_fail
from hdinfra.agent.raid_server import RaidError, Server
from tests.machine.raid_world import SIZE, World

NEW = Disk("vdz", ("NEW",), SIZE, 512)


@pytest.fixture
def seen(tmp_path: Path) -> Seen:
    """A server that lacks B, whose new disk has just been put in."""
    world = World(tmp_path)
    world.pull("B")
    world.write()
    return with_disk(world.look(), NEW)


@pytest.fixture
def whole(tmp_path: Path) -> Seen:
    """One that lacks nothing."""
    return World(tmp_path / "whole").look()


def with_disk(seen: Seen, disk: Disk) -> Seen:
    """It, and that disk."""
    return replace(seen, disks=(*seen.disks, disk))


def acting(seen: Seen, action: str) -> Seen:
    """Its root array is at that."""
    return replace(seen, arrays=tuple(replace(a, action=action) if a.name == "root" else a for a in seen.arrays))


@dataclass(frozen=True)
class Case:
    """A situation made from one in which NEW would be taken in, and words of the refusal."""

    make: Callable[[Seen], Seen]
    words: str
    name: str | None = None


def new(**changes: object) -> Callable[[Seen], Seen]:
    """The new disk is different."""
    return lambda seen: with_disk(replace(seen, disks=seen.disks[:-1]), replace(NEW, **changes))  # type: ignore[arg-type]


def mounted() -> Disk:
    return replace(NEW, partitions=(Partition("vdz1", 1, "", 2048, 4096, ("/mnt",)),))


def no_good(seen: Seen) -> Seen:
    bad = tuple(replace(a, members=(Member("x4", frozenset({"faulty"})),)) for a in seen.arrays[:1])
    return replace(seen, arrays=(*bad, *seen.arrays[1:]))


CASES = {
    "no new disk": Case(lambda s: replace(s, disks=s.disks[:-1]), r"no new disk is here.*missing one \(B\)"),
    "two new disks": Case(lambda s: with_disk(s, Disk("vdy", ("OTHER",), SIZE, 512)), "which one.*NEW .*, OTHER "),
    "no such disk": Case(lambda s: s, "there is no disk 'WRONG' here", "WRONG"),
    "two paths": Case(lambda s: with_disk(s, replace(NEW, name="vdy")), "two paths to one disk", "NEW"),
    "the only good disk": Case(lambda s: s, "A .* is the only disk with this server's partitions", "A"),
    "too small": Case(new(size=SIZE // 2), "NEW .* is too small: its twin A .* uses 0.2 GB"),
    "other sectors": Case(new(sector=4096), "sectors of 4096 bytes and its twin of 512"),
    "no serial number": Case(new(serials=()), "/dev/vdz says no serial number", "/dev/vdz"),
    "read-only": Case(new(read_only=True), "can only be read", "NEW"),
    "in use": Case(new(users=("dm-0",)), r"NEW .* is in use \(dm-0\)", "NEW"),
    "mounted": Case(lambda s: with_disk(replace(s, disks=s.disks[:-1]), mounted()), r"is in use \(/mnt\)", "NEW"),
    "during a check": Case(
        lambda s: acting(s, "check"), r"is being checked .*echo idle >/sys/block/md2/md/sync_action"
    ),
    "during a resync": Case(lambda s: acting(s, "resync"), r"is being written \(resync, 50 % done\): wait"),
    "during a copy": Case(lambda s: acting(s, "recover"), r"is being written \(recover, 50 % done\): wait"),
    "another server's file": Case(
        lambda s: replace(s, server=Server("x", ("Y", "Z"))), "knows Y, Z, and none of these is here"
    ),
    "an array does not run": Case(lambda s: replace(s, arrays=s.arrays[1:]), "array boot does not run"),
    "no good disk": Case(no_good, "array boot has no good disk left"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_new_disk_is_refused(seen: Seen, case: Case) -> None:
    assert choose(seen, None, None).new == NEW
    with pytest.raises(RaidError, match=case.words):
        choose(case.make(seen), case.name, None)


def test_where_nothing_is_lacking_nothing_is_replaced(whole: Seen) -> None:
    with pytest.raises(RaidError, match=r"nothing is to be replaced.*`hdraid fail SERIAL` first"):
        choose(whole, None, None)
    with pytest.raises(RaidError, match=r"no place is free for NEW .*`hdraid fail SERIAL` first"):
        choose(with_disk(whole, NEW), None, None)
    with pytest.raises(RaidError, match=r"A .* holds everything already"):
        choose(whole, "A", None)


def test_a_disk_that_is_half_taken_in_comes_first(seen: Seen) -> None:
    other = with_disk(seen, Disk("vdy", ("OTHER",), SIZE, 512))
    intent = Intent("NEW", "B", forced=False)
    assert choose(other, None, intent).new == NEW
    assert choose(acting(other, "recover"), None, intent).new == NEW
    with pytest.raises(RaidError, match=r"NEW .* is half taken in: go on with `hdraid replace NEW`"):
        choose(other, "OTHER", intent)
    assert choose(seen, None, Intent("GONE", "B", forced=True)).new == NEW


def test_sticks_and_disks_in_use_are_never_meant(seen: Seen) -> None:
    stick = Disk("sda", ("STICK",), SIZE, 512, loose=True)
    used = Disk("sdb", ("USED",), SIZE, 512, users=("/",))
    assert choose(with_disk(with_disk(seen, stick), used), None, None).new == NEW


def test_a_disk_of_another_server_is_seen_for_what_it_is(seen: Seen) -> None:
    parts = (Partition("vdz1", 1, "root", 2048, 4096, ("md126",)),)
    foreign = Array("root", "md126", 2, (Member("vdz1", frozenset({"in_sync"})),))
    disk = replace(NEW, partitions=parts)
    there = replace(with_disk(replace(seen, disks=seen.disks[:-1]), disk), others=(foreign,))
    choice = choose(there, None, None)
    assert foreign_arrays(there, choice.new) == ("md126",)
    told = Result(0, '{"signatures": [{"type": "linux_raid_member"}]}')
    with pytest.raises(RaidError, match=r"NEW .* is not blank .linux_raid_member on vdz.*hdraid replace NEW --force"):
        check_contents(lambda _: told, there, choice)


def test_data_is_named_before_the_tables_it_lies_in() -> None:
    """Of a long list people see the first six."""
    parts = tuple(Partition(f"vdz{n}", n, "", 2048 * n, 2048 * n + 2047, ()) for n in range(1, 9))
    on = {"vdz": ("gpt", "gpt", "PMBR"), "vdz8": ("ext4",)}

    def told(argv: Sequence[str]) -> Result:
        found = [{"type": kind} for kind in on.get(argv[-1].removeprefix("/dev/"), ())]
        return Result(0, json.dumps({"signatures": found}))

    listed = signatures(told, replace(NEW, name="vdz", partitions=parts))
    assert listed[0] == "ext4 on vdz8"
    assert listed[1:3] == ("gpt on vdz", "PMBR on vdz"), "each once"


@pytest.mark.parametrize("told", [Result(1, "Input/output error"), Result(0, "odd"), Result(0, '{"signatures": 1}')])
def test_a_disk_that_cannot_be_read_is_not_blank(told: Result) -> None:
    with pytest.raises(RaidError, match=r"cannot be read, so it is not taken for a blank one|nobody understands"):
        signatures(lambda _: told, NEW)


def test_a_disk_in_an_array_is_never_cut_anew(whole: Seen) -> None:
    first, second = whole.disks
    assert isinstance(next_step(whole, Choice(NEW, first, "B")), Cut)
    shifted = replace(second, partitions=(*second.partitions[:3], replace(second.partitions[3], start=999)))
    with pytest.raises(RaidError, match=r"cut otherwise than its twin"):
        next_step(replace(whole, disks=(first, shifted)), Choice(shifted, first, "B"))


def unequal(whole: Seen) -> tuple[Seen, Disk, Disk]:
    """Another installer made root as large as each disk allows: B has room for 4,096 sectors more, and root for what A
    has but for the last 1,000."""
    first, second = whole.disks
    *others, root = second.partitions
    longer = replace(second, partitions=(*others, replace(root, sectors=root.sectors + 4096)), size=SIZE + (4096 << 9))
    arrays = tuple(replace(a, taken=root.sectors - 1000) if a.name == "root" else a for a in whole.arrays)
    return replace(whole, disks=(first, longer), arrays=arrays), first, longer


def test_disks_whose_last_partitions_both_hold_the_array_are_alike(whole: Seen) -> None:
    seen, first, longer = unequal(whole)
    assert alike(seen, first, longer) and alike(seen, longer, first)
    assert not alike(whole, first, longer), "where nobody knows what is in use"
    short = replace(first, partitions=(*first.partitions[:3], replace(first.partitions[3], sectors=2048)))
    assert not alike(seen, short, longer)


def test_a_new_disk_as_small_as_the_one_that_failed_is_large_enough(whole: Seen) -> None:
    """480 and 500 GB: the 480 fails, and a new 480 comes."""
    seen, first, longer = unequal(whole)
    root = longer.partitions[3]
    taken = (root.start + root.sectors - 4096 - 1000 + 7) // 8 * 8
    small = replace(NEW, size=(taken + 34) * 512)
    left = replace(seen, disks=(longer, small))
    choice = choose(without_first(left, first), "NEW", None)
    step = next_step(left, choice)
    assert isinstance(step, Cut)
    *others, last = step.partitions
    assert tuple(others) == longer.partitions[:3]
    assert (last.start, last.end) == (root.start, taken)
    assert alike(left, replace(small, partitions=step.partitions), longer)
    with pytest.raises(RaidError, match="is too small"):
        choose(without_first(replace(seen, disks=(longer, replace(small, size=small.size - 512))), first), "NEW", None)
    room = replace(NEW, size=(taken + 2048 + 34) * 512)
    assert cut_as(seen, room, longer)[-1].end == taken + 2048, "what it has room for"
    assert cut_as(seen, replace(NEW, size=SIZE * 2), longer) == longer.partitions


def without_first(seen: Seen, first: Disk) -> Seen:
    """Its arrays have let go of it."""
    own = {part.name for part in first.partitions}
    arrays = (replace(a, members=tuple(m for m in a.members if m.name not in own)) for a in seen.arrays)
    return replace(seen, arrays=tuple(arrays))


FAILS: dict[str, tuple[Callable[[Seen], Seen], str, str]] = {
    "no disk of this server": (lambda s: with_disk(s, NEW), "NEW", "NEW .* is no disk of this server.*knows A, B"),
    "no such disk": (lambda s: s, "C", "there is no disk 'C' here; there are A .*, B "),
    "a check runs": (lambda s: acting(s, "check"), "B", "is being checked"),
    "a resync runs": (lambda s: acting(s, "resync"), "B", "is being written"),
    "in no array": (
        lambda s: replace(s, arrays=tuple(replace(a, members=a.members[:1]) for a in s.arrays)),
        "B",
        "B .* has no place in any array already",
    ),
    "the only good one": (
        lambda s: replace(s, arrays=tuple(replace(a, members=a.members[1:]) for a in s.arrays)),
        "B",
        r"B .* is the only good disk of array boot \[U_\], so it stays: first get the other one back",
    ),
}


@pytest.mark.parametrize("case", FAILS.values(), ids=FAILS.keys())
def test_a_disk_is_not_failed(whole: Seen, case: tuple[Callable[[Seen], Seen], str, str]) -> None:
    make, name, words = case
    assert may_fail(whole, "B").serial == may_fail(whole, whole.disks[1].device).serial == "B"
    with pytest.raises(RaidError, match=words):
        may_fail(make(whole), name)


def test_a_disk_that_is_being_written_may_be_given_up(whole: Seen) -> None:
    arrays = tuple(
        replace(a, action="recover", members=(a.members[0], replace(a.members[1], states=frozenset({"spare"}))))
        for a in whole.arrays
    )
    written = replace(whole, arrays=arrays)
    assert being_written(written) == may_fail(written, "B").serial == "B"
    assert being_written(whole) is None
    with pytest.raises(RaidError, match=r"A .* is the only good disk of array boot"):
        may_fail(written, "A")
