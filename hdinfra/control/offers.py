"""What each machine is offered: the release that it may have, and the settings that have come to it in the roll-out."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hdinfra.control.reports import Reports
from hdinfra.control.rollout import Fleet, Gate, gate
from hdinfra.control.statements import KeptEntry, KeptRelease, Statements

_BODIES_KEPT = 8  # few versions are on offer at a time, each may be 2 MiB


@dataclass(frozen=True, slots=True)
class Offer:
    """`etag` is equal where the content is; `release` is None for a machine that may have none."""

    etag: str
    release: KeptRelease | None = None
    settings: Sequence[KeptEntry] = ()


@dataclass(frozen=True, slots=True)
class _Scope:
    """What the roll-out of a scope's settings depends on, but for reports and the clock."""

    fleet: Fleet
    said: Sequence[KeptEntry]
    halted: Mapping[int, str]
    completed: int

    @property
    def numbers(self) -> set[int]:
        return {kept.entry.number for kept in self.said} - self.halted.keys()


_NOTHING = _Scope(Fleet({}, 0), (), {}, 0)


class Offers:
    """Worked out when something changes and looked up when a machine asks: a hundred machines ask all the time."""

    def __init__(self, statements: Statements, reports: Reports, clock: Callable[[], float]) -> None:
        self._statements = statements
        self._reports = reports
        self._clock = clock
        self._gates: dict[str, Gate] = {}
        self.forget()
        self.renew()

    @property
    def due(self) -> float | None:
        """When the clock alone may change something, in seconds since 1970."""
        return min((found.due for found in self._gates.values() if found.due is not None), default=None)

    def forget(self) -> None:
        """Statements have changed: work all out again."""
        self._released: dict[str, KeptRelease | None] = {}
        self._offers: dict[tuple[int, int], Offer] = {}
        # A release that reached further machines has another text under the same etag.
        self._bodies: dict[str, str] = {}
        self._scopes = {scope: self._scope(scope) for scope in self._statements.scopes()}

    def renew(self) -> bool:
        """Look at reports and clock again; whether that changed anything, or must be done again sooner."""
        before, due, now = self._gates, self.due, self._clock()
        self._gates = {
            name: gate(scope.numbers, scope.completed, scope.fleet, self._reports.seen, now)
            for name, scope in self._scopes.items()
        }
        sooner = self.due is not None and (due is None or self.due < due)
        return before != self._gates or sooner

    def gate_of(self, scope: str) -> Gate:
        """How far its settings are."""
        return self._gates.get(scope, Gate(0, 0))

    def gates(self) -> dict[str, Gate]:
        """By scope."""
        return dict(self._gates)

    def scope_of(self, machine: str) -> str:
        """Whose policy it has; empty when it is a member of none."""
        kept = self._release(machine)
        if kept is not None:
            return kept.release.scope
        return next((name for name, scope in self._scopes.items() if machine in scope.fleet.members), "")

    def halted(self, scope: str) -> Mapping[int, str]:
        """Why settings of these numbers are kept back."""
        return self._scopes.get(scope, _NOTHING).halted

    def said(self, scope: str) -> Sequence[KeptEntry]:
        """All settings that are kept of a scope, oldest first."""
        return self._scopes.get(scope, _NOTHING).said

    def settings(self, scope: str, level: int) -> list[KeptEntry]:
        """What holds for each site of a scope up to a level, without what went wrong."""
        found: dict[str, KeptEntry] = {}
        for kept in self.said(scope):
            if kept.entry.number <= level and kept.entry.number not in self.halted(scope):
                found[kept.entry.key] = kept
        return list(found.values())

    def of(self, machine: str) -> Offer:
        """For one machine, now."""
        kept = self._release(machine)
        if kept is None:
            return Offer("none")
        level = self.gate_of(kept.release.scope).level(machine)
        found = self._offers.get((kept.row, level))
        if found is None:
            settings = self.settings(kept.release.scope, level)
            found = self._offers[kept.row, level] = Offer(_etag(kept, settings), kept, settings)
        return found

    def body(self, offer: Offer) -> str:
        """`releases` and `settings` as JSON, without the outer braces."""
        if offer.etag not in self._bodies:
            while len(self._bodies) >= _BODIES_KEPT:
                del self._bodies[next(iter(self._bodies))]
            releases = [self._statements.text(offer.release)] if offer.release else []
            settings = [{"entry": one.sealed.entry, "endorsement": one.sealed.endorsement} for one in offer.settings]
            self._bodies[offer.etag] = f'"releases":{json.dumps(releases)},"settings":{json.dumps(settings)}'
        return self._bodies[offer.etag]

    def _release(self, machine: str) -> KeptRelease | None:
        if machine not in self._released:
            self._released[machine] = self._statements.released_to(machine)
        return self._released[machine]

    def _scope(self, name: str) -> _Scope:
        newest = self._statements.newest(name)
        assert newest is not None  # noqa: S101 - a scope is there by its releases
        halts = self._statements.group("halt", name)
        completed = self._statements.group("completed", name)
        said = [kept for kept in self._statements.entries("setting") if kept.entry.key.startswith(f"{name}/")]
        return _Scope(
            fleet=Fleet(newest.release.members, newest.release.bake_seconds),
            said=said,
            halted={int(kept.entry.key.split("/")[1]): str(kept.entry.body["reason"]) for kept in halts},
            completed=int(completed[-1].entry.body["number"]) if completed else 0,
        )


def _etag(kept: KeptRelease, settings: Sequence[KeptEntry]) -> str:
    # Not the text of the release: that it reached further machines is no news to one that has it.
    parts = [kept.release.scope, str(kept.release.number), kept.content, *sorted(one.sealed.entry for one in settings)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]
