"""The watcher itself during a drill, with its own judgement and log. What it would do is written down, not done."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from hdinfra.model.healing.memory import Alarm, Decision, Look, Nothing, Record, Withdraw
from hdinfra.model.healing.sighting import sightings_of, silent_edges
from hdinfra.operate.control import Control
from hdinfra.operate.drills.log import Log
from hdinfra.operate.watch import Outcome, Watch
from hdinfra.operate.watch_eyes import Facts, read_facts
from hdinfra.operate.watch_journal import Journal
from hdinfra.operate.workspace import Workspace


@dataclass(frozen=True, slots=True)
class DrillEyes:
    """Looks through every API machine that answers, and tells nobody outside. What is deployed stays the same."""

    facts: Facts
    control: Control
    stack: str

    def look(self) -> Look:
        """What everybody who answers says now."""
        answers = self.control.plane.ask(lambda api: api.get("/v1/machines"))
        staying = tuple(name for name in self.facts.clusters if name not in self.facts.withdrawn)
        return Look(
            sightings_of(answers.given),
            staying,
            self.facts.withdrawn,
            silent_edges=silent_edges(answers.given),
            stack=self.stack,
        )

    def forget(self) -> None:
        """Nothing was changed."""


def watcher(workspace: Workspace, control: Control, name: str) -> Watch:
    """One that begins anew, writes its log beside those of the engine, and heals nothing."""
    facts = read_facts(workspace)
    quiet = replace(facts, healing={key: value for key, value in facts.healing.items() if key != "webhooks"})
    journal = Journal(workspace.state / "logs", f"{workspace.stack}.drill-{name}.{time.time_ns() // 1_000_000}")
    return Watch(
        DrillEyes(quiet, control, workspace.stack), lambda _: Outcome(False, "in a drill nothing is given up"), journal
    )


@dataclass(slots=True)
class Watching:
    """Looks every `interval` seconds for as long as it is entered. `decisions`: what was not nothing, in its order;
    `switches`: how often any Cluster was taken for lost or back."""

    watch: Watch
    log: Log
    interval: float = 1.0
    decisions: list[Alarm | Withdraw] = field(default_factory=list)
    switches: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _thread: threading.Thread | None = None
    _crash: BaseException | None = None

    def __enter__(self) -> "Watching":
        self._thread = threading.Thread(target=self._main, name="watching", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        if self._crash is not None:
            raise self._crash

    def has_alarm(self, code: str, *, within: float = 0) -> bool:
        """Whether an alarm of that code was told, or is within so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self.alarms(code) > 0 or self._crash is not None, timeout=within)

    def has_seen(self, cluster: str, *, within: float) -> bool:
        """Whether it knows that Cluster as one that is well: only what was there can be lost."""

        def seen() -> bool:
            record = self.watch.memory.records.get(cluster)
            return self._crash is not None or (record is not None and record.ups > 0)

        with self._changed:
            return self._changed.wait_for(seen, timeout=within)

    def alarms(self, code: str | None = None) -> int:
        """How many alarms were told, of that code where one is given."""
        return sum(isinstance(one, Alarm) and code in (None, one.code) for one in self.decisions)

    @property
    def withdrawals(self) -> int:
        """How often it gave a Cluster up."""
        return sum(isinstance(one, Withdraw) for one in self.decisions)

    def _main(self) -> None:
        try:
            while not self._over.is_set():
                begin = time.monotonic()
                self._look()
                self._over.wait(max(0.0, begin + self.interval - time.monotonic()))
        except BaseException as crash:
            self._crash = crash  # raised where it is left
            with self._changed:
                self._changed.notify_all()

    def _look(self) -> None:
        before = dict(self.watch.memory.records)
        decision = self.watch.once()
        with self._changed:
            self._compare(before)
            self._keep(decision)
            self._changed.notify_all()

    def _compare(self, before: Mapping[str, Record]) -> None:
        for name, record in self.watch.memory.records.items():
            if record.is_lost is not before.get(name, Record()).is_lost:
                self.switches += 1
                self.log.decided(f"{name} counts as {'lost' if record.is_lost else 'back'}")

    def _keep(self, decision: Decision) -> None:
        match decision:
            case Nothing():
                return
            case Alarm():
                self.log.decided(f"alarm {decision.code}: {decision.reason}")
            case Withdraw():
                self.log.decided(f"{decision.cluster} would be given up")
            case _:
                assert_never(decision)
        self.decisions.append(decision)
