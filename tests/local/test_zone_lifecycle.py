"""Starting, breaking off and ending a zone: nothing half done stays, nothing is left behind."""

import os
import signal
import socket
import subprocess
from contextlib import suppress
from typing import Any

import psutil

from bench.project import Project
from hdinfra.operate.containers import open_containers
from hdinfra.operate.engine import Engine
from hdinfra.operate.waiting import seconds_until
from hdinfra.operate.workspace import Workspace
from tests.local.zone_visitors import SHOP, get, undisturbed


def owned(project: Project) -> list[str]:
    """Everything that carries the project's namespace."""
    client, selected = open_containers().client, {"label": f"hdinfra.namespace={project.namespace}"}
    found = [*client.containers.list(all=True, filters=selected), *client.networks.list(filters=selected)]
    return sorted(str(one.name) for one in found)


def machines(project: Project) -> dict[str, tuple[str, str]]:
    """Every machine's container, and since when it runs."""
    chosen = {"label": f"hdinfra.namespace={project.namespace}"}
    found = open_containers().client.containers.list(all=True, filters=chosen)
    return {str(one.name): (str(one.id), str(one.attrs["State"]["StartedAt"])) for one in found}


def preview(project: Project) -> subprocess.CompletedProcess[str]:
    """What an update would do now that the world was looked at again; anything but nothing is an error."""
    workspace = Workspace(project.root, "local", {**os.environ, **project.environment})
    return Engine(workspace).ask("preview", "--stack", "local", "--refresh", "--expect-no-changes")


def with_one_tenant(spec: dict[str, Any]) -> dict[str, Any]:
    """Eight machines instead of nine."""
    (web,), lab = spec["instances"], spec["lab"]
    small = {"instances": [{**web, "tenants": web["tenants"][:1]}], "lab": {**lab, "origins": lab["origins"][:1]}}
    return {**spec, **small}


def without_visitors(spec: dict[str, Any]) -> dict[str, Any]:
    """Five machines, for what is the same of any zone."""
    (web,) = spec["instances"]
    small = {key: value for key, value in spec.items() if key not in {"edge", "lab"}}
    return {**small, "instances": [{**web, "tenants": [{"name": "acme"}]}]}


def half_up(project: Project, signal_number: int) -> int:
    """Start `up`, wait until its first machine is there, and signal it; the exit code."""
    process = project.start("up")
    try:
        begun = seconds_until(lambda: f"{project.namespace}-a-web-1" in owned(project), within=300)
        assert begun is not None
        tree = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
        for pid in tree if signal_number == signal.SIGKILL else tree[:1]:
            with suppress(ProcessLookupError):  # whose parent was killed may be gone already
                os.kill(pid, signal_number)
        process.communicate(timeout=180)
        return process.returncode
    finally:
        process.kill()
        process.communicate()


def test_after_sigkill_the_next_up_works_and_down_leaves_nothing_but_the_other_zone(
    zone: Project, spare: Project
) -> None:
    others = machines(zone)
    spare.write_spec(with_one_tenant(spare.spec))
    assert half_up(spare, signal.SIGKILL) == -signal.SIGKILL
    done = spare.run("up")
    assert done.returncode == 0, done.stderr
    assert "clearing the lock" in done.stderr
    assert get(spare.urls[0], SHOP).status_code == 200
    with undisturbed(zone, per_second=20):
        spare.must("down")
    assert owned(spare) == []
    assert not (spare.root / "stacks" / "Pulumi.local.yaml").exists()
    assert machines(zone) == others
    would_change = preview(zone)
    assert would_change.returncode == 0, would_change.stdout + would_change.stderr
    first, second = spare.spec["clusters"]
    spare.write_spec({**spare.spec, "clusters": [{**first, "region": "lab-coast"}, second]})
    (note,) = spare.ask("plan")["notes"]
    assert "stack `local` is down" in note
    spare.must("down")


def test_ctrl_c_leaves_no_lock_the_next_up_works_and_down_even_with_a_broken_state(spare: Project) -> None:
    spare.write_spec(without_visitors(spare.spec))
    assert half_up(spare, signal.SIGINT) == 130
    assert list((spare.root / ".state" / "backend").rglob("locks/**/*.json")) == []
    done = spare.run("up")
    assert done.returncode == 0, done.stderr
    assert "clearing the lock" not in done.stderr
    (checkpoint,) = (spare.root / ".state" / "backend").rglob("stacks/**/local.json")
    checkpoint.write_text("{ not json")
    done = spare.run("down")
    assert "by their labels" in done.stderr
    assert owned(spare) == []


def test_a_refused_spec_ends_with_two_and_makes_nothing(spare: Project) -> None:
    spare.write_spec({**spare.spec, "clusters": spare.spec["clusters"][:1]})
    done = spare.run("up")
    assert done.returncode == 2
    assert "instance.two-clusters" in done.stderr
    assert "Traceback" not in done.stderr
    assert owned(spare) == []
    assert not (spare.root / ".state").exists()


def test_a_busy_port_is_named(spare: Project) -> None:
    port = spare.spec["edge"]["places"][0]["publish"]["port"]
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", port))
        busy.listen()
        done = spare.run("up")
    assert done.returncode == 1
    assert str(port) in done.stderr
    assert "edge.places" in done.stderr
    assert "Traceback" not in done.stderr
