"""What a disk that is to be taken in has on it: nothing, an old copy of this server's own arrays, or foreign data."""

import json
import os
from collections.abc import Mapping

from .commands import Run
from .raid_arrays import Seen
from .raid_disks import Disk, Partition
from .raid_rules import Choice, words
from .raid_server import ARRAYS, RaidError

_SHOWN = 6
_TABLES = ("gpt ", "PMBR ", "dos ", "a partition ")
"""Where data may lie, which says less than the data."""


def check_contents(run: Run, seen: Seen, choice: Choice) -> None:
    """RaidError when the new disk has anything on it but an older copy of what its twin holds."""
    found = signatures(run, choice.new)
    if not found:
        return
    if seen.belongs(choice.new) and _is_older_copy(run, choice):
        return
    listed = ", ".join(found[:_SHOWN]) + (" ..." if len(found) > _SHOWN else "")
    raise RaidError(
        f"{words(choice.new)} is not blank ({listed}). If nobody needs that any more: "
        f"`hdraid replace {choice.new.serial} --force`"
    )


def signatures(run: Run, disk: Disk) -> tuple[str, ...]:
    """What wipefs(8) would erase, on the disk and on its partitions, and partitions themselves; data comes first."""
    found = [f"{kind} on {disk.name}" for kind in _signatures(run, disk.device)]
    for part in disk.partitions:
        kinds = _signatures(run, part.device) or ("a partition",)
        found += [f"{kind} on {part.name}" for kind in kinds]
    return tuple(sorted(dict.fromkeys(found), key=lambda each: each.startswith(_TABLES)))


def _signatures(run: Run, device: str) -> tuple[str, ...]:
    done = run(("wipefs", "--no-act", "--json", device))
    if done.code:
        raise RaidError(f"{device} cannot be read, so it is not taken for a blank one: {done.words[-200:]}")
    if not done.words:
        return ()
    try:
        return tuple(str(each["type"]) for each in json.loads(done.words)["signatures"])
    except (ValueError, KeyError, TypeError) as error:
        raise RaidError(f"wipefs says of {device} what nobody understands: {done.words[:200]}") from error


def _is_older_copy(run: Run, choice: Choice) -> bool:
    """Whether all its arrays are its twin's, and nothing was written to them since they parted."""
    return all(_is_older(run, choice.new.labelled(name), choice.twin.labelled(name)) for name in ARRAYS)


def _is_older(run: Run, old: Partition | None, good: Partition | None) -> bool:
    if old is None or good is None:
        return False
    theirs, ours = superblock(run, old), superblock(run, good)
    same = theirs.get("MD_UUID") == ours.get("MD_UUID") is not None
    return same and _number(theirs, "MD_EVENTS") <= _number(ours, "MD_EVENTS")


def superblock(run: Run, partition: Partition) -> Mapping[str, str]:
    """What mdadm finds at its begin; nothing where there is none."""
    done = run(("mdadm", "--examine", "--export", partition.device))
    lines = done.words.splitlines() if done.code == 0 else []
    return dict(line.split("=", 1) for line in lines if line.startswith("MD_") and "=" in line)


def wipe(device: str, spans: tuple[tuple[int, int], ...]) -> None:
    """Zeroes from byte to byte. The kernel refuses (OSError) while anybody has the disk or a part of it (O_EXCL)."""
    zeroes = bytes(1 << 20)
    with os.fdopen(os.open(device, os.O_WRONLY | os.O_EXCL), "wb", buffering=0) as file:
        for begin, end in spans:
            file.seek(begin)
            left = end - begin
            while left > 0:
                left -= file.write(zeroes[: min(left, len(zeroes))])
        os.fsync(file.fileno())


def _number(told: Mapping[str, str], name: str) -> int:
    text = told.get(name, "")
    return int(text) if text.isdigit() else 0
