"""Drives the Pulumi command line: one-shot questions, and long runs whose events are shown as they come."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from hdinfra.operate.errors import EngineError, InterruptedByUser
from hdinfra.operate.sidecars import drop_empty_sidecars
from hdinfra.operate.stack_lock import StackLock, cancelling, locks_of, said_locked
from hdinfra.operate.workspace import Workspace

Event = Mapping[str, Any]
_QUESTION_SECONDS = 120
_POLL_SECONDS = 0.1


_OWN = ("pulumi:", "hdinfra:", "hdlocal:", "hdpolicy:", "hdlicence:")
"""How the types begin of what lies on this computer, or nowhere."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """What the engine's state says, read once."""

    raw: Mapping[str, Any] = field(repr=False)

    @property
    def resources(self) -> tuple[Mapping[str, Any], ...]:
        """Every resource of the state."""
        return tuple((self.raw.get("deployment") or {}).get("resources") or ())

    @property
    def pending(self) -> tuple[Mapping[str, Any], ...]:
        """Operations that a killed run had begun."""
        return tuple((self.raw.get("deployment") or {}).get("pending_operations") or ())

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """URNs of what a provider's cloud holds, and this state alone knows of; half-made things among them."""
        half = (operation["resource"] for operation in self.pending)
        return tuple(sorted(one["urn"] for one in (*self.resources, *half) if not one["type"].startswith(_OWN)))

    @property
    def outputs(self) -> Mapping[str, Any]:
        """The stack's outputs."""
        for resource in self.resources:
            if resource["type"] == "pulumi:pulumi:Stack":
                return resource.get("outputs") or {}
        return {}

    def named(self, output: str) -> frozenset[str]:
        """Every value of that output over all resources, such as container names."""
        values = ((resource.get("outputs") or {}).get(output) for resource in self.resources)
        return frozenset(value for value in values if isinstance(value, str))

    def without_pending(self) -> dict[str, Any]:
        """The same state with nothing half done; a refresh then finds what is really there."""
        deployment = {key: value for key, value in self.raw["deployment"].items() if key != "pending_operations"}
        return {**self.raw, "deployment": deployment}


@dataclass(slots=True)
class Run:
    """A long run of the engine: how it ended and what it complained about. `locked`: the engine's words, where it did
    nothing because somebody else changes the stack."""

    code: int = 0
    complaints: list[str] = field(default_factory=list)
    changes: dict[str, int] = field(default_factory=dict)
    interrupted: bool = False
    ran_out: bool = False
    locked: str = ""


@dataclass(frozen=True, slots=True)
class Engine:
    """The engine's command line for one stack. `extra`: more of its environment."""

    workspace: Workspace
    extra: Mapping[str, str] = field(default_factory=dict)
    patience_seconds: float | None = None
    """After how long a run is ended as Ctrl-C would end it; None: never."""

    def ask(self, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a short command; its exit code is the caller's to judge."""
        command = [self.workspace.pulumi(), *arguments, "--non-interactive", "--color", "never"]
        drop_empty_sidecars(self.workspace.backend)
        try:
            return subprocess.run(  # noqa: S603  our own arguments, no shell
                command,
                cwd=self.workspace.root,
                env=self.workspace.environment,
                input=given,
                stdin=subprocess.DEVNULL if given is None else None,
                capture_output=True,
                text=True,
                timeout=_QUESTION_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as slow:
            raise EngineError(f"`pulumi {' '.join(arguments[:2])}` gave no answer.") from slow

    def demand(self, *arguments: str, given: str | None = None) -> str:
        """Run a short command that must succeed; its standard output."""
        done = self.ask(*arguments, given=given)
        if done.returncode != 0:
            raise EngineError(f"`pulumi {' '.join(arguments[:2])}` said: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def deployed(self) -> Deployed | None:
        """The stack's state, or None where the stack does not exist."""
        return self._exported()

    def deployed_with_secrets(self) -> Deployed | None:
        """The same with every secret in the clear: for what is signed or asked in the stack's name, never to show."""
        return self._exported("--show-secrets")

    def _exported(self, *options: str) -> Deployed | None:
        if not self.workspace.has_backend:
            return None
        done = self.ask("stack", "export", "--stack", self.workspace.stack, *options)
        if done.returncode == 0:
            return Deployed(json.loads(done.stdout))
        if "no stack named" in done.stderr:
            return None
        raise EngineError(f"The state of `{self.workspace.stack}` cannot be read: {done.stderr.strip()}")

    def stream(self, verb: str, *arguments: str, on_event: Callable[[Event], None]) -> Run:
        """Run a long command, passing its events on. Ctrl-C goes to the engine once and its end is awaited."""
        events = self.workspace.state / "logs" / f"{self.workspace.stack}.{verb}.{os.getpid()}.events"
        events.write_text("")
        command = [self.workspace.pulumi(), verb, "--stack", self.workspace.stack, "--yes", "--non-interactive"]
        command += ["--color", "never", "--event-log", str(events), *arguments]
        drop_empty_sidecars(self.workspace.backend)
        log = self.workspace.state / "logs" / f"{self.workspace.stack}.{verb}.log"
        try:
            with log.open("w") as output, events.open() as lines:
                run = self._follow(self._start(command, output), lines, on_event)
            # It says so before it writes any event, so that nothing was begun.
            if run.code != 0 and not (run.changes or run.complaints):
                run.locked = said_locked(log.read_text(errors="replace"))
            return run
        finally:
            events.unlink(missing_ok=True)

    def _start(self, command: list[str], output: IO[str]) -> subprocess.Popen[str]:
        # A process group of its own: the terminal's Ctrl-C reaches us alone, and we pass it on exactly once
        # (the engine takes a second one as an order to stop dead).
        return subprocess.Popen(  # noqa: S603  our own arguments, no shell
            command,
            cwd=self.workspace.root,
            # The engine hides --event-log without the one of these.
            env={**self.workspace.environment, **self.extra, "PULUMI_DEBUG_COMMANDS": "true"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
            text=True,
        )

    def _follow(self, process: subprocess.Popen[str], lines: IO[str], on_event: Callable[[Event], None]) -> Run:
        run = Run()
        deadline = time.monotonic() + (self.patience_seconds or float("inf"))
        ended: int | None = None
        while ended is None:
            try:
                _pass_on(lines, run, on_event)
                ended = process.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline and not run.ran_out:
                    run.ran_out = True
                    process.send_signal(signal.SIGINT)
            except KeyboardInterrupt:
                run.interrupted = True
                process.send_signal(signal.SIGINT)
        _pass_on(lines, run, on_event)
        run.code = ended
        return run


def judged(run: Run, verb: str, workspace: Workspace) -> Run:
    """The run itself when it went well; else the error that says what to do."""
    if run.interrupted:
        raise InterruptedByUser(
            f"`{verb}` was interrupted; the engine has ended cleanly and its state is unlocked.",
            running="what was finished before",
            retry=f"hdinfra {verb} --stack {workspace.stack}",
        )
    if run.code != 0:
        log = workspace.state / "logs" / f"{workspace.stack}.{verb}.log"
        told = "\n".join(dict.fromkeys(run.complaints)) or tail(log, 15)
        raise EngineError(
            f"`{verb}` of stack `{workspace.stack}` did not end well (whole log: {log}):\n{told}",
            running="what was finished before; nothing is locked",
            retry=f"mend what it says, then `hdinfra {verb} --stack {workspace.stack}` goes on from there",
        )
    return run


def tail(path: Path, count: int) -> str:
    """The last lines of a log."""
    return "\n".join(path.read_text(errors="replace").splitlines()[-count:])


def changed_by(workspace: Workspace) -> str:
    """Who is changing the stack now, as far as a state in a folder tells; empty for nobody."""
    return next((lock.holder for lock in locks_of(workspace) if lock.is_alive), "")


def clear_dead_lock(engine: Engine, say: Callable[[str], None], *, wait_seconds: float = 60) -> None:
    """Remove a lock whose process is gone; wait for one whose process lives, up to the limit."""
    deadline = time.monotonic() + wait_seconds
    told = False
    while alive := [lock for lock in locks_of(engine.workspace) if lock.is_alive]:
        if time.monotonic() > deadline:
            raise EngineError(
                f"Stack `{engine.workspace.stack}` is being changed by {alive[0].holder}.",
                retry=_way_out(alive[0], engine.workspace.stack),
            )
        if not told:
            say(f"waiting for process {alive[0].pid}, which is changing this stack")
            told = True
        time.sleep(_POLL_SECONDS)
    if any(True for _ in locks_of(engine.workspace)):
        say("clearing the lock that a killed run left")
        engine.demand("cancel", "--yes", "--stack", engine.workspace.stack)


def _way_out(lock: StackLock, stack: str) -> str:
    if lock.is_of_this_computer:
        return f"wait for it, or stop it with `kill -INT {lock.pid}`"
    return f"wait for it; where you know that it has ended: {cancelling(stack)}"


def _pass_on(lines: IO[str], run: Run, on_event: Callable[[Event], None]) -> None:
    while line := _whole_line(lines):
        event: Event = json.loads(line)
        diagnostic = event.get("diagnosticEvent") or {}
        if diagnostic.get("severity") == "error":
            run.complaints.append(_plain(diagnostic["message"]))
        if summary := event.get("summaryEvent"):
            run.changes = dict(summary.get("resourceChanges") or {})
        on_event(event)


def _whole_line(lines: IO[str]) -> str:
    position = lines.tell()
    line = lines.readline()
    if line.endswith("\n"):
        return line
    lines.seek(position)
    return ""


def _plain(message: str) -> str:
    # The engine marks colours as <{%reset%}>.
    while (start := message.find("<{%")) >= 0 and (end := message.find("%}>", start)) >= 0:
        message = message[:start] + message[end + 3 :]
    return message.strip()
