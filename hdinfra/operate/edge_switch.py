"""Moves users to another entrance: the name servers are told first, in seconds, and the stack remembers it then.

When the edge is the outage, nobody wants to wait for an engine that asks every provider. So the servers' policy goes
the way that a roll-back goes, straight through the management API; the lock file holds the decision, and an update of
that one resource writes it into the stack, so that no later run undoes it.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hdinfra.model.held import Held
from hdinfra.model.held_file import load_held, newest
from hdinfra.operate.control import Control, control_of
from hdinfra.operate.decide import keep
from hdinfra.operate.edge_health import Health, health_of
from hdinfra.operate.edge_servers import EdgeServers, servers_of
from hdinfra.operate.engine import Deployed, Engine, clear_dead_lock, judged
from hdinfra.operate.errors import EdgeError, OperateError, WorkspaceError
from hdinfra.operate.policy import driven, rollout
from hdinfra.operate.progress import Progress
from hdinfra.operate.status import Declared, declared_of
from hdinfra.operate.workspace import Workspace
from hdinfra.plugins.policy.rollout import Wanted
from hdinfra.protocol.release import Release

SCOPE = "dns"
_SEEN_SECONDS = 15.0
_POLICY = "hdpolicy:index:Policy"


@dataclass(frozen=True, slots=True)
class Switched:
    """How it went. `servers`: by name after how many seconds each answered with the new entrance, None for one that did
    not; `old_answers_seconds`: for how much longer resolvers may keep what they heard before."""

    entrance: str
    before: str
    servers: Mapping[str, float | None]
    old_answers_seconds: int
    recorded: bool

    @property
    def seconds(self) -> float | None:
        """Until every server answered with it; None when one did not."""
        took = list(self.servers.values())
        return None if None in took else max((one for one in took if one is not None), default=0.0)

    def as_json(self) -> dict[str, Any]:
        """Plain data; `worst_seconds`: until no user is sent to the old entrance any more."""
        seconds = self.seconds
        return {
            "entrance": self.entrance,
            "before": self.before,
            "servers": dict(self.servers),
            "seconds": seconds,
            "old_answers_seconds": self.old_answers_seconds,
            "worst_seconds": None if seconds is None else round(seconds + self.old_answers_seconds, 3),
            "recorded": self.recorded,
        }


@dataclass(frozen=True, slots=True)
class Running:
    """A Zone that is up, with name servers of its own."""

    known: Declared
    deployed: Deployed
    release: Release

    @property
    def document(self) -> Mapping[str, Any]:
        """The policy of the name servers."""
        return self.release.document

    @property
    def entrances(self) -> Mapping[str, Mapping[str, Any]]:
        """By name, as the servers have them."""
        return {one["name"]: one for one in self.document["entrances"]}


def running(engine: Engine, control: Control, deployed: Deployed) -> Running:
    """What the servers serve now, by the management API."""
    stack = engine.workspace.stack
    known = declared_of(deployed, stack)
    release = control.standing(SCOPE).newest
    if release is None:
        raise EdgeError("The name servers have no policy yet.", retry=f"hdinfra up --stack {stack}")
    return Running(known, deployed, release)


def deployed_of(engine: Engine) -> Deployed:
    """The stack's state with its secrets; WorkspaceError when it is not up or has no name servers."""
    stack = engine.workspace.stack
    deployed = engine.deployed_with_secrets()
    if deployed is None or not declared_of(deployed, stack).dns:
        raise WorkspaceError(
            f"Stack `{stack}` has no name servers of its own, so it has no entrances.",
            retry=f"write `dns: {{name: ...}}` into the spec, then hdinfra up --stack {stack}",
        )
    return deployed


def switch_edge(workspace: Workspace, to: str, talk: Progress, *, force: bool = False) -> Switched:
    """Lead all sites' users to that entrance. EdgeError when there is none of that name, or nobody answers there,
    unless `force` says that this does not matter; WorkspaceError for a stack without name servers."""
    engine = Engine(workspace)
    deployed = deployed_of(engine)
    with control_of(deployed, workspace.stack) as control:
        now = running(engine, control, deployed)
        if to not in now.entrances:
            raise EdgeError(f"There is no entrance `{to}`.", retry=f"--to with one of: {', '.join(now.entrances)}")
        _look_first(now, to, talk.say, force)
        before = str(now.document["entrance"])
        _hold(workspace, now, to)
        took = _tell(control, now, to, talk.say)
    recorded = _record(engine, now.deployed, talk)
    return Switched(to, before, took, int(now.document["ttl_seconds"]), recorded)


def _look_first(now: Running, to: str, say: Callable[[str], None], force: bool) -> None:
    health: Health = health_of(now.document, to, now.known.hosts)
    say(f"entrance `{to}`: {health.words}")
    if not health.well and not force:
        raise EdgeError(
            f"Nobody answers at entrance `{to}`: {health.words}. Users would go from one outage to another.",
            running=f"entrance `{now.document['entrance']}`, as before",
            retry="mend it, or `--force` where you know better than this computer",
        )


def _hold(workspace: Workspace, now: Running, to: str) -> None:
    """In the file first: a run that starts from now on keeps to it, whatever becomes of this one."""
    in_stack = now.deployed.outputs.get("held")
    held = newest(load_held(workspace.lock_file), Held.model_validate(in_stack) if in_stack else None)
    first = next(iter(now.entrances))
    entrance = None if to == first else to
    if held.entrance != entrance:
        keep(workspace, held.model_copy(update={"entrance": entrance, "serial": held.serial + 1}))


def _tell(control: Control, now: Running, to: str, say: Callable[[str], None]) -> dict[str, float | None]:
    """Roll the changed policy out, and see at every server when it answers by it."""
    highest = control.standing(SCOPE).highest
    wanted = Wanted(
        scope=SCOPE,
        members=now.release.members,
        document={**now.document, "entrance": to},
        code=now.release.code,
    )
    with Watching(servers_of(now.known, now.document), to) as seen:
        driven(lambda: rollout(control, say).bring(wanted, frozenset(), highest))
        return seen.all(_SEEN_SECONDS)


class Watching:
    """Asks every server again and again, from when it is entered, until it leads to that entrance."""

    def __init__(self, servers: EdgeServers, to: str) -> None:
        self._servers, self._to = servers, to
        self._seen: dict[str, float | None] = dict.fromkeys(servers.names)
        self._changed, self._closed = threading.Condition(), threading.Event()
        self._began = time.monotonic()

    def __enter__(self) -> "Watching":
        self._began = time.monotonic()
        for name in self._servers.names:
            threading.Thread(target=self._watch, args=(name,), name=f"watch {name}", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()

    def all(self, within: float) -> dict[str, float | None]:
        """By server after how many seconds it answered so; None for those that did not within the time from now."""
        with self._changed:
            self._changed.wait_for(lambda: None not in self._seen.values(), timeout=within)
            return dict(self._seen)

    def _watch(self, name: str) -> None:
        while not self._closed.wait(0.05):
            if self._servers.leads_to(name, self._to):
                with self._changed:
                    self._seen[name] = round(time.monotonic() - self._began, 3)
                    self._changed.notify_all()
                return


def _record(engine: Engine, deployed: Deployed, talk: Progress) -> bool:
    """Have the stack know it: its next run, whoever starts it, must not undo it. Providers are not asked about
    anything else. Users are there already, so a failure is told and no more."""
    urns = [
        resource["urn"]
        for resource in deployed.resources
        if resource["type"] == _POLICY and resource["urn"].endswith(f"::{SCOPE}-policy")
    ]
    talk.say("recording it in the stack")
    try:
        if not urns:
            up = f"hdinfra up --stack {engine.workspace.stack}"
            raise EdgeError("The stack has no such policy in its state.", retry=up)
        clear_dead_lock(engine, talk.say)
        targets = [word for urn in urns for word in ("--target", urn)]
        run = engine.stream("up", "--skip-preview", *targets, on_event=talk.event)
        judged(run, "up", engine.workspace)
    except OperateError as failed:
        talk.say(f"users are there; the stack does not know it yet, the lock file does: {failed}")
        return False
    return True
