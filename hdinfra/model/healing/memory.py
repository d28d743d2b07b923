"""What healing remembers from look to look, what it decides, and by which rules. Plain, frozen, and fit for JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from hdinfra.model.healing.sighting import Sighting


@dataclass(frozen=True, slots=True)
class Policy:
    """The spec's `healing`, without its shape. The names and defaults are explained there."""

    act: str = "heal"
    failure_threshold: int = 2
    recovery_threshold: int = 1
    max_flaps: int = 6
    flap_window_seconds: float = 3_600
    settle_seconds: float = 12
    witnesses: int = 2
    keep: tuple[str, ...] = ()
    changes_per_hour: int = 2

    @classmethod
    def of(cls, healing: Mapping[str, Any]) -> "Policy":
        """From the section `healing` of a deployed spec, in which what is left out has its default."""
        known = {name: value for name, value in healing.items() if name in cls.__slots__ and name != "keep"}
        changes = (healing.get("budget") or {}).get("changes_per_hour", cls().changes_per_hour)
        return cls(**known, keep=tuple(healing.get("keep", ())), changes_per_hour=changes)


@dataclass(frozen=True, slots=True)
class Record:
    """One Cluster's. `since`: when the first witness saw it down; `flips`: when it was lost or back, of late."""

    downs: int = 0
    ups: int = 0
    splits: int = 0
    is_lost: bool = False
    since: float | None = None
    flips: tuple[float, ...] = ()
    is_flapping: bool = False


@dataclass(frozen=True, slots=True)
class Memory:
    """`now`: the time of the last look. `healing`: the Cluster whose heal runs; `left`: one whose heal a process before
    this one had begun, and nobody saw its end. `changes`: when heals began within the last hour. `told`: alarms that
    stand, so that each is told once. `blinds`: looks in a row that saw nothing, since `blind_since`. `blocked_since`:
    since when a lock holds up what should be done; `locked_by`: what the engine said of it, where it was tried, which
    is not before `again_at`. All times are of one clock."""

    now: float = 0.0
    records: Mapping[str, Record] = field(default_factory=dict)
    healing: str | None = None
    changes: tuple[float, ...] = ()
    told: tuple[str, ...] = ()
    left: str | None = None
    blinds: int = 0
    blind_since: float | None = None
    blocked_since: float | None = None
    locked_by: str = ""
    again_at: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """For the file in which it outlives the process."""
        return asdict(self)

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Memory":
        """From that file."""
        records = {name: Record(**{**one, "flips": tuple(one["flips"])}) for name, one in kept["records"].items()}
        lists = {name: tuple(kept[name]) for name in ("changes", "told")}
        return cls(**{**kept, **lists, "records": records})


@dataclass(frozen=True, slots=True)
class Look:
    """All that was seen at once. `clusters`: those that may take Machines; `withdrawn`: the others; `busy`: who else
    is changing the stack, empty for nobody. `silent_edges`: all edges of ours, where none of them is heard; `blind`:
    why nobody could be asked at all; `stack`: as people type it."""

    sightings: tuple[Sighting, ...]
    clusters: tuple[str, ...]
    withdrawn: tuple[str, ...] = ()
    busy: str = ""
    silent_edges: tuple[str, ...] = ()
    blind: str = ""
    stack: str = "local"


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing is due, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """A human is needed. `code` is one of the section "Alarms" of docs/failover.md."""

    code: str
    cluster: str
    reason: str


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Give that Cluster up. `away`: Clusters and places that cannot be asked either while it is done."""

    cluster: str
    evidence: tuple[Sighting, ...]
    away: tuple[str, ...] = ()


Decision = Nothing | Alarm | Withdraw


def ended(memory: Memory) -> Memory:
    """The heal that ran is over, however it ended; whether it is tried again is decided from what is seen then."""
    return replace(memory, healing=None, locked_by="", blocked_since=None)


def locked_out(memory: Memory, said: str, pause_seconds: float) -> Memory:
    """The heal could not begin, for the stack is locked: that was no change, and it is tried again after the pause."""
    was_counted = memory.changes[-1:] == (memory.now,)
    return replace(
        memory,
        healing=None,
        left=memory.left if was_counted else memory.healing,
        changes=memory.changes[:-1] if was_counted else memory.changes,
        locked_by=said,
        blocked_since=memory.now if memory.blocked_since is None else memory.blocked_since,
        again_at=memory.now + pause_seconds,
    )


def begun_anew(memory: Memory) -> Memory:
    """Of a process that begins: what the last one saw is no evidence now, and a heal that it had begun is `left`."""
    records = {name: replace(record, downs=0, ups=0, splits=0, since=None) for name, record in memory.records.items()}
    return replace(memory, records=records, healing=None, left=memory.healing or memory.left)


def at_time(memory: Memory, now: float) -> Memory:
    """The same at that time. Where the clock went back, all that is remembered goes back with it: how long something
    has lasted so far holds, and nothing waits until the old time is reached again."""
    back = memory.now - now
    if back <= 0:
        return replace(memory, now=now)
    records = {
        name: replace(record, since=_earlier(record.since, back), flips=tuple(at - back for at in record.flips))
        for name, record in memory.records.items()
    }
    return replace(
        memory,
        now=now,
        records=records,
        changes=tuple(at - back for at in memory.changes),
        blind_since=_earlier(memory.blind_since, back),
        blocked_since=_earlier(memory.blocked_since, back),
        again_at=memory.again_at - back,
    )


def _earlier(at: float | None, seconds: float) -> float | None:
    return None if at is None else at - seconds


def forgiven(memory: Memory, cluster: str) -> Memory:
    """A human says that the Cluster is well: its past is forgotten, and with the next look its alarms are over."""
    return replace(memory, records={name: record for name, record in memory.records.items() if name != cluster})
