"""Steers an edge: probes every machine of its pools on schedule, and has HAProxy send users to the chosen one.

A thread with a loop of its own. What it chose lies in a map that HAProxy reads at its start and at each reload, and is
set at runtime besides, so that no switch waits for a reload. What it saw lies beside it: a restart forgets nothing.
"""

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .durable import write_whole
from .failover_policy import group_of
from .haproxy import STATS_SOCKET, ask
from .paths import POOLS_MAP, STEERED
from .policy import LoadBalancerPolicy
from .prober import Outcome, probe
from .problems import Problems, log
from .steering import Course, Switch, Target, Ups

_TICK_SECONDS = 0.2
_AGAIN_SECONDS = 1.0
"""How often HAProxy is told anew: it may have been started or reloaded in between."""
_PATIENCE_SECONDS = 1.0
_MOST_SWITCHES = 50

Probe = Callable[[Target, float], Awaitable[Outcome]]


def _haproxy(line: str) -> str:
    return ask(STATS_SOCKET, line, _PATIENCE_SECONDS)


class Helm:
    """One edge's. `command`: one line to HAProxy, and its answer. `probe`: one probe, a coroutine, whose time runs from
    the given time of the loop."""

    def __init__(
        self,
        root: Path,
        problems: Problems,
        command: Callable[[str], str] = _haproxy,
        probe: Probe = probe,
    ) -> None:
        self._root = root
        self._problems = problems
        self._command = command
        self._probe = probe
        self._wanted: LoadBalancerPolicy | None = None
        self._course: Course | None = None
        self._evidence: dict[tuple[str, str], str] = {}
        self._ups, self._switches = _kept(self._at(STEERED))

    @property
    def told(self) -> dict[str, Any] | None:
        """For people: by Instance the pool that users go to, every machine with what was seen last, and switches, the
        newest last (`at` in seconds since 1970). None where all Clusters take users."""
        course = self._course
        if course is None:
            return None
        machines = {(one.instance, one.machine): one.pool for one in course.targets}
        ups = course.ups()
        return {
            "chosen": dict(course.chosen),
            "machines": [
                {
                    "instance": instance,
                    "pool": pool,
                    "machine": machine,
                    "up": ups[instance][machine],
                    "seen": self._evidence.get((instance, machine), "not asked yet"),
                }
                for (instance, machine), pool in sorted(machines.items())
            ],
            "switches": list(self._switches),
        }

    def follow(self, policy: LoadBalancerPolicy) -> None:
        """The policy in force; may be called from another thread, as often as one likes."""
        if policy != self._wanted:  # parsed anew each time, so most often it is equal and not the same
            self._wanted = policy

    def run(self, stopping: threading.Event) -> None:
        """Until told to stop. Whatever goes wrong is among the machine's problems, and is begun anew."""
        while not stopping.is_set():
            try:
                asyncio.run(self._run(stopping))
            except Exception as error:
                self._problems.say("steering", f"{type(error).__name__}: {error}")
                stopping.wait(_AGAIN_SECONDS)

    async def _run(self, stopping: threading.Event) -> None:
        policy, probes = None, None
        told_at = float("-inf")
        try:
            while not stopping.is_set():
                if self._wanted is not policy:
                    policy = self._wanted
                    await _ended(probes)
                    probes = self._begin(policy) if policy else None
                if probes and probes.done():
                    probes.result()
                    raise RuntimeError("the probes ended by themselves")
                if self._course and time.monotonic() - told_at >= _AGAIN_SECONDS:
                    told_at = time.monotonic()
                    self._tell(self._course)
                await asyncio.sleep(_TICK_SECONDS)
        finally:
            await _ended(probes)

    def _begin(self, policy: LoadBalancerPolicy) -> "asyncio.Task[None] | None":
        if policy.failover is None:
            self._course = None
            return None
        before = self._course.chosen if self._course else {}
        ups = {**self._ups, **(self._course.ups() if self._course else {})}
        self._course = Course(policy, policy.failover, ups)
        for switch in self._course.since(before) if before else ():
            self._take(self._course, switch)
        return asyncio.create_task(self._probe_all(self._course))

    async def _probe_all(self, course: Course) -> None:
        async with asyncio.TaskGroup() as group:
            for target in course.targets:
                group.create_task(self._probe_on_schedule(course, target, group))

    async def _probe_on_schedule(self, course: Course, target: Target, group: asyncio.TaskGroup) -> None:
        """Each probe begins an interval after the one before began, however long that one takes."""
        loop, due, before = asyncio.get_running_loop(), asyncio.get_running_loop().time(), None
        while True:
            before = group.create_task(self._ask(course, target, due, before))
            due = max(due + target.monitor.interval_seconds, loop.time())  # a machine that stood still catches up once
            await asyncio.sleep(due - loop.time())

    async def _ask(self, course: Course, target: Target, due: float, before: "asyncio.Task[None] | None") -> None:
        outcome = await self._probe(target, due)
        if before:
            await before  # results count in the order in which their probes began
        self._evidence[target.instance, target.machine] = outcome.evidence
        ups = course.ups()
        switch = course.hear(target, passed=outcome.passed, evidence=outcome.evidence)
        if switch:
            self._take(course, switch)
        elif ups != course.ups():
            self._keep(course)
        self._problems.over("steering")

    def _take(self, course: Course, switch: Switch) -> None:
        self._tell(course)
        at = time.time()
        if switch.died:
            self._cut(course, switch)
        told = {"at": round(at, 3), "instance": switch.instance, "from": switch.before, "to": switch.after}
        self._switches.append({**told, "because": switch.because})
        log(f"users of {switch.instance} go to {switch.after} and not to {switch.before} any more: {switch.because}")
        self._keep(course)

    def _tell(self, course: Course) -> None:
        """Map of HAProxy, then the file that its next start or reload reads."""
        lines = {
            f"{instance}@{course.failover.key}": group_of(instance, pool) for instance, pool in course.chosen.items()
        }
        for key, group in lines.items():
            with suppress(OSError):  # while HAProxy is away it sends nobody anywhere; it is told again
                if "not found" in self._command(f"set map {POOLS_MAP} {key} {group}"):
                    self._command(f"add map {POOLS_MAP} {key} {group}")
        content = "".join(f"{key} {group}\n" for key, group in sorted(lines.items())).encode()
        path = self._at(POOLS_MAP)
        if not path.exists() or path.read_bytes() != content:
            write_whole(path, content, 0o644)

    def _cut(self, course: Course, switch: Switch) -> None:
        """End what hangs on servers of a pool that died; whoever waits there would wait in vain."""
        for target in course.targets:
            if (target.instance, target.pool) == (switch.instance, switch.before):
                for end in ("read", "write", "blind"):
                    for family in ("ipv4", "ipv6"):
                        server = f"{group_of(switch.instance, switch.before)}-{end}/{target.machine}.{family}"
                        with suppress(OSError):
                            self._command(f"shutdown sessions server {server}")

    def _keep(self, course: Course) -> None:
        self._ups = {**self._ups, **course.ups()}
        content = json.dumps({"ups": self._ups, "switches": list(self._switches)}, sort_keys=True)
        write_whole(self._at(STEERED), content.encode(), 0o644)

    def _at(self, path: str) -> Path:
        return self._root / path.lstrip("/")


async def _ended(task: "asyncio.Task[None] | None") -> None:
    if task:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _kept(path: Path) -> tuple[Ups, deque[Mapping[str, Any]]]:
    """What was seen in this boot, and the switches; nothing where nothing can be read."""
    try:
        told = json.loads(path.read_bytes())
        ups = {
            str(instance): {str(machine): up is True for machine, up in machines.items()}
            for instance, machines in told["ups"].items()
        }
        return ups, deque((dict(one) for one in told["switches"]), _MOST_SWITCHES)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}, deque(maxlen=_MOST_SWITCHES)
