"""The gate of settings: laws that hold for whatever machines report."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hdinfra.control.rollout import LIVE_SECONDS, Fleet, Gate, Seen, gate

NOW = 1_000_000.0
NAMES = [f"{cluster}-shop-{number}" for cluster in "abc" for number in (1, 2)]
FLEET = Fleet({name: name[0] for name in NAMES}, 10)
NUMBERS = [3, 5, 8]


def seen(settings: int = 0, **changes: object) -> Seen:
    plain = Seen(settings, True, None, "", NOW - 1, NOW - 100)
    return replace(plain, **changes)  # type: ignore[arg-type]


reports = st.builds(
    Seen,
    settings=st.sampled_from([0, *NUMBERS]),
    serving=st.booleans(),
    failed=st.sampled_from([None, *NUMBERS]),
    reason=st.just("crashed"),
    at=st.floats(NOW - 30, NOW),
    since=st.floats(NOW - 60, NOW),
)
fleets = st.dictionaries(st.sampled_from(NAMES), reports)


def beyond(found: Gate) -> set[str]:
    return {name for name in NAMES if found.level(name) > found.completed}


@given(fleets, st.sampled_from([0, 3, 5, 8]))
def test_nobody_before_the_canary(machines: dict[str, Seen], completed: int) -> None:
    found = gate(NUMBERS, completed, FLEET, machines, NOW)
    if found.newest > completed and len(beyond(found)) > 1:
        canary = min(name for name, one in machines.items() if NOW - one.at < LIVE_SECONDS)
        proof = machines[canary]
        assert proof.serving and proof.settings >= found.newest and NOW - proof.since >= FLEET.bake_seconds


@given(fleets)
def test_no_cluster_before_the_one_before_it(machines: dict[str, Seen]) -> None:
    found = gate(NUMBERS, 0, FLEET, machines, NOW)
    live = {name: one for name, one in machines.items() if NOW - one.at < LIVE_SECONDS}
    canary = min(live, default="")
    for name in beyond(found) - {canary}:
        earlier = [one for other, one in live.items() if other[0] < name[0]]
        assert all(one.serving and one.settings >= found.newest for one in earlier)


@given(fleets)
def test_what_anybody_refused_reaches_nobody(machines: dict[str, Seen]) -> None:
    found = gate(NUMBERS, 0, FLEET, machines, NOW)
    failed = {one.failed for one in machines.values()} - {None}
    assert set(found.halts) == failed
    assert found.newest not in failed
    left = [number for number in NUMBERS if number not in found.halts]
    assert gate(left, 0, FLEET, machines, NOW).newest == found.newest  # once noted, it stays so


@given(fleets)
def test_served_everywhere_means_every_live_machine(machines: dict[str, Seen]) -> None:
    found = gate(NUMBERS, 0, FLEET, machines, NOW)
    if found.everywhere:
        live = [one for one in machines.values() if NOW - one.at < LIVE_SECONDS]
        assert live and all(one.serving and one.settings >= found.newest for one in live)
        assert beyond(found) == set(NAMES)


@given(fleets)
def test_looking_again_is_due_in_the_future(machines: dict[str, Seen]) -> None:
    found = gate(NUMBERS, 0, FLEET, machines, NOW)
    assert found.due is None or found.due > NOW


def test_a_newer_setting_supersedes_a_halted_one() -> None:
    machines = {name: seen(3) for name in NAMES}
    machines[NAMES[0]] = seen(3, failed=5, reason="x")
    halted = gate([3, 5], 3, FLEET, machines, NOW)
    assert (halted.newest, dict(halted.halts), beyond(halted)) == (3, {5: (NAMES[0], "x")}, set())
    newer = gate([3, 8], 3, FLEET, machines, NOW)
    assert (newer.newest, beyond(newer), newer.halts) == (8, {NAMES[0]}, {})


def test_a_release_that_fails_halts_no_settings_that_all_have() -> None:
    machines = {name: seen(5, failed=5) for name in NAMES}
    assert gate([3, 5], 5, FLEET, machines, NOW).halts == {}


def test_the_bake_ends_by_the_clock() -> None:
    machines = {name: seen() for name in NAMES} | {NAMES[0]: seen(8, since=NOW - 4)}
    baking = gate(NUMBERS, 0, FLEET, machines, NOW)
    assert (beyond(baking), baking.due) == ({NAMES[0]}, NOW + 6)
    assert beyond(gate(NUMBERS, 0, FLEET, machines, NOW + 6)) == {"a-shop-1", "a-shop-2"}


def test_a_silent_canary_is_replaced() -> None:
    machines = {name: seen() for name in NAMES} | {NAMES[0]: seen(at=NOW - LIVE_SECONDS)}
    assert beyond(gate(NUMBERS, 0, FLEET, machines, NOW)) == {NAMES[1]}
    assert beyond(gate(NUMBERS, 0, FLEET, {}, NOW)) == set()
