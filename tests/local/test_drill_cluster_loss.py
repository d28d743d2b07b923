"""A Cluster is lost in three ways under load, and no visitor's GET fails."""

import json
import signal

import pytest
from docker.errors import APIError

from bench.project import Project
from hdinfra.operate.containers import open_containers, said
from hdinfra.operate.how import How
from hdinfra.operate.waiting import seconds_until

DRILL = ("drill", "cluster-loss", "--cluster", "a", "--rate", "100")


@pytest.mark.parametrize("how", How)
def test_no_get_fails_and_no_post_runs_twice(zone: Project, how: How) -> None:
    done = zone.run(*DRILL, "--seconds", "5", "--how", how, "--json")
    report = json.loads(done.stdout)
    assert report["broken_promises"] == [], done.stderr
    assert done.returncode == 0
    assert (report["requests"], report["gets"], report["failed_gets"]) == (500, 475, 0)
    assert report["ledger"]["sent"] == 25
    assert report["ledger"]["acknowledged"] >= 10
    assert report["view_right_seconds"] < 5
    # Its API machine asks the others what it missed before it says that it serves.
    assert seconds_until(lambda: zone.run("status", "--json").returncode == 0, within=60) is not None


@pytest.mark.parametrize("how", How)
def test_an_interrupted_drill_heals(zone: Project, how: How) -> None:
    containers = open_containers()
    machine = f"{zone.namespace}-a-web-1"

    def is_broken() -> bool:
        container = containers.get(machine)
        if container is None or container.status != "running":
            return True
        if how is not How.UNPLUG:
            return False  # a command in a machine that is frozen just then would hang until it is thawed
        try:
            return "hdinfra_unplugged" in said(container.exec_run(["nft", "list", "tables"]))
        except APIError:  # it was stopped between the two looks
            return True

    drill = zone.start(*DRILL, "--seconds", "30", "--how", how)
    try:
        began = seconds_until(lambda: is_broken() or drill.poll() is not None, within=100)
        assert began is not None
        assert drill.poll() is None, drill.communicate()[1]
        drill.send_signal(signal.SIGINT)
        told = drill.communicate(timeout=120)[1]
        assert drill.returncode == 130, told
        assert not is_broken()
    finally:
        drill.kill()
        drill.communicate()
    healed = seconds_until(lambda: zone.run("status", "--json").returncode == 0, within=60)
    assert healed is not None


def test_an_unknown_cluster_is_named_with_those_there_are(zone: Project) -> None:
    done = zone.run("drill", "cluster-loss", "--cluster", "z", "--seconds", "2")
    assert done.returncode == 1
    assert "--cluster with one of: a, b" in done.stderr
