"""One look further: what is known of each Cluster now, and the one thing that is to be done about it."""

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from hdinfra.model.healing.case import Case
from hdinfra.model.healing.memory import (
    Alarm,
    Decision,
    Look,
    Memory,
    Nothing,
    Policy,
    Record,
    Withdraw,
    at_time,
)
from hdinfra.model.healing.sighting import Sighting

HOUR_SECONDS = 3_600.0
BLIND = "blind/"
"""Under which it is remembered that this alarm was told."""


class View(StrEnum):
    """What the witnesses of one Cluster say together."""

    UP = "up"
    DOWN = "down"
    SPLIT = "split"
    ALONE = "alone"
    UNKNOWN = "unknown"


def step(policy: Policy, memory: Memory, look: Look, now: float) -> tuple[Memory, Decision]:
    """The memory after this look, and the decision. `now` in seconds of the watcher's own clock, which may go back.

    At most one Withdraw is pending at a time, and each costs one of the changes that an hour has; going on with what
    was `left` costs none again.
    """
    memory = at_time(memory, now)
    changes = tuple(at for at in memory.changes if now - at < HOUR_SECONDS)
    memory = replace(memory, changes=changes)
    if not look.sightings:
        return _blind(policy, memory, look)
    witnessed = (*look.clusters, *look.withdrawn)
    records = {name: _seen(policy, memory.records.get(name, Record()), name, look, now) for name in witnessed}
    memory = replace(memory, records=records, blinds=0, blind_since=None)
    if why := Case(policy, memory, look).why_not_go_on():
        return replace(memory, left=None), Nothing(f"the heal of `{memory.left}` that was begun is given up: {why}")
    memory = _held_up(policy, memory, look)
    case = Case(policy, memory, look)
    standing = list(case.alarms())
    keys = tuple(f"{alarm.code}/{alarm.cluster}" for alarm in standing)
    for alarm, key in zip(standing, keys, strict=True):
        if key not in memory.told:
            kept = tuple(told for told in memory.told if told in keys)
            return replace(memory, told=(*kept, key)), alarm
    memory = replace(memory, told=keys)
    decision = case.deed(standing)
    if isinstance(decision, Withdraw):
        cluster = decision.cluster
        if not case.is_counted(cluster):
            changes = (*changes, now)
        left = None if memory.left == cluster else memory.left
        memory = replace(memory, healing=cluster, changes=changes, left=left)
    return memory, decision


def _blind(policy: Policy, memory: Memory, look: Look) -> tuple[Memory, Decision]:
    """Nobody says anything: no loss, and nothing else that was told is over; but a human should know."""
    records = {name: replace(record, downs=0, ups=0) for name, record in memory.records.items()}
    since = memory.now if memory.blind_since is None else memory.blind_since
    memory = replace(memory, records=records, blinds=memory.blinds + 1, blind_since=since)
    reason = look.blind or "no witness says anything"
    lasted = memory.now - since
    is_short = memory.blinds <= policy.failure_threshold or lasted < policy.settle_seconds
    if is_short or BLIND in memory.told:
        return memory, Nothing(reason)
    told = f"nothing is seen of the Zone, and nothing would be healed; this watcher may be what is cut off: {reason}"
    return replace(memory, told=(*memory.told, BLIND)), Alarm("blind", "", told)


def _held_up(policy: Policy, memory: Memory, look: Look) -> Memory:
    """With since when a lock holds up what should be done."""
    if not Case(policy, memory, look).held_up():
        return replace(memory, blocked_since=None, locked_by="")
    return replace(memory, blocked_since=memory.now if memory.blocked_since is None else memory.blocked_since)


def view_of(policy: Policy, record: Record, cluster: str, sightings: Sequence[Sighting], now: float) -> View:
    """What the witnesses outside that Cluster say. One who heard it last before the loss began does not contradict."""
    lasted = now - record.since if record.since is not None else 0.0
    votes = [one for one in sightings if one.cluster == cluster and one.stands != cluster]
    downs = {one.witness for one in votes if not one.up}
    ups = {one.witness for one in votes if one.up and (not downs or one.age < lasted)}
    if downs and ups:
        return View.SPLIT
    if ups:
        return View.UP
    if not downs:
        return View.UNKNOWN
    return View.DOWN if len(downs) >= policy.witnesses else View.ALONE


def _seen(policy: Policy, before: Record, cluster: str, look: Look, now: float) -> Record:
    if before.is_flapping:
        return before
    flips = tuple(at for at in before.flips if now - at < policy.flap_window_seconds)
    before = record = replace(before, flips=flips)
    match view_of(policy, before, cluster, look.sightings, now):
        case View.UP:
            record = replace(record, downs=0, splits=0, ups=before.ups + 1, since=None)
            if record.is_lost and record.ups >= policy.recovery_threshold:
                record = replace(record, is_lost=False, flips=(*flips, now))
        case View.DOWN:
            since = now if before.since is None else before.since
            record = replace(record, ups=0, splits=0, downs=before.downs + 1, since=since)
            if not record.is_lost and record.downs >= policy.failure_threshold:
                record = replace(record, is_lost=True, flips=(*flips, now))
        case View.SPLIT:
            record = replace(record, ups=0, downs=0, splits=before.splits + 1, since=_first(before, now))
        case View.ALONE:
            record = replace(record, ups=0, downs=0, since=_first(before, now))
        case View.UNKNOWN:
            record = replace(record, ups=0, downs=0)  # a loss that nobody sees now is not acted on now
    # The seventh switch is not made: from here on the Cluster counts as what it was, until a human says otherwise.
    if len(record.flips) > policy.max_flaps:
        record = replace(record, is_lost=before.is_lost, flips=before.flips, is_flapping=True)
    return record


def _first(record: Record, now: float) -> float:
    return now if record.since is None else record.since
