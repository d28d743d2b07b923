"""Who may have which settings yet: one canary, then Cluster after Cluster. Pure: entries and reports in, levels out.

A level is a settings number: who is at it may have every setting up to it that has not gone wrong.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

LIVE_SECONDS = 15
"""Since its last report: machines report at least each 10 s."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A machine's last report. `at`: when it came; `since`: from when on it said the same of settings and serving.

    `failed` is the settings number of the version that it went back from.
    """

    settings: int
    serving: bool
    failed: int | None
    reason: str
    at: float
    since: float


@dataclass(frozen=True, slots=True)
class Fleet:
    """`members`: Cluster by machine. `bake_seconds`: how long the canary must serve before others follow."""

    members: Mapping[str, str]
    bake_seconds: float


@dataclass(frozen=True, slots=True)
class Gate:
    """`newest` is rolling out above `completed`, when they differ. `levels` names those beyond `completed`.

    `halts`: what went wrong and is not noted yet, by number: machine and reason. `due`: when to look again.
    """

    completed: int
    newest: int
    levels: Mapping[str, int] = field(default_factory=dict)
    everywhere: bool = False
    halts: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    due: float | None = field(default=None, compare=False)

    def level(self, machine: str) -> int:
        """Up to which number this machine may have settings."""
        return self.levels.get(machine, self.completed)


def gate(numbers: Collection[int], completed: int, fleet: Fleet, seen: Mapping[str, Seen], now: float) -> Gate:
    """`numbers`: of the settings that have not gone wrong as far as is noted; `completed`: served everywhere."""
    halts = _halts(numbers, completed, fleet, seen)
    newest = max((number for number in numbers if number not in halts), default=0)
    if newest <= completed:
        return Gate(completed, completed, halts=halts)
    live = {name: seen[name] for name in fleet.members if name in seen and now - seen[name].at < LIVE_SECONDS}
    if not live:
        return Gate(completed, newest, halts=halts)
    canary = min(live)
    reached = [canary]
    expiry = min(one.at for one in live.values()) + LIVE_SECONDS
    proven_at = live[canary].since + fleet.bake_seconds
    if not _serves(live[canary], newest) or now < proven_at:
        due = min(expiry, proven_at) if _serves(live[canary], newest) else expiry
        return Gate(completed, newest, {canary: newest}, halts=halts, due=due)
    for cluster in sorted(set(fleet.members.values())):
        here = [name for name, of in fleet.members.items() if of == cluster]
        reached += here
        if not all(_serves(live[name], newest) for name in here if name in live):
            return Gate(completed, newest, dict.fromkeys(reached, newest), halts=halts, due=expiry)
    return Gate(completed, newest, dict.fromkeys(reached, newest), everywhere=True, halts=halts)


def _halts(
    numbers: Collection[int], completed: int, fleet: Fleet, seen: Mapping[str, Seen]
) -> dict[int, tuple[str, str]]:
    found: dict[int, tuple[str, str]] = {}
    for name in sorted(fleet.members):
        report = seen.get(name)
        failed = report.failed if report else None
        if report and failed is not None and failed in numbers and failed > completed:
            found.setdefault(failed, (name, report.reason))
    return found


def _serves(report: Seen, number: int) -> bool:
    # Higher, where another API machine has handed over what is not known here yet.
    return report.serving and report.settings >= number
