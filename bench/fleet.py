"""Reading a running zone from outside: its API machines, and what processes inside its machines have used."""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bench.project import Project
from hdinfra.operate.containers import Containers, said
from hdinfra.operate.control import Control, control_of
from hdinfra.operate.engine import Deployed, Engine
from hdinfra.operate.workspace import Workspace
from hdinfra.plugins.policy.api import Api

_POLL_SECONDS = 0.05


def state_of(zone: Project) -> Deployed:
    """The stack's state with its secrets; AssertionError when it is not up."""
    deployed = Engine(Workspace(zone.root, "local", {**os.environ, **zone.environment})).deployed_with_secrets()
    if deployed is None:
        raise AssertionError("the zone is not up")
    return deployed


def control_plane(zone: Project) -> Control:
    """The zone's management API, to be closed by leaving it."""
    return control_of(state_of(zone), "local")


@contextmanager
def writer(control: Control) -> Iterator[Api]:
    """One API machine, to whom alone something is said."""
    api = Api(control.endpoints[0], control.keys.root, control.keys.admin_token)
    try:
        yield api
    finally:
        api.close()


def containers_of(zone: Project, role: str) -> list[str]:
    """Containers of all machines of that role."""
    status = state_of(zone).outputs["status"]
    machines = [machine for cluster in status["clusters"] for machine in cluster["machines"]]
    machines += [*status["edge"]["machines"], *status["control"], *status["lab"]]
    return sorted(machine["container"] for machine in machines if machine["role"] == role)


def seconds_until_all(
    control: Control, members: Iterable[str], holds: Callable[[Mapping[str, Any]], bool], within: float
) -> float:
    """How long until that held for each of these machines' last reports; TimeoutError when it did not."""
    begin, wanted = time.monotonic(), frozenset(members)
    while True:
        machines = control.machines()
        if all(name in machines and holds(machines[name]) for name in wanted):
            return time.monotonic() - begin
        if time.monotonic() - begin > within:
            raise TimeoutError({name: machines.get(name) for name in wanted})
        time.sleep(_POLL_SECONDS)


def run_in(containers: Containers, name: str, *command: str) -> str:
    """The output of a command that must succeed inside a machine."""
    done = containers.client.containers.get(name).exec_run(list(command))
    if done.exit_code != 0:
        raise AssertionError(f"{name}: {' '.join(command)[:80]} ended with {done.exit_code}: {said(done)}")
    return said(done)


def run_json(containers: Containers, name: str, program: str) -> Any:
    """What a small Python program prints as JSON inside a machine."""
    return json.loads(run_in(containers, name, "python3", "-IBc", program))


RESIDENT = """
import json, pathlib, sys
found = {}
for process in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        title = (process / "cmdline").read_bytes().replace(b"\\0", b" ").decode()
        rows = [row.split() for row in (process / "smaps_rollup").read_text().splitlines()[1:]]
    except OSError:
        continue
    kib = {row[0]: int(row[1]) for row in rows}
    if "Rss:" in kib:
        found[process.name] = [title, kib["Rss:"], kib["Pss:"]]
print(json.dumps(found))
"""
"""Prints by process id its command line, what it has resident, and that with shared pages divided among those who
share them (so that it may be added up), in KiB."""

BARE = """
import http.client, json, pathlib, ssl
rows = pathlib.Path("/proc/self/status").read_text().splitlines()
print(json.dumps([int(row.split()[1]) for row in rows if row.startswith("VmRSS:")][0]))
"""
"""Prints what Python with TLS and HTTP has resident, in KiB."""

CPU = """
import json, os, pathlib
ticks = 0
for process in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        title = (process / "cmdline").read_bytes()
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        continue
    if b"nginx" in title or b"hdinfra-control" in title:
        ticks += int(fields[11]) + int(fields[12])
print(json.dumps(ticks / os.sysconf("SC_CLK_TCK")))
"""
"""Prints the seconds of CPU that nginx and the management API have used so far."""
