"""Look, decide, heal, for ever. Killed at any moment, the next start finishes what was begun or leaves it be.

What is decided is on the disk before it is done. A heal is a process of its own in a session of its own: it outlives a
watcher that is killed, and the stack's lock keeps a second one away.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from hdinfra.model.healing.memory import (
    Alarm,
    Decision,
    Look,
    Memory,
    Nothing,
    Withdraw,
    begun_anew,
    ended,
    forgiven,
    locked_out,
)
from hdinfra.model.healing.step import step
from hdinfra.operate.errors import LockedError, OperateError
from hdinfra.operate.watch_eyes import NOTHING_KNOWN, Facts
from hdinfra.operate.watch_hooks import Alert, Hooks
from hdinfra.operate.watch_journal import Journal
from hdinfra.operate.workspace import Workspace

INTERVAL_SECONDS = 2.0
_FLUSH_SECONDS = 15.0
_LOCKED_PAUSE_SECONDS = 30.0
"""Until a heal is tried again that found the stack locked; where a lock can be seen it is waited for without trying."""
_TOLD, _SAID = 4_000, 16_000
"""Characters at most of what a heal said: in an alarm when it failed, and in the log."""


class Sees(Protocol):
    """Who looks: `Eyes`, or what plays them."""

    @property
    def facts(self) -> Facts:
        """What is deployed."""
        ...

    def look(self) -> Look:
        """What is seen now."""
        ...

    def forget(self) -> None:
        """What is deployed was changed."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a heal ended; `told` is that in a line, `data` its JSON if it went well, `said` all it said. `locked`: it did
    not even begin, for somebody else changes the stack."""

    well: bool
    told: str
    data: Mapping[str, Any] = field(default_factory=dict)
    said: str = ""
    locked: bool = False


Heals = Callable[[Withdraw], Outcome]


def steady_clock() -> Callable[[], float]:
    """Seconds since 1970 by the clock as it stands now; that somebody sets it later changes nothing."""
    ahead = time.time() - time.monotonic()
    return lambda: ahead + time.monotonic()


@dataclass(slots=True)
class Watch:
    """One stack's. `clock`: seconds since 1970; `heals` returns when the heal has ended."""

    eyes: Sees
    heals: Heals
    journal: Journal
    clock: Callable[[], float] = field(default_factory=steady_clock)
    hooks: Hooks = field(default_factory=Hooks)
    memory: Memory = field(default_factory=Memory)
    _known: Facts = NOTHING_KNOWN
    _locked_out: str = ""

    def begin(self) -> None:
        """Take over what the last process left: alarms that nobody took, and a heal whose end it did not see."""
        left = self.journal.memory()
        self.memory = begun_anew(left)
        zone, healing = self.journal.whom()
        self._known = replace(NOTHING_KNOWN, zone=zone, healing=healing)
        self.journal.write("start", healing=self.memory.left)
        self.hooks.resume()

    def once(self) -> Decision:
        """One look, and what follows from it, to its end."""
        look, facts = self._looked(), self._known
        self._forgive()
        before = self.memory
        self.memory, decision = step(facts.policy, before, look, self.clock())
        self._tell_of_ended(before, facts)
        match decision:
            case Nothing(reason):
                self._nothing(reason, before, look)
            case Alarm(code, cluster, reason):
                entry = self.journal.write(
                    "alarm", code=code, cluster=cluster, reason=reason, evidence=_evidence(look, cluster)
                )
                # Told before it counts as told: killed in between it is told twice.
                self.hooks.send(facts.webhooks, Alert(facts.zone, code, cluster, reason, entry["at"]))
                self.journal.remember(self.memory)
            case Withdraw():
                self._withdraw(decision, facts, goes_on=before.left == decision.cluster)
        for trouble in self.hooks.troubles():
            reason = f"{trouble.to} did not take this alarm: {trouble.why}"
            self.journal.write("undelivered", code=trouble.code, cluster=trouble.cluster, reason=reason)
        return decision

    def run(self, stopping: threading.Event, interval_seconds: float = INTERVAL_SECONDS) -> None:
        """Until told to stop; a heal that runs is waited for."""
        self.begin()
        while not stopping.is_set():
            self.once()
            stopping.wait(interval_seconds)
        self.close()

    def close(self) -> None:
        """Say that the watch is over."""
        self.journal.write("stop")
        self.hooks.flush(_FLUSH_SECONDS)

    def _looked(self) -> Look:
        """What is seen now; where nobody can be asked, why."""
        before = self._known
        try:
            look = self.eyes.look()
            self._known = self.eyes.facts
        except OperateError as failed:
            self.journal.write_once("blind", reason=failed.message)
            return Look((), (), blind=failed.message)
        if (before.zone, before.healing) != (self._known.zone, self._known.healing):
            self.journal.remember_whom(self._known.zone, self._known.healing)
        return look

    def _forgive(self) -> None:
        for cluster in self.journal.to_forgive():
            self.memory = forgiven(self.memory, cluster)
            self.journal.write("forgiven", cluster=cluster, reason="a human says that it is well")

    def _nothing(self, reason: str, before: Memory, look: Look) -> None:
        if before.left and not self.memory.left:
            self.journal.write("given-up", cluster=before.left, reason=reason)
        elif not look.blind:
            self.journal.write_once("nothing", reason=reason)
        if (self.memory.told, self.memory.left) != (before.told, before.left):
            self.journal.remember(self.memory)

    def _withdraw(self, decision: Withdraw, facts: Facts, *, goes_on: bool) -> None:
        self.journal.remember(self.memory)
        if self.memory.locked_by and self._locked_out == decision.cluster:
            self._carry_out(decision, facts)  # once more: it was written and told when it was decided
            return
        said = "; ".join(one.said for one in decision.evidence) or "nobody says that it is up"
        entry = self.journal.write(
            "going-on" if goes_on else "withdraw",
            cluster=decision.cluster,
            reason=said,
            away=list(decision.away),
            evidence=[asdict(one) for one in decision.evidence],
        )
        summary = f"`{decision.cluster}` is lost and is being withdrawn: {said}"
        self.hooks.send(facts.webhooks, Alert(facts.zone, "withdrawn", decision.cluster, summary, entry["at"]))
        self._carry_out(decision, facts)

    def _carry_out(self, decision: Withdraw, facts: Facts) -> None:
        began = time.monotonic()
        outcome = self.heals(decision)
        self.eyes.forget()
        if outcome.locked:
            if self.memory.locked_by != outcome.told:
                self.journal.write("locked", cluster=decision.cluster, reason=outcome.told)
            self._locked_out = decision.cluster
            self.memory = locked_out(self.memory, outcome.told, _LOCKED_PAUSE_SECONDS)
            self.journal.remember(self.memory)
            return
        self.memory = ended(self.memory)
        entry = self.journal.write(
            "healed" if outcome.well else "heal-failed",
            cluster=decision.cluster,
            reason=outcome.told,
            seconds=round(time.monotonic() - began, 1),
            **({"change": dict(outcome.data)} if outcome.data else {}),
            **({"said": outcome.said} if outcome.said else {}),
        )
        code = "heal-ended" if outcome.well else "heal-failed"
        self.hooks.send(facts.webhooks, Alert(facts.zone, code, decision.cluster, outcome.told, entry["at"]))
        self.journal.remember(self.memory)

    def _tell_of_ended(self, before: Memory, facts: Facts) -> None:
        for key in before.told:
            if key not in self.memory.told:
                code, _, cluster = key.partition("/")
                entry = self.journal.write("over", code=code, cluster=cluster, reason="the alarm stands no more")
                alert = Alert(facts.zone, code, cluster, "over", entry["at"], entry["at"])
                self.hooks.send(facts.webhooks, alert)


def _evidence(look: Look, cluster: str) -> list[dict[str, Any]]:
    return [asdict(one) for one in look.sightings if cluster in {"", one.cluster}]


def heal_apart(workspace: Workspace) -> Heals:
    """Heals by `hdinfra heal`, which brings all that planning takes and takes it away again."""

    def heals(decision: Withdraw) -> Outcome:
        away = [word for name in decision.away for word in ("--away", name)]
        command = [sys.executable, "-c", "from hdinfra.operate.cli import main; main()", "heal"]
        command += ["--cluster", decision.cluster, *away, "--stack", workspace.stack, "--json"]
        done = subprocess.run(  # noqa: S603  our own arguments, no shell
            [*command, "--directory", str(workspace.root)],
            env=dict(workspace.outer),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,
            check=False,
        )
        if done.returncode != 0:
            told = done.stderr.strip()[-_TOLD:] or f"it ended with {done.returncode}"
            return Outcome(False, told, locked=done.returncode == LockedError.exit_code)
        data = json.loads(done.stdout)
        return Outcome(True, f"made {', '.join(data['comes']) or 'nothing new'}", data, done.stderr.strip()[-_SAID:])

    return heals


def judged_now(
    eyes: Sees,
    hear: Callable[[Alarm], None] = lambda _: None,
    *,
    clock: Callable[[], float] = time.monotonic,
    interval_seconds: float = 1.0,
) -> Decision:
    """What a watcher that began now would do: looks until something is due or all is well. `hear` is told every alarm
    on the way; without a deed the first one that is not about somebody's return is the answer."""
    memory, policy = Memory(), eyes.facts.policy
    alarms: list[Alarm] = []
    deadline = clock() + policy.settle_seconds + (policy.failure_threshold + 3) * interval_seconds
    while True:
        look, now = eyes.look(), clock()
        memory, decision = step(policy, memory, look, now)
        if isinstance(decision, Alarm):
            alarms.append(decision)
            hear(decision)
        elif isinstance(decision, Withdraw):
            return decision
        elif not _in_doubt(memory, look):
            break
        if now > deadline:
            break
        time.sleep(interval_seconds)
    return next((one for one in alarms if one.code != "returned"), alarms[0] if alarms else decision)


def _in_doubt(memory: Memory, look: Look) -> bool:
    doubted = (memory.records[name].since is not None for name in look.clusters)
    return memory.blind_since is not None or any(doubted)
