"""A stand-in for a stack under `hdinfra watch`: what is seen of it, and what heals make of it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hdinfra.model.healing.memory import Look, Withdraw
from hdinfra.operate.watch import Outcome, Watch
from hdinfra.operate.watch_eyes import Facts
from hdinfra.operate.watch_hooks import Hooks
from hdinfra.operate.watch_journal import Journal
from tests.model.healing_looks import A_LOST, CLUSTERS, look_of

HEALING = {"settle_seconds": 2}


class Killed(BaseException):
    """What SIGKILL would be: nobody catches it."""


@dataclass
class PlayedZone:
    """A stand-in for the stack: what is seen of it, and what heals made of it. It is `busy` while one runs."""

    view: dict[str, bool] = field(default_factory=lambda: dict(A_LOST))
    withdrawn: tuple[str, ...] = ()
    healing: dict[str, Any] = field(default_factory=lambda: dict(HEALING))
    busy: str = ""
    heals: list[str] = field(default_factory=list)
    made: int = 0
    fails: int = 0
    locked: int = 0
    now: float = 1_000.0

    @property
    def facts(self) -> Facts:
        return Facts("played", CLUSTERS, self.withdrawn, self.healing, (), "", "")

    def look(self) -> Look:
        staying = tuple(name for name in CLUSTERS if name not in self.withdrawn)
        return look_of(self.view, staying, self.withdrawn, self.busy)

    def forget(self) -> None:
        pass

    def heal(self, decision: Withdraw) -> Outcome:
        """Idempotent, as the real one: what is done already is not done again."""
        assert not self.busy, "two at once"
        self.heals.append(decision.cluster)
        if self.locked:
            self.locked -= 1
            return Outcome(False, "the stack is currently locked by 1 lock(s)", locked=True)
        if self.fails:
            self.fails -= 1
            return Outcome(False, "no room anywhere")
        if decision.cluster not in self.withdrawn:
            self.made += 1
            self.withdrawn = (*self.withdrawn, decision.cluster)
        return Outcome(True, "made c-web-1", said="a killed run left c-web-0 half done")

    def clock(self) -> float:
        self.now += 2.0
        return self.now


def watch_of(zone: PlayedZone, folder: Path) -> Watch:
    journal = Journal(folder, "played", clock=lambda: zone.now)
    return Watch(zone, zone.heal, journal, zone.clock, Hooks(journal.spool))


def looks(watch: Watch, count: int) -> None:
    """One after the other."""
    for _ in range(count):
        watch.once()


def kinds(folder: Path) -> list[str]:
    return [str(entry["kind"]) for entry in Journal(folder, "played").entries()]
