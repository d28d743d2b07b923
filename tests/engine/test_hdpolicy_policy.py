"""The Policy kind over its gRPC frame against API machines over real TLS."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from hdinfra.plugins.policy.package import PolicyPath
from hdinfra.plugins.policy.watch import Pace
from hdinfra.protocol.release import Release
from tests.engine.policy_api import TOKEN, ZONE, StackKeys, StandInApi, StandInFleet, serving_api
from tests.local.hdlocal_fixtures import Driver, Fault, driven, eventually

KIND = "hdpolicy:index:Policy"
PACE = Pace(answer=1.5, retry=0.05, appear=1.5, grace=0.5, serve=1.5, settle=2, poll=0.02)
MEMBERS = {"a-1": "a", "a-2": "a", "b-1": "b", "b-2": "b", "c-1": "c"}


def site(host: str, mode: str = "RECORD") -> dict[str, Any]:
    """A site as the model writes it."""
    return {
        "host": host, "tenant": "acme", "mode": mode, "paranoia": 1, "exclusions": [], "lowest_mode": "BYPASS",
        "highest_paranoia": 3, "most_exclusions": 4, "origins": [{"address": "192.0.2.1", "port": 80}],
        "health_path": "/", "response_timeout_seconds": 20,
    }  # fmt: skip


def document(*hosts: str, mode: str = "RECORD") -> dict[str, Any]:
    """A WAF policy."""
    return {"app": "waf", "schema_version": 1, "edges": [], "sites": [site(host, mode) for host in hosts]}


ONE, TWO = document("one.test"), document("one.test", "two.test")


@pytest.fixture(scope="module")
def keys() -> StackKeys:
    return StackKeys.made()


@pytest.fixture
def fleet(keys: StackKeys) -> StandInFleet:
    made = StandInFleet(keys)
    for name in MEMBERS:
        made.machine(name)
    return made


@pytest.fixture
def apis(fleet: StandInFleet, tmp_path: Path) -> Iterator[list[StandInApi]]:
    with ExitStack() as stack:
        yield [stack.enter_context(serving_api(fleet, name, tmp_path)) for name in ("api-1", "api-2")]


@pytest.fixture
def plugin() -> Iterator[Driver]:
    with driven(PolicyPath(PACE)) as driver:
        assert driver.configure() == []
        yield driver


@pytest.fixture
def inputs(keys: StackKeys, apis: list[StandInApi]) -> dict[str, Any]:
    return {
        "zone": ZONE,
        "scope": "instance-shop",
        "members": MEMBERS,
        "generations": dict.fromkeys(MEMBERS, "1"),
        "document": ONE,
        "bakeSeconds": 0.3,
        "code": {},
        "endpoints": [api.endpoint for api in apis],
        "root": keys.root,
        "signingKey": keys.signing,
        "adminToken": TOKEN,
    }


def created(plugin: Driver, inputs: dict[str, Any]) -> dict[str, Any]:
    """The state after the first `up`."""
    resource_id, state, _ = plugin.create(KIND, "shop-policy", inputs)
    assert resource_id == "test/instance-shop"
    return dict(state)


def updated(plugin: Driver, state: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """The state after the next one."""
    return plugin.update(KIND, "shop-policy", "test/instance-shop", state, inputs)


def stages(fleet: StandInFleet, number: int) -> list[list[str]]:
    """Who had that release by and by; each API machine is told each time."""
    told = [sorted(released) for published, released in fleet.published if published == number]
    return [stage for place, stage in enumerate(told) if stage not in told[:place]]


def test_first_release_goes_to_one_then_cluster_after_cluster(
    plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]
) -> None:
    state = created(plugin, inputs)
    assert (state["number"], state["serving"], state["silent"]) == (1, True, [])
    assert stages(fleet, 1) == [["a-1"], ["a-1", "a-2"], ["a-1", "a-2", "b-1", "b-2"], sorted(MEMBERS)]
    assert fleet.releases("instance-shop")[0].document == ONE


def test_change_bakes_at_its_canary_first(plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]) -> None:
    state = created(plugin, inputs)
    begun = time.monotonic()
    state = updated(plugin, state, inputs | {"document": TWO})
    assert time.monotonic() - begun >= 0.3
    assert (state["number"], stages(fleet, 2)[0]) == (2, ["a-1"])
    assert {machine.number for machine in fleet.machines.values()} == {2}


def test_what_only_joins_does_not_bake(plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]) -> None:
    state = created(plugin, inputs | {"bakeSeconds": 60})
    fleet.machine("c-2")
    more = {"members": MEMBERS | {"c-2": "c"}, "generations": dict.fromkeys([*MEMBERS, "c-2"], "1")}
    state = updated(plugin, state, inputs | {"bakeSeconds": 60} | more)
    assert (state["number"], fleet.machines["c-2"].number) == (2, 2)


def test_refused_by_the_canary_is_rolled_back_with_its_words(
    plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]
) -> None:
    state = created(plugin, inputs)
    fleet.machines["a-1"].refuses = lambda doc: "nginx: [emerg] unknown directive" if doc == TWO else ""
    with pytest.raises(Fault) as caught:
        updated(plugin, state, inputs | {"document": TWO})
    assert "its canary `a-1`: nginx: [emerg] unknown directive" in caught.value.message
    back = fleet.releases("instance-shop")[0]
    assert (back.number, back.rollback_of, back.document, set(back.released)) == (3, 2, ONE, set(MEMBERS))
    assert stages(fleet, 2) == [["a-1"]]
    assert {machine.number for machine in fleet.machines.values()} == {3}


def test_refused_later_is_rolled_back_for_all(plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]) -> None:
    state = created(plugin, inputs)
    fleet.machines["b-2"].refuses = lambda doc: "answers 502" if doc == TWO else ""
    with pytest.raises(Fault, match="failed on `b-2`: answers 502"):
        updated(plugin, state, inputs | {"document": TWO})
    assert "c-1" not in {name for stage in stages(fleet, 2) for name in stage}
    assert fleet.releases("instance-shop")[0].document == ONE
    # The next try, with what made it fail mended, needs a number that nobody went back from.
    fleet.machines["b-2"].refuses = lambda _: ""
    assert updated(plugin, state, inputs | {"document": TWO})["number"] == 4


def test_canary_that_never_serves_is_rolled_back(plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]) -> None:
    state = created(plugin, inputs)
    sync = fleet.machines["a-1"].sync
    fleet.machines["a-1"].sync = lambda r: sync(r) if r.document == ONE else None  # type: ignore[method-assign]
    with pytest.raises(Fault, match=r"does not serve it after \d+ s; it reported \d+ s ago: release 1, serving"):
        updated(plugin, state, inputs | {"document": TWO})
    assert fleet.releases("instance-shop")[0].rollback_of == 2


def test_first_release_that_fails_stays_at_its_canary(
    plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]
) -> None:
    fleet.machines["a-1"].refuses = lambda _: "no such rule"
    with pytest.raises(Fault, match="no such rule\nThere is no earlier release"):
        created(plugin, inputs)
    assert stages(fleet, 1) == [["a-1"]]
    fleet.machines["a-1"].refuses = lambda _: ""
    assert created(plugin, inputs)["number"] == 2


def test_rolled_back_to_what_the_stack_knows_when_an_api_machine_lies(
    plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]
) -> None:
    state = created(plugin, inputs)
    fleet.tells_seals = False
    told = fleet._told
    lie = document("lie.test")
    fleet._told = lambda release: told(release) | {"document": lie}  # type: ignore[method-assign]
    fleet.machines["a-1"].refuses = lambda doc: "bad" if doc == TWO else ""
    with pytest.raises(Fault):
        updated(plugin, state, inputs | {"document": TWO})
    assert fleet.releases("instance-shop")[0].document == ONE


def test_silent_machine_is_named_and_not_waited_for(
    plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]
) -> None:
    state = created(plugin, inputs)
    fleet.machines["b-1"].seen_seconds = 100
    fleet.machines["b-1"].sync = lambda _: None  # type: ignore[method-assign]
    state = updated(plugin, state, inputs | {"document": TWO})
    assert (state["serving"], state["silent"]) == (False, ["b-1"])
    assert "b-1" in fleet.releases("instance-shop")[0].released
    old = inputs | {"document": TWO}
    assert plugin.diff(KIND, state, old, old) == ({"serving"}, set(), False)


def test_machine_made_anew_is_waited_for_without_a_new_release(
    plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]
) -> None:
    state = created(plugin, inputs)
    fleet.machine("b-1", seen_seconds=None)
    appear = threading.Timer(0.4, lambda: setattr(fleet.machines["b-1"], "seen_seconds", 0))
    appear.start()
    anew = inputs | {"generations": inputs["generations"] | {"b-1": "2"}}
    state = updated(plugin, state, anew)
    appear.join()
    assert (state["number"], state["serving"], len(fleet.releases("instance-shop"))) == (1, True, 1)


def test_new_machine_that_speaks_but_does_not_serve_fails_the_update_and_is_kept(
    plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]
) -> None:
    state = created(plugin, inputs)
    fleet.machine("b-1", serving=False)
    with pytest.raises(Fault, match="`b-1` does not serve release 1: it reported") as caught:
        updated(plugin, state, inputs | {"generations": inputs["generations"] | {"b-1": "2"}})
    assert caught.value.failed is not None


def test_one_api_machine_down_is_no_failure(plugin: Driver, inputs: dict[str, Any], apis: list[StandInApi]) -> None:
    apis[0].server.shutdown()
    apis[0].server.server_close()
    assert created(plugin, inputs)["serving"] is True


def test_all_api_machines_down_is_one_clear_error_in_time(plugin: Driver, inputs: dict[str, Any]) -> None:
    begun = time.monotonic()
    nobody = [endpoint | {"port": 9} for endpoint in inputs["endpoints"]]
    with pytest.raises(Fault) as caught:
        created(plugin, inputs | {"endpoints": nobody})
    assert time.monotonic() - begun < 5
    assert "none of the API machines `api-1`, `api-2` answered within 1.5 s" in caught.value.message
    assert "refused" in caught.value.message


def test_nobody_to_try_it_on_is_said(plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]) -> None:
    fleet.machines.clear()
    with pytest.raises(Fault, match="no machine of `instance-shop` has reported"):
        created(plugin, inputs)
    assert fleet.published == []


def test_wrong_token_is_the_apis_own_no(plugin: Driver, inputs: dict[str, Any]) -> None:
    with pytest.raises(Fault, match=r"refuse the policy of `instance-shop`: token\.unknown: who are you\?"):
        created(plugin, inputs | {"adminToken": "b" * 30})


def test_somebody_quicker_only_costs_a_number(plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]) -> None:
    state = created(plugin, inputs)
    take, once = fleet.take, [True]

    def quicker(scope: str, text: str) -> tuple[int, dict[str, Any]]:
        if once.pop() if once else False:
            fleet.publish(scope, Release(ZONE, scope, 7, 1, {"a-1": "a"}, (), document("other.test")))
        return take(scope, text)

    fleet.take = quicker  # type: ignore[method-assign]
    assert updated(plugin, state, inputs | {"document": TWO})["number"] == 8


def test_cancelled_stays_at_the_canary_and_the_next_run_goes_on(
    plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]
) -> None:
    state = created(plugin, inputs)
    faults: list[str] = []

    def update() -> None:
        try:
            updated(plugin, state, inputs | {"document": TWO, "bakeSeconds": 60})
        except Fault as fault:
            faults.append(fault.message)

    work = threading.Thread(target=update)
    work.start()
    eventually(lambda: fleet.machines["a-1"].number == 2, within=10)
    plugin.cancel()
    work.join(timeout=10)
    assert "cancelled" in faults[0]
    assert "policy release instance-shop" in faults[0]
    assert stages(fleet, 2) == [["a-1"]]
    plugin.frame.cancelled.clear()
    wanted = inputs | {"document": TWO, "bakeSeconds": 60}
    assert plugin.diff(KIND, state, inputs, inputs)[0] == {"digest"}  # even a spec that was put back is brought about
    fleet.releases("instance-shop")
    halted = fleet.releases("instance-shop")[0]
    fleet.publish("instance-shop", Release(**{**_fields(halted), "bake_seconds": 0.1}))
    assert updated(plugin, state, wanted | {"bakeSeconds": 0.1})["number"] == 2


def _fields(release: Release) -> dict[str, Any]:
    return {name: getattr(release, name) for name in Release.__slots__}


def test_read_tells_what_is_in_force_and_keeps_what_nobody_answers(
    plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]
) -> None:
    state = created(plugin, inputs)
    assert plugin.read(KIND, "shop-policy", "test/instance-shop", state) == state
    nobody = state | {"endpoints": [inputs["endpoints"][0] | {"port": 9}]}
    assert plugin.read(KIND, "shop-policy", "test/instance-shop", nobody) == nobody
    fleet.machines["a-2"].serving = False
    seen = plugin.read(KIND, "shop-policy", "test/instance-shop", state)
    assert seen is not None
    assert seen["serving"] is False


def test_diff_tells_when_the_api_machines_lost_everything(
    plugin: Driver, fleet: StandInFleet, inputs: dict[str, Any]
) -> None:
    state = created(plugin, inputs)
    assert plugin.diff(KIND, state, inputs, inputs) == (set(), set(), False)
    fleet.sealed.clear()
    assert plugin.diff(KIND, state, inputs, inputs) == ({"digest"}, set(), False)
    assert updated(plugin, state, inputs)["number"] == 2


def test_check_refuses_what_no_release_could_carry(plugin: Driver, inputs: dict[str, Any]) -> None:
    assert [path for path, _ in plugin.check(KIND, inputs | {"members": {}})] == ["members"]
    huge = inputs | {"document": {"app": "x" * 1_000_000}}
    assert plugin.check(KIND, huge) == [
        ("document", "`document` travels as 1,000,028 bytes; 983,040 are the most for a release")
    ]


def test_secrets_are_shown_nowhere(plugin: Driver, inputs: dict[str, Any], keys: StackKeys) -> None:
    wrong = inputs | {"signingKey": "not a key", "adminToken": "x y"}
    assert "not a key" not in str(plugin.check(KIND, wrong))
    assert keys.signing not in str(plugin.check(KIND, inputs | {"members": {}}))
