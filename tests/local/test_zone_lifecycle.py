"""Starting, breaking off and ending a zone: nothing half done stays, nothing is left behind."""

import os
import signal
import socket

import psutil

from bench.project import Project
from hdinfra.operate.containers import open_containers
from hdinfra.operate.waiting import seconds_until
from tests.local.zone_visitors import SHOP, get


def owned(project: Project) -> list[str]:
    """Everything that carries the project's namespace."""
    client, selected = open_containers().client, {"label": f"hdinfra.namespace={project.namespace}"}
    found = [*client.containers.list(all=True, filters=selected), *client.networks.list(filters=selected)]
    return sorted(str(one.name) for one in found)


def half_up(project: Project, signal_number: int) -> int:
    """Start `up`, wait until its first machine is there, and signal it; the exit code."""
    process = project.start("up")
    try:
        begun = seconds_until(lambda: f"{project.namespace}-a-web-1" in owned(project), within=300)
        assert begun is not None
        tree = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
        for pid in tree if signal_number == signal.SIGKILL else tree[:1]:
            os.kill(pid, signal_number)
        process.communicate(timeout=180)
        return process.returncode
    finally:
        process.kill()
        process.communicate()


def test_after_sigkill_the_next_up_works_and_down_leaves_nothing(spare: Project) -> None:
    assert half_up(spare, signal.SIGKILL) == -signal.SIGKILL
    done = spare.run("up")
    assert done.returncode == 0, done.stderr
    assert "clearing the lock" in done.stderr
    assert get(spare.urls[0], SHOP).status_code == 200
    spare.must("down")
    assert owned(spare) == []
    assert not (spare.root / "stacks" / "Pulumi.local.yaml").exists()
    spare.must("down")


def test_ctrl_c_leaves_no_lock_and_the_next_up_works(spare: Project) -> None:
    assert half_up(spare, signal.SIGINT) == 130
    assert list((spare.root / ".state" / "backend").rglob("locks/**/*.json")) == []
    done = spare.run("up")
    assert done.returncode == 0, done.stderr
    assert "clearing the lock" not in done.stderr


def test_down_works_when_the_state_is_broken(spare: Project) -> None:
    spare.must("up")
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
