"""How a server's disks are, as plain data for programs and as lines for people."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .commands import Run
from .raid_alerts import alerts
from .raid_arrays import Array, Member, Seen
from .raid_boot import Boot
from .raid_disks import Disk
from .raid_notes import CHECKED, Note
from .raid_progress import clock
from .raid_rules import Intent

Json = dict[str, Any]


def report(
    seen: Seen, esps: Mapping[str, Boot] | None, notes: Sequence[Note], intent: Intent | None, health: Mapping[str, str]
) -> Json:
    """All there is. Sizes in bytes, times in seconds since 1970; `health` is smartctl's word by serial number."""
    return {
        "server": seen.server.name,
        "arrays": [_array(seen, array) for array in seen.arrays],
        "disks": [_disk(seen, disk, esps or {}, health) for disk in seen.disks],
        "missing": list(seen.missing()),
        "boot_mounted_from": _mounted_from(seen),
        "last_check": _last_check(notes),
        "notes": [
            {"source": note.source, "event": note.event, "about": note.about, "text": note.text, "at": note.at}
            for note in notes
        ],
        "problems": [f"{about}: {text}" for about, text in sorted(alerts(seen, esps, notes, intent, health).items())],
    }


def health(run: Run, seen: Seen) -> dict[str, str]:
    """Of every disk what smartctl(8) thinks: passed, failing, or unknown where the disk or the program says nothing."""
    return {disk.serial: _health(run, disk) for disk in seen.disks}


def lines(told: Json) -> Iterator[str]:
    """For people."""
    yield f"server   {told['server']}"
    for array in told["arrays"]:
        yield f"array    {array['name']:<5} {array['marks']}  {_members(array)}{_doing(array)}{_differ(array)}"
    for disk in told["disks"]:
        size, serial = f"{disk['bytes'] / 1e9:,.1f} GB", disk["serial"] or "no serial number"
        tail = f", boot partition {disk['boot']}, SMART {disk['smart']}" if disk["belongs"] else ""
        yield f"disk     {serial}  {disk['device']}  {size}, {disk['role']}{tail}"
    yield from (f"missing  {serial}" for serial in told["missing"])
    if check := told["last_check"]:
        yield f"checked  {time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime(check['at']))}: {check['text']}"
    yield from (f"problem  {problem}" for problem in told["problems"])
    if not told["problems"]:
        yield "well     every array is whole and every disk can start this server"


def _array(seen: Seen, array: Array) -> Json:
    return {
        "name": array.name,
        "device": f"/dev/{array.device}",
        "marks": array.marks,
        "wanted": array.wanted,
        "whole": array.is_whole,
        "action": array.action,
        "percent": None if array.percent is None else round(array.percent, 1),
        "kib_per_second": array.speed,
        "seconds_left": round((array.total - array.done) / array.speed) if array.is_busy and array.speed else None,
        "mismatches": array.mismatches,
        "members": [_member(seen, array, member) for member in array.members],
    }


def _member(seen: Seen, array: Array, member: Member) -> Json:
    disk = seen.of_partition(member.name)
    return {"serial": disk.serial if disk else "", "partition": member.name, "state": _state(array, member)}


def _state(array: Array, member: Member) -> str:
    if member.is_lost:
        return "faulty" if member.there else "gone"
    if member.is_good:
        return "good"
    return "being written" if array.action == "recover" else "spare"


def _disk(seen: Seen, disk: Disk, esps: Mapping[str, Boot], health: Mapping[str, str]) -> Json:
    boot = esps.get(disk.serial)
    return {
        "serial": disk.serial,
        "device": disk.device,
        "bytes": disk.size,
        "belongs": seen.belongs(disk),
        "role": _role(seen, disk),
        "boot": str(boot.holds) if boot else "unknown",
        "smart": health.get(disk.serial, "unknown"),
    }


def _role(seen: Seen, disk: Disk) -> str:
    if not seen.belongs(disk):
        return "not of this server"
    places = [member for _, member in seen.memberships(disk)]
    if not places:
        return "in no array"
    if any(member.is_lost for member in places):
        return "failed"
    if all(member.is_good for member in places):
        return "good"
    return "being written" if any(array.is_busy for array, _ in seen.memberships(disk)) else "spare"


def _mounted_from(seen: Seen) -> str | None:
    disk = seen.of_partition(seen.esp_mount.name) if seen.esp_mount else None
    return disk.serial if disk else None


def _last_check(notes: Sequence[Note]) -> Json | None:
    found = [note for note in notes if note.event == CHECKED]
    return {"at": found[-1].at, "text": found[-1].text} if found else None


def _health(run: Run, disk: Disk) -> str:
    done = run(("smartctl", "--health", "--json", disk.device))
    try:
        passed = json.loads(done.words)["smart_status"]["passed"]
    except (ValueError, KeyError, TypeError):
        return "unknown"
    return "passed" if passed else "failing"


def _members(array: Json) -> str:
    return ", ".join(f"{one['serial'] or one['partition']} {one['state']}" for one in array["members"])


def _doing(array: Json) -> str:
    if array["percent"] is None:
        return f"; {array['action']}, waiting for its turn" if array["action"] not in ("idle", "frozen") else ""
    left = f", {clock(array['seconds_left'])} left" if array["seconds_left"] is not None else ""
    return f"; {array['action']} {array['percent']:.1f} %, {array['kib_per_second'] / 1024:,.1f} MiB/s{left}"


def _differ(array: Json) -> str:
    return f"; {array['mismatches']} sectors differ" if array["mismatches"] else ""
