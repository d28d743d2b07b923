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
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from hdinfra.model.healing.memory import Alarm, Decision, Look, Memory, Nothing, Withdraw, ended, forgiven
from hdinfra.model.healing.step import step
from hdinfra.operate.errors import OperateError
from hdinfra.operate.watch_eyes import Facts
from hdinfra.operate.watch_hooks import Alert, Hooks
from hdinfra.operate.watch_journal import Journal
from hdinfra.operate.workspace import Workspace

INTERVAL_SECONDS = 2.0
_FLUSH_SECONDS = 15.0
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
    """How a heal ended; `told` is that in a line, `data` its JSON if it went well, `said` all it said."""

    well: bool
    told: str
    data: Mapping[str, Any] = field(default_factory=dict)
    said: str = ""


Heals = Callable[[Withdraw], Outcome]


@dataclass(slots=True)
class Watch:
    """One stack's. `clock`: seconds since 1970; `heals` returns when the heal has ended."""

    eyes: Sees
    heals: Heals
    journal: Journal
    clock: Callable[[], float] = time.time
    hooks: Hooks = field(default_factory=Hooks)
    memory: Memory = field(default_factory=Memory)

    def begin(self) -> None:
        """Take over what the last process left: a heal that it had begun is carried to its end."""
        self.memory = self.journal.memory()
        self.journal.write("start", healing=self.memory.healing)

    def once(self) -> Decision:
        """One look, and what follows from it, to its end."""
        try:
            look, facts = self.eyes.look(), self.eyes.facts
        except OperateError as failed:
            self.journal.write_once("blind", reason=failed.message)
            return Nothing(failed.message)
        if self.memory.healing:
            return self._go_on(self.memory.healing, look)
        for cluster in self.journal.to_forgive():
            self.memory = forgiven(self.memory, cluster)
            self.journal.write("forgiven", cluster=cluster, reason="a human says that it is well")
        before = self.memory
        self.memory, decision = step(facts.policy, before, look, self.clock())
        self._tell_of_ended(before, facts)
        match decision:
            case Nothing(reason):
                self.journal.write_once("nothing", reason=reason)
                if self.memory.told != before.told:
                    self.journal.remember(self.memory)
            case Alarm(code, cluster, reason):
                self.journal.remember(self.memory)
                entry = self.journal.write(
                    "alarm", code=code, cluster=cluster, reason=reason, evidence=_evidence(look, cluster)
                )
                self.hooks.send(facts.webhooks, Alert(facts.zone, code, cluster, reason, entry["at"]))
            case Withdraw():
                self._withdraw(decision, facts)
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

    def _go_on(self, cluster: str, look: Look) -> Decision:
        """With a heal that a watcher before this one had begun, once nobody changes the stack any more."""
        if look.busy:
            reason = f"a heal of `{cluster}` was begun, and {look.busy} is changing the stack"
            self.journal.write_once("nothing", reason=reason)
            return Nothing(reason)
        decision = Withdraw(cluster, ())
        self.journal.write("going-on", cluster=cluster, reason="the watcher that began this heal did not see its end")
        self._carry_out(decision, self.eyes.facts)
        return decision

    def _withdraw(self, decision: Withdraw, facts: Facts) -> None:
        self.journal.remember(self.memory)
        said = "; ".join(one.said for one in decision.evidence)
        entry = self.journal.write(
            "withdraw",
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
        self.memory = ended(self.memory)
        self.journal.remember(self.memory)
        self.eyes.forget()
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
            return Outcome(False, done.stderr.strip()[-_TOLD:] or f"it ended with {done.returncode}")
        data = json.loads(done.stdout)
        return Outcome(True, f"made {', '.join(data['comes']) or 'nothing new'}", data, done.stderr.strip()[-_SAID:])

    return heals


def judged_now(eyes: Sees, clock: Callable[[], float] = time.time, interval_seconds: float = 1.0) -> Decision:
    """What a watcher that began now would decide first: looks until something is due or all is well."""
    memory, policy = Memory(), eyes.facts.policy
    deadline = time.monotonic() + policy.settle_seconds + (policy.failure_threshold + 3) * interval_seconds
    while True:
        memory, decision = step(policy, memory, eyes.look(), clock())
        in_doubt = any(record.since is not None for record in memory.records.values())
        if not isinstance(decision, Nothing) or not in_doubt or time.monotonic() > deadline:
            return decision
        time.sleep(interval_seconds)
