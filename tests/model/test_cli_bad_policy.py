"""`hdinfra drill bad-policy` against API machines over real TLS, a fleet of stand-ins and a real load."""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from hdinfra.operate import witness
from hdinfra.operate.bad_policy import BadPolicy, BadPolicyReport, order_for, poisoned, run
from hdinfra.operate.containers import Containers
from hdinfra.operate.control import Control
from hdinfra.operate.drill import Zone
from hdinfra.operate.errors import ControlError, NotServingError, WorkspaceError
from hdinfra.operate.how import Poison
from hdinfra.operate.report import Ledger, Traffic
from hdinfra.operate.status import Declared
from tests.model.policy_zone import (
    MEMBERS,
    SCOPE,
    Fleet,
    StackKeys,
    control_of_apis,
    document,
    release,
    site,
)
from tests.model.test_cli_load import Origin

GOOD = document(site("blog.acme.test"), site("shop.acme.test"))
WELL = BadPolicyReport(
    scope=SCOPE,
    how="errors",
    number=3,
    traffic=Traffic(requests=100, gets=95, failed_gets=0),
    slowest_allowed_seconds=3,
    canary="a-web-1",
    reason="blog.acme.test answers 504",
    refused_seconds=2.0,
    good_again_seconds=3.0,
)


@pytest.fixture
def fleet(keys: StackKeys) -> Fleet:
    """Three machines at release 2, each of which refuses what is no longer the good document."""
    made = Fleet(keys)
    for machine in made.machines.values():
        machine.refuses = lambda said: "" if said == GOOD else "blog.acme.test answers 504"
    made.endow(release(1, GOOD), release(2, GOOD))
    return made


class StandInContainers:
    """Machines whose `hdctl status` gives what the fleet says; what is run in them is kept."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.ran: list[tuple[str, ...]] = []
        self.on_kill: Callable[[str], None] = lambda _: None

    def hdctl_status(self, name: str) -> Mapping[str, Any]:
        """As the machine's own daemon would say."""
        return {"number": self.fleet.machines[name.removeprefix("hd-")].number}

    def run(self, name: str, *command: str) -> None:
        """Remembers it."""
        self.ran.append((name, *command))
        self.on_kill(name.removeprefix("hd-"))


@pytest.fixture
def edge() -> Iterator[Origin]:
    """What answers as an edge would."""
    server = Origin()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def zone(fleet: Fleet, edge: Origin) -> Zone:
    """A running stack with one Instance."""
    clusters = [
        {"name": place, "machines": [{"name": n, "container": f"hd-{n}"} for n, p in MEMBERS.items() if p == place]}
        for place in ("a", "b")
    ]
    sites = [{"host": one["host"], "tenant": "acme", "instance": "web", "mode": "RECORD"} for one in GOOD["sites"]]
    output = {"zone": "test", "clusters": clusters, "edge": {"urls": [edge.url], "machines": []}, "sites": sites}
    return Zone(Declared(output), cast(Containers, StandInContainers(fleet)))


def order(how: Poison = Poison.ERRORS) -> BadPolicy:
    """The drill in little."""
    return BadPolicy("web", how, 50, 60)  # seconds for an answer: a busy computer breaks no promise here


def quiet(_: str) -> None:
    """Nobody listens."""


def test_the_canary_alone_has_it_and_the_good_one_comes_back(
    fleet: Fleet, control: Control, zone: Zone, edge: Origin
) -> None:
    report = run(order(), zone, control, quiet)
    assert report.broken_promises == ()
    assert (report.canary, report.number, report.reason) == ("a-web-1", 3, "blog.acme.test answers 504")
    assert report.refused_seconds is not None
    assert [released for number, released in fleet.published if number == 3] == [("a-web-1",)] * 2
    newest = fleet.releases(SCOPE)[0]
    assert (newest.document, newest.rollback_of, newest.whole) == (GOOD, 3, True)
    assert edge.hosts == {"blog.acme.test", "shop.acme.test"}  # how many GETs there are depends on the computer


def test_an_app_that_dies_is_killed_where_the_bad_release_is_and_nowhere_else(
    fleet: Fleet, control: Control, zone: Zone
) -> None:
    containers = cast(StandInContainers, zone.containers)

    def goes_back(name: str) -> None:
        machine = fleet.machines[name]
        with fleet.grew:
            if machine.number == 3:  # else the good one came between the look and the kill, and nobody is on trial
                machine.failed = {"number": 3, "settings": 0, "reason": "nginx was killed 3 times"}
                machine.number = 2

    containers.on_kill = goes_back
    for machine in fleet.machines.values():
        machine.refuses = lambda _: ""
    report = run(order(Poison.CRASH), zone, control, quiet)
    assert report.broken_promises == ()
    assert (report.canary, report.reason) == ("a-web-1", "nginx was killed 3 times")
    assert {(name, *command[:3]) for name, *command in containers.ran} == {
        ("hd-a-web-1", "systemctl", "kill", "--signal=SIGKILL")
    }


def test_a_refusal_that_is_over_between_two_looks_of_the_witness_is_told(
    control: Control, zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness, "_POLL_SECONDS", 2.0)  # the fleet goes back at once, and forgets what it refused
    report = run(order(), zone, control, quiet)
    assert report.broken_promises == ()
    assert (report.canary, report.reason) == ("a-web-1", "blog.acme.test answers 504")
    assert report.refused_seconds is not None
    assert report.good_again_seconds is not None
    assert 0 < report.refused_seconds < report.good_again_seconds


def test_a_policy_that_nobody_refuses_breaks_the_promise_and_is_taken_back_all_the_same(
    fleet: Fleet, control: Control, zone: Zone
) -> None:
    for machine in fleet.machines.values():
        machine.refuses = lambda _: ""
    fleet.endow(release(3, GOOD, bake_seconds=0.2))
    report = run(order(), zone, control, quiet)
    assert "no machine went back from the bad policy" in report.broken_promises
    assert any("a-web-2" in broken for broken in report.broken_promises)
    assert fleet.releases(SCOPE)[0].document == GOOD
    assert {machine.number for machine in fleet.machines.values()} == {5}


def test_an_interrupted_drill_leaves_the_good_policy(fleet: Fleet, control: Control, zone: Zone) -> None:
    for machine in fleet.machines.values():
        machine.refuses = lambda _: ""

    def interrupt(text: str) -> None:
        if "goes to its canary" in text or "waiting for" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(order(), zone, control, interrupt)
    newest = fleet.releases(SCOPE)[0]
    assert (newest.document, newest.whole, newest.rollback_of) == (GOOD, True, 3)


def broken_before(fleet: Fleet) -> None:
    fleet.machines["b-web-1"].serving = False


def silent_before(fleet: Fleet) -> None:
    del fleet.machines["b-web-1"]


def halted_before(fleet: Fleet) -> None:
    fleet.endow(release(3, GOOD, released=("a-web-1",)))


def without_sites(fleet: Fleet) -> None:
    for machine in fleet.machines.values():
        machine.refuses = lambda _: ""
    fleet.endow(release(3, document()))


@pytest.mark.parametrize("before", [broken_before, silent_before, halted_before, without_sites])
def test_on_a_fleet_that_is_not_well_a_drill_proves_nothing(
    fleet: Fleet, control: Control, zone: Zone, before: Callable[[Fleet], None]
) -> None:
    before(fleet)
    with pytest.raises(NotServingError, match="prove nothing"):
        run(order(), zone, control, quiet)
    assert fleet.published == []


def test_without_an_api_machine_nothing_is_broken(keys: StackKeys, fleet: Fleet, zone: Zone) -> None:
    nobody = {"name": "a-control-1", "address": "127.0.0.1", "port": 1}
    with control_of_apis(keys, nobody) as control, pytest.raises(ControlError, match="No API machine answers"):
        run(order(), zone, control, quiet)
    assert fleet.published == []


@pytest.mark.parametrize("how", Poison)
@pytest.mark.parametrize("seconds", [1, 2, 300])
def test_a_poisoned_document_passes_every_checker_and_differs_in_one_site(how: Poison, seconds: int) -> None:
    from hdinfra.model.policy import WafPolicy  # noqa: PLC0415  the model is asked here only

    good = document(site("a.test", response_timeout_seconds=seconds), site("b.test"))
    bad = poisoned(good, how)
    assert WafPolicy.model_validate(bad).model_dump(mode="json") == bad
    assert (bad["sites"][0] != good["sites"][0], bad["sites"][1:]) == (True, good["sites"][1:])
    assert good == document(site("a.test", response_timeout_seconds=seconds), site("b.test"))


@pytest.mark.parametrize(
    ("report", "told"),
    [
        (replace(WELL, traffic=replace(WELL.traffic, failed_gets=1)), "1 of 95 GETs failed"),
        (replace(WELL, traffic=replace(WELL.traffic, gets=0)), "no GET was sent"),
        (replace(WELL, traffic=replace(WELL.traffic, slowest_seconds=3.01)), "3.0 s are allowed"),
        (replace(WELL, canary=None), "no machine went back"),
        (replace(WELL, spread_to=("b-web-1",)), "more than its canary: b-web-1"),
        (replace(WELL, good_again_seconds=None), "did not come back"),
        (replace(WELL, ledger=Ledger(ran_twice=(7,))), "1 POSTs ran twice"),
        (replace(WELL, ledger=Ledger(lost=(7,))), "1 acknowledged POSTs are not in the ledger"),
    ],
)
def test_every_broken_promise_is_told(report: BadPolicyReport, told: str) -> None:
    assert [told in broken for broken in report.broken_promises] == [True]
    assert report.as_json()["well"] is False


def test_a_drill_without_a_flaw_is_flat_json() -> None:
    told = WELL.as_json()
    assert (told["well"], told["gets"], told["failed_gets"], told["canary"]) == (True, 95, 0, "a-web-1")
    assert "traffic" not in told


def test_an_order_names_its_instance_or_those_there_are(zone: Zone) -> None:
    assert order_for(zone, None, Poison.ERRORS, 10, 3).scope == SCOPE
    assert order_for(zone, "web", Poison.ERRORS, 10, 3).instance == "web"
    with pytest.raises(WorkspaceError, match="`mail`") as told:
        order_for(zone, "mail", Poison.ERRORS, 10, 3)
    assert "one of: web" in told.value.retry
