"""A policy that every checker accepts and that does harm: its canary goes back alone, and users notice nothing."""

import json
import signal

import pytest

from bench.project import Project
from hdinfra.operate.how import Poison
from hdinfra.operate.waiting import seconds_until

DRILL = ("drill", "bad-policy", "--rate", "100")
SCOPE = "instance-web"


@pytest.mark.parametrize("how", Poison)
def test_the_canary_fails_alone_and_no_get_does(zone: Project, how: Poison) -> None:
    before = zone.ask("policy", "show", SCOPE)["release"]
    done = zone.run(*DRILL, "--how", how, "--json")
    report = json.loads(done.stdout)
    assert report["broken_promises"] == [], done.stderr
    assert done.returncode == 0
    assert report["gets"] >= 100
    assert (report["failed_gets"], report["spread_to"]) == (0, [])
    assert report["canary"] in before["members"]
    assert report["reason"]
    after = zone.ask("policy", "show", SCOPE)["release"]
    assert (after["document"], after["rollback_of"], after["whole"]) == (before["document"], report["number"], True)
    machines = [machine for cluster in zone.ask("status")["clusters"] for machine in cluster["machines"]]
    assert {(machine["healthy"], machine["number"]) for machine in machines} == {(True, after["number"])}


def test_an_interrupted_drill_leaves_the_good_policy_in_force(zone: Project) -> None:
    before = zone.ask("policy", "show", SCOPE)["release"]
    drill = zone.start(*DRILL)
    try:
        began = seconds_until(lambda: _newest(zone) > before["number"] or drill.poll() is not None, within=100)
        assert began is not None
        assert drill.poll() is None, drill.communicate()[1]
        drill.send_signal(signal.SIGINT)
        told = drill.communicate(timeout=120)[1]
        assert drill.returncode == 130, told
    finally:
        drill.kill()
        drill.communicate()
    after = zone.ask("policy", "show", SCOPE)["release"]
    assert (after["document"], after["whole"]) == (before["document"], True)
    assert seconds_until(lambda: zone.run("status", "--json").returncode == 0, within=60) is not None


def test_an_unknown_instance_is_named_with_those_there_are(zone: Project) -> None:
    done = zone.run("drill", "bad-policy", "--instance", "mail")
    assert done.returncode == 1
    assert "--instance with one of: web" in done.stderr


def _newest(zone: Project) -> int:
    releases = zone.ask("policy", "show")["policies"]
    return max(int(one["number"]) for one in releases if one["scope"] == SCOPE)
