"""What others need stops after them and starts before them, on whichever hosts they run, and while there is power."""

from graphlib import CycleError
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hdinfra.model.hardware.checked import checked
from hdinfra.model.hardware.inventory import inventory_of
from hdinfra.model.hardware.power_plan import power_plan, power_plans
from hdinfra.model.hardware.turns import ring, stop_waves
from hdinfra.model.power import HALT_SECONDS, Pace, PowerPlan
from tests.model import hardware_specs as hardware
from tests.model.legal import Data
from tests.model.refused_ups import one_cable, watched

HOSTS = ("web-1", "web-2", "edge-1", "edge-2")
NAMES = [f"s{number}" for number in range(7)]


@st.composite
def needs(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """Services without a ring: each needs some of those before it, in an order that no name tells."""
    names = draw(st.permutations(NAMES))
    return {
        name: tuple(draw(st.lists(st.sampled_from(names[:index]), unique=True, max_size=3)) if index else ())
        for index, name in enumerate(names)
    }


@st.composite
def services(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Services on some hosts each."""
    found = draw(needs())
    listeners = [{"port": 80, "ipv4": "192.0.2.80", "ipv6": "2001:db8:1::80"}]
    return [
        {
            "name": name,
            "after": list(after),
            "hosts": draw(st.lists(st.sampled_from(HOSTS), unique=True, min_size=1)),
            "needs": 1,
            "units": [f"{name}.service"],
            "stop_seconds": draw(st.integers(1, 1_800)),
            "listeners": listeners,
        }
        for name, after in found.items()
    ]


def planned(made: list[dict[str, Any]], pace: Pace) -> PowerPlan:
    """The site of the example with these services on batteries."""

    def change(data: Data) -> None:
        watched(data)
        data["services"] = made

    found = power_plan(inventory_of(hardware.spec_of(change)), "par1", pace)
    assert found is not None
    return found


@settings(deadline=None)
@given(services(), st.builds(Pace, st.integers(1, 10), st.integers(1, 30)))
def test_whoever_needs_another_has_stopped_before_it_is_asked_to(made: list[dict[str, Any]], pace: Pace) -> None:
    plan = planned(made, pace)
    stops = [(stop, host) for host in plan.hosts for stop in host.stops]
    after = {one["name"]: one["after"] for one in made}
    for stop, _ in stops:
        for other, _ in stops:
            if other.service in after[stop.service]:
                # The slower host begins late by `skew` at most, and kills what has not stopped.
                assert stop.at + pace.skew + stop.seconds <= other.at


@settings(deadline=None)
@given(services())
def test_each_service_stops_once_on_each_of_its_hosts_before_the_host_does(made: list[dict[str, Any]]) -> None:
    plan = planned(made, Pace())
    for host in plan.hosts:
        mine = sorted(one["name"] for one in made if host.name in one["hosts"])
        assert sorted(stop.service for stop in host.stops) == mine == sorted(turn.service for turn in host.turns)
        assert all(stop.at + stop.seconds <= host.off_at for stop in host.stops)
        assert host.off_at + HALT_SECONDS <= plan.seconds


@settings(deadline=None)
@given(services())
def test_whoever_has_a_batterys_cable_is_the_last(made: list[dict[str, Any]]) -> None:
    plan = planned(made, Pace())
    last = max(host.off_at for host in plan.hosts)
    assert {host.off_at for host in plan.hosts if host.batteries} == {last}
    # Whoever hangs on a battery may ask for it, and nobody else.
    for host in plan.hosts:
        askers = {other.name for other in plan.hosts if host.name in {one.server for one in other.supplies}}
        assert {peer.name for peer in host.peers} == askers - {host.name}


@settings(deadline=None)
@given(services())
def test_a_start_waits_for_all_that_is_needed(made: list[dict[str, Any]]) -> None:
    after = {one["name"]: one["after"] for one in made}
    for host in planned(made, Pace()).hosts:
        for turn in host.turns:
            assert len(turn.answers) == len(after[turn.service])
            assert all(one.addresses == ("2001:db8:1::80", "192.0.2.80") for one in turn.answers)


@settings(deadline=None)
@given(needs())
def test_waves_are_as_few_as_can_be_and_hold_everybody_once(found: dict[str, tuple[str, ...]]) -> None:
    waves = stop_waves(found)
    assert sorted(name for wave in waves for name in wave) == sorted(found)
    number = {name: index for index, wave in enumerate(waves) for name in wave}
    for name in found:
        needed_by = [number[other] for other in found if name in found[other]]
        assert number[name] == max(needed_by, default=-1) + 1
    assert ring(found) == ()


@settings(deadline=None)
@given(needs(), st.data())
def test_a_ring_is_found_and_named_in_its_order(found: dict[str, tuple[str, ...]], data: st.DataObject) -> None:
    needing = [name for name in found if found[name]]
    assume(needing)
    name = data.draw(st.sampled_from(needing))
    closed = {**found, found[name][0]: (*found[found[name][0]], name)}
    members = ring(closed)
    assert members[0] == members[-1]
    assert all(other in closed[one] for one, other in pairwise(members))
    with pytest.raises(CycleError):
        stop_waves(closed)


def test_a_service_between_two_of_ours_keeps_them_apart_wherever_it_runs() -> None:
    """The middle one runs at another site: its own shutdown is no business of ours, the order through it is."""

    def change(data: Data) -> None:
        watched(data)
        data["sites"].append({"name": "lyon", "halls": [{"name": "east", "racks": ["c1"]}]})
        data["chains"] += [{"name": "green", "site": "lyon"}]
        iron = {**data["servers"][4], "name": "iron-6", "rack": "c1", "psus": [{"feed": "green"}]}
        data["servers"].append(iron)
        data["hosts"].append({**data["hosts"][0], "name": "far-1", "server": "iron-6"})
        one = data["services"][1] | {"after": []}
        data["services"] = [
            {**one, "name": "a", "hosts": ["web-1"], "after": ["b"]},
            {**one, "name": "b", "hosts": ["far-1"], "after": ["c"]},
            {**one, "name": "c", "hosts": ["web-2"]},
        ]

    plans = power_plans(inventory_of(hardware.spec_of(change)))
    assert [(plan.site, plan.waves) for plan in plans] == [("par1", (("a",), ("c",)))]


def test_without_a_watched_battery_there_is_no_plan() -> None:
    def unwatched(data: Data) -> None:
        for ups in data["upss"]:
            ups.pop("nut")

    assert power_plans(hardware.inventory(unwatched)) == ()


def test_the_example_on_batteries_is_legal_and_lasts() -> None:
    plan = power_plans(hardware.inventory(watched))[0]
    assert plan.waves == (("front",), ("inspection",))
    assert plan.seconds == 2 * (30 + Pace().skew) + HALT_SECONDS
    host = plan.host("web-2")
    assert [(one.ups, one.psus, one.server) for one in host.supplies] == [
        ("ups-blue", 1, "edge-2"),
        ("ups-red", 1, "web-1"),
    ]
    assert not host.batteries
    assert host.off_at == plan.seconds - HALT_SECONDS
    assert plan.host("edge-1").off_at == 30 + Pace().skew


def test_serials_tell_two_batteries_at_one_host_apart() -> None:
    def told(data: Data) -> None:
        one_cable(data)
        for number, ups in enumerate(data["upss"]):
            ups["nut"]["serial"] = f"AS{number}"

    found = power_plans(checked(hardware.spec_of(watched, told)))[0]
    assert [one.serial for one in found.host("web-1").batteries] == ["AS1", "AS0"]
