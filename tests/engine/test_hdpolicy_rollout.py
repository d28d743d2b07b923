"""The driver's promises for any fleet and any machine that goes back: short ways, no network, the real decisions."""

from collections.abc import Mapping
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdinfra.plugins.kind import Call, PluginError
from hdinfra.plugins.policy.api import Api, ApiRefusedError, Endpoint
from hdinfra.plugins.policy.plane import ControlPlane
from hdinfra.plugins.policy.rollout import RolledBackError, Rollout, Wanted
from hdinfra.plugins.policy.watch import Pace
from hdinfra.protocol.release import Release, open_release
from tests.engine.policy_api import ZONE, StackKeys, StandInFleet

KEYS = StackKeys.made()
PACE = Pace(answer=0.5, retry=0.01, appear=0.5, grace=0.1, serve=0.3, settle=0.5, poll=0.002)
GOOD, BAD = {"app": "waf", "sites": [], "edges": ["192.0.2.1"]}, {"app": "waf", "sites": [], "edges": []}
fleets = st.dictionaries(st.sampled_from([f"m{n}" for n in range(6)]), st.sampled_from("abc"), min_size=1)


class ApiInMemory:
    """What Api is, without a network."""

    timeout = 5.0

    def __init__(self, fleet: StandInFleet, name: str) -> None:
        self.fleet, self.endpoint = fleet, Endpoint(name, "192.0.2.1", 9000)

    def get(self, path: str) -> dict[str, Any]:
        parts = path.split("/")[2:]
        if parts == ["machines"]:
            return self.fleet.told_machines()
        return self._judged(
            *(self.fleet.told_scope(parts[1]) if len(parts) == 2 else self.fleet.told_history(parts[1]))
        )

    def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._judged(*self.fleet.take(path.split("/")[3], body["release"]))

    def close(self) -> None:
        """Nothing is open."""

    def _judged(self, status: int, answer: dict[str, Any]) -> dict[str, Any]:
        if status >= 400:
            raise ApiRefusedError(status, answer["error"], answer["message"])
        return answer


def at_work(members: Mapping[str, str], **call: Any) -> tuple[StandInFleet, Rollout]:
    """A fleet, and a driver for it."""
    fleet = StandInFleet(KEYS)
    for name in members:
        fleet.machine(name)
    apis = [cast(Api, ApiInMemory(fleet, name)) for name in ("api-1", "api-2")]
    return fleet, Rollout(ControlPlane(apis, ZONE, KEYS.signing), Call(**call), PACE)


@settings(max_examples=25, deadline=None)
@given(fleets, st.data())
def test_whoever_goes_back_takes_all_back_to_a_higher_number(members: dict[str, str], data: st.DataObject) -> None:
    fleet, rollout = at_work(members)
    assert rollout.bring(Wanted("s", members, GOOD)).serving
    bad = data.draw(st.sets(st.sampled_from(sorted(members)), min_size=1))
    for name in bad:
        fleet.machines[name].refuses = lambda document: "boom" if document == BAD else ""
    with pytest.raises(RolledBackError, match="boom") as caught:
        rollout.bring(Wanted("s", members, BAD, bake_seconds=0.01))
    newest = fleet.releases("s")[0]
    assert caught.value.refusal is not None
    assert caught.value.refusal.report.machine in bad and caught.value.refusal.report.refuses(2)
    assert caught.value.back is not None
    assert (newest.number, newest.rollback_of, newest.document) == (caught.value.back.number, 2, GOOD)
    assert set(newest.released) == set(members)
    assert {machine.number for machine in fleet.machines.values()} == {newest.number}


@settings(max_examples=25, deadline=None)
@given(fleets, st.sets(st.sampled_from([f"m{n}" for n in range(6)])))
def test_nobody_is_forgotten_and_the_silent_are_named(members: dict[str, str], lost: set[str]) -> None:
    fleet, rollout = at_work(members)
    assert rollout.bring(Wanted("s", members, GOOD)).serving
    silent = lost & set(members)
    for name in silent:
        fleet.machines[name].seen_seconds = None
    if silent == set(members):
        with pytest.raises(PluginError, match="no machine of `s` has reported"):
            rollout.bring(Wanted("s", members, BAD))
        return
    outcome = rollout.bring(Wanted("s", members, BAD, bake_seconds=0.01))
    assert (set(outcome.silent), outcome.serving) == (silent, not silent)
    assert set(fleet.releases("s")[0].released) == set(members)
    assert {fleet.machines[name].number for name in set(members) - silent} == {2}


def test_a_roll_out_that_stands_still_goes_on_when_told_to() -> None:
    members = {"m0": "a", "m1": "b"}
    fleet, rollout = at_work(members)
    rollout.bring(Wanted("s", members, GOOD))
    with pytest.raises(PluginError, match="no roll-out that stands still"):
        rollout.resume("s")
    fleet.publish("s", Release(ZONE, "s", 2, 1, members, ("m1",), BAD))
    outcome = rollout.resume("s")
    assert (outcome.number, outcome.serving) == (2, True)
    assert fleet.releases("s")[0].whole


def test_numbers_never_fall_below_what_machines_had() -> None:
    members = {"m0": "a", "m1": "b"}
    fleet, rollout = at_work(members)
    fleet.machines["m0"].number, fleet.machines["m1"].failed = 41, {"number": 57, "reason": "x"}
    assert rollout.bring(Wanted("s", members, GOOD), known=40).number == 58


def test_somebody_elses_newer_release_is_not_fought() -> None:
    members = {"m0": "a", "m1": "b"}
    fleet, rollout = at_work(members)
    rollout.bring(Wanted("s", members, GOOD))
    take = fleet.take

    def overtaken(scope: str, text: str) -> tuple[int, dict[str, Any]]:
        taken = take(scope, text)
        if open_release(text, KEYS.signer, ZONE).released == ("m0",):
            return taken
        fleet.publish(scope, Release(ZONE, scope, 9, 1, members, tuple(members), GOOD))
        return taken

    fleet.take = overtaken  # type: ignore[method-assign]
    with pytest.raises(PluginError, match="overtaken"):
        rollout.bring(Wanted("s", members, BAD, bake_seconds=0.01))
    assert fleet.releases("s")[0].number == 9


def test_a_roll_back_that_nobody_takes_is_said_with_what_failed() -> None:
    members = {"m0": "a", "m1": "b"}
    fleet, rollout = at_work(members)
    rollout.bring(Wanted("s", members, GOOD))
    fleet.machines["m0"].refuses = lambda document: "boom" if document == BAD else ""
    take = fleet.take

    def refuses_rollbacks(scope: str, text: str) -> tuple[int, dict[str, Any]]:
        return (403, {"error": "disk.full", "message": "full"}) if '"rollback_of\\":2' in text else take(scope, text)

    fleet.take = refuses_rollbacks  # type: ignore[method-assign]
    with pytest.raises(RolledBackError, match=r"(?s)boom.*could not be published: disk\.full") as caught:
        rollout.bring(Wanted("s", members, BAD))
    assert caught.value.back is None


def test_rolled_back_by_hand_is_not_what_a_later_failure_goes_back_to() -> None:
    members = {"m0": "a", "m1": "b"}
    fleet, rollout = at_work(members)
    rollout.bring(Wanted("s", members, GOOD))
    other = {"app": "waf", "sites": [], "edges": ["192.0.2.7"]}
    rollout.bring(Wanted("s", members, other))
    rollout.bring(Wanted("s", members, GOOD, rollback_of=2))
    fleet.machines["m0"].refuses = lambda document: "boom" if document == BAD else ""
    with pytest.raises(RolledBackError):
        rollout.bring(Wanted("s", members, BAD), own=Wanted("s", members, other))
    assert fleet.releases("s")[0].document == GOOD
