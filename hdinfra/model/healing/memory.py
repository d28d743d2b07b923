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
    """`now`: the newest time it knows, for clocks that go back. `healing`: the Cluster whose heal runs. `changes`: when
    heals began within the last hour. `told`: alarms that stand, so that each is told once."""

    now: float = 0.0
    records: Mapping[str, Record] = field(default_factory=dict)
    healing: str | None = None
    changes: tuple[float, ...] = ()
    told: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For the file in which it outlives the process."""
        return asdict(self)

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> "Memory":
        """From that file."""
        records = {name: Record(**{**one, "flips": tuple(one["flips"])}) for name, one in kept["records"].items()}
        return cls(kept["now"], records, kept["healing"], tuple(kept["changes"]), tuple(kept["told"]))


@dataclass(frozen=True, slots=True)
class Look:
    """All that was seen at once. `clusters`: those that may take Machines; `withdrawn`: the others; `busy`: who else
    is changing the stack, empty for nobody."""

    sightings: tuple[Sighting, ...]
    clusters: tuple[str, ...]
    withdrawn: tuple[str, ...] = ()
    busy: str = ""


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
    return replace(memory, healing=None)


def forgiven(memory: Memory, cluster: str) -> Memory:
    """A human says that the Cluster is well: its past is forgotten, and with the next look its alarms are over."""
    return replace(memory, records={name: record for name, record in memory.records.items() if name != cluster})
