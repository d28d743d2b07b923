"""A Cluster is lost in three ways under load, and no visitor's GET fails."""

import json
import signal

import pytest

from bench.project import Project
from hdinfra.operate.containers import open_containers
from hdinfra.operate.faults import How
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
    assert zone.ask("status")["clusters"][0]["healthy"] is True


@pytest.mark.parametrize("how", How)
def test_an_interrupted_drill_heals(zone: Project, how: How) -> None:
    containers = open_containers()
    machine = f"{zone.namespace}-a-web-1"

    def is_broken() -> bool:
        container = containers.get(machine)
        tables = container.exec_run(["nft", "list", "tables"]).output if containers.is_running(machine) else b"stopped"
        return tables == b"stopped" or b"hdinfra_unplugged" in tables

    drill = zone.start(*DRILL, "--seconds", "30", "--how", how)
    try:
        assert seconds_until(is_broken, within=40) is not None
        drill.send_signal(signal.SIGINT)
        drill.communicate(timeout=120)
        assert drill.returncode == 130
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
