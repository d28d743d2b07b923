"""What a watcher looks at: the API machines, who tell what they heard and what the edges told them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hdinfra.model.healing.memory import Look, Policy
from hdinfra.model.healing.sighting import sightings_of, silent_edges
from hdinfra.operate.engine import changed_by
from hdinfra.operate.errors import EngineError
from hdinfra.operate.workspace import Workspace
from hdinfra.plugins.kind import PluginError
from hdinfra.plugins.policy.api import Api, Endpoint

_FACTS_SECONDS = 180.0
_AGAIN_SECONDS = 600.0
"""How old what is known of a state may get that lies where no change of it is seen; reading it takes a second."""
_ANSWER_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What is deployed, as far as watching goes. `healing` is the spec's section."""

    zone: str
    clusters: tuple[str, ...]
    withdrawn: tuple[str, ...]
    healing: Mapping[str, Any]
    endpoints: tuple[Endpoint, ...]
    root: str = field(repr=False)
    token: str = field(repr=False)

    @property
    def policy(self) -> Policy:
        """By which it is judged."""
        return Policy.of(self.healing)

    @property
    def webhooks(self) -> tuple[str, ...]:
        """Where alarms go."""
        return tuple(self.healing.get("webhooks", ()))


NOTHING_KNOWN = Facts("", (), (), {}, (), "", "")
"""Before anything was read."""


def read_facts(workspace: Workspace) -> Facts:
    """By a process of its own; EngineError with its words where it cannot be known."""
    command = [sys.executable, "-m", "hdinfra.operate.watch_facts", str(workspace.root), workspace.stack]
    try:
        done = subprocess.run(  # noqa: S603  our own arguments, no shell
            command,
            env={**os.environ, **workspace.outer},
            capture_output=True,
            text=True,
            timeout=_FACTS_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as slow:
        raise EngineError("The stack's state could not be read in time.") from slow
    if done.returncode != 0:
        raise EngineError(f"The stack's state cannot be read: {done.stderr.strip()}")
    told = json.loads(done.stdout)
    return Facts(
        zone=told["zone"],
        clusters=tuple(told["clusters"]),
        withdrawn=tuple(told["withdrawn"]),
        healing=told["healing"],
        endpoints=tuple(Endpoint.of(one) for one in told["endpoints"]),
        root=told["root"],
        token=told["token"],
    )


@dataclass(slots=True)
class Eyes:
    """Looks through every API machine that answers. Keeps connections, and what is deployed until that changes."""

    workspace: Workspace
    read: Callable[[Workspace], Facts] = read_facts
    clock: Callable[[], float] = time.monotonic
    _facts: Facts | None = None
    _read_at: float = 0.0
    _stamp: float = 0.0
    _apis: tuple[Api, ...] = ()
    _pool: ThreadPoolExecutor | None = None

    @property
    def facts(self) -> Facts:
        """What is deployed."""
        # While somebody changes the stack its state is written all the time; it is read when they have ended.
        if self._facts is None or (self._is_old() and not changed_by(self.workspace)):
            self._stamp = self._changed_at()
            self._take(self.read(self.workspace))
        if self._facts is None:
            raise EngineError("Nothing is known of the stack.")
        return self._facts

    def forget(self) -> None:
        """What is deployed was just changed."""
        self._facts = None

    def look(self) -> Look:
        """What everybody who answers says now."""
        known = self.facts
        answers = dict(pair for pair in self._ask_all() if pair is not None)
        staying = tuple(name for name in known.clusters if name not in known.withdrawn)
        return Look(
            sightings_of(answers, known.withdrawn),
            staying,
            known.withdrawn,
            changed_by(self.workspace),
            silent_edges(answers),
            stack=self.workspace.stack,
        )

    def _ask_all(self) -> list[tuple[str, Any] | None]:
        if self._pool is None:
            return []
        return list(self._pool.map(_machines, self._apis))

    def _take(self, facts: Facts) -> None:
        self._read_at = self.clock()
        before, self._facts = self._facts, facts
        if before and (before.endpoints, before.root, before.token) == (facts.endpoints, facts.root, facts.token):
            return
        for api in self._apis:
            api.close()
        if self._pool:
            self._pool.shutdown(wait=False)
        self._apis = tuple(Api(one, facts.root, facts.token, _ANSWER_SECONDS) for one in facts.endpoints)
        self._pool = ThreadPoolExecutor(max_workers=max(1, len(self._apis)), thread_name_prefix="look")

    def _is_old(self) -> bool:
        return self._changed_at() != self._stamp or self.clock() - self._read_at > _AGAIN_SECONDS

    def _changed_at(self) -> float:
        """When a state in a folder was last written; elsewhere nothing tells."""
        if not self.workspace.backend.startswith("file://"):
            return 0.0
        folder = Path(self.workspace.backend.removeprefix("file://")) / ".pulumi" / "stacks" / self.workspace.project
        try:
            return (folder / f"{self.workspace.stack}.json").stat().st_mtime
        except OSError:
            return self._stamp  # being replaced at this moment


def _machines(api: Api) -> tuple[str, Any] | None:
    try:
        return api.endpoint.name, api.get("/v1/machines")
    except PluginError:
        return None
