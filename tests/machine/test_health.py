"""Whether a machine can really serve: the verdict as laws, the latch across restarts, and what HAProxy is told."""

import json
import time
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdinfra.agent import health_watch, latch
from hdinfra.agent.fields import PolicyError
from hdinfra.agent.health import Seen, reasons
from hdinfra.agent.health_policy import HealthPolicy, health_policy
from hdinfra.agent.health_watch import LIFE_SECONDS, HealthWatch
from hdinfra.agent.latch import Latch, boot_of
from hdinfra.agent.paths import HEALTH_MAP, LATCH
from hdinfra.agent.problems import Problems
from hdinfra.model.health import HealthSpec

WELL = Seen("waf", serving=True)
LATCHED = HealthPolicy(latch=True, silence_seconds=60)

ILLS: dict[str, tuple[Seen, bool]] = {
    "no policy": (Seen(None, serving=False), False),
    "a program down": (replace(WELL, serving=False), True),
    "a policy waits": (replace(WELL, waiting=True), False),
    "in doubt": (replace(WELL, in_doubt=True), False),
    "a policy failed": (replace(WELL, failed="line 7"), False),
    "drained": (replace(WELL, drained=True), False),
    "a full disk": (replace(WELL, disk_free_percent=2.9), True),
    "load": (replace(WELL, load=50.1), True),
    "a standby": (replace(WELL, writes=503), True),
    "a database that is away": (replace(WELL, writes=0), True),
    "cut off": (replace(WELL, silent_seconds=60.1), True),
    "an edge without servers": (replace(WELL, unserved=("shop",)), True),
}


def test_a_machine_with_nothing_wrong_is_well() -> None:
    assert reasons(WELL, LATCHED) == ()
    at_the_bounds = replace(WELL, disk_free_percent=3, load=50, writes=200, silent_seconds=60)
    assert reasons(at_the_bounds, LATCHED) == ()


@pytest.mark.parametrize("name", ILLS)
def test_each_ill_alone_is_enough_and_says_whether_it_is_an_outage(name: str) -> None:
    seen, outage = ILLS[name]
    assert [reason.outage for reason in reasons(seen, LATCHED)] == [outage]


def test_every_field_of_a_look_has_an_ill() -> None:
    told = {
        field.name
        for field in fields(Seen)
        if any(getattr(s, field.name) != getattr(WELL, field.name) for s, _ in ILLS.values())
    }
    assert told == {field.name for field in fields(Seen)}


LOOKS = st.builds(
    Seen,
    st.sampled_from(["waf", "load-balancer", None]),
    serving=st.booleans(),
    waiting=st.booleans(),
    in_doubt=st.booleans(),
    failed=st.sampled_from([None, "line 7"]),
    drained=st.booleans(),
    disk_free_percent=st.floats(0, 100),
    load=st.floats(0, 1_000),
    writes=st.sampled_from([None, 0, 200, 204, 302, 503]),
    silent_seconds=st.floats(0, 100_000),
    unserved=st.sampled_from([(), ("shop",)]),
)
POLICIES = st.builds(
    HealthPolicy,
    latch=st.booleans(),
    outage_seconds=st.integers(1, 3_600),
    disk_free_percent=st.integers(0, 90),
    load_per_core=st.integers(1, 1_000),
    silence_seconds=st.sampled_from([None, 2, 60]),
)


@given(LOOKS, POLICIES)
def test_no_second_ill_makes_a_machine_well(seen: Seen, bounds: HealthPolicy) -> None:
    before = {reason.text for reason in reasons(seen, bounds)}
    for change in ({"serving": False}, {"drained": True}, {"waiting": True}, {"writes": 503}, {"in_doubt": True}):
        worse = replace(seen, **change)
        found = {reason.text for reason in reasons(worse, bounds)}
        assert found and len(found) >= len(before)


@given(LOOKS, POLICIES)
def test_well_is_what_every_bound_allows(seen: Seen, bounds: HealthPolicy) -> None:
    silent = bounds.latch and bounds.silence_seconds is not None and seen.silent_seconds > bounds.silence_seconds
    expected = (
        seen.app is not None
        and seen.serving
        and not (seen.waiting or seen.in_doubt or seen.failed or seen.drained or seen.unserved or silent)
        and seen.disk_free_percent >= bounds.disk_free_percent
        and seen.load <= bounds.load_per_core
        and seen.writes in (None, 200)
    )
    assert (reasons(seen, bounds) == ()) is expected


def opened(root: Path, boot: str = "first") -> Latch:
    """As after a start of the daemon."""
    return Latch(root, boot)


def test_the_first_boot_ever_is_no_outage_and_each_later_one_is(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.step(0, "its programs do not answer yet", 3)
    first.step(60, "its programs do not answer yet", 3)
    assert first.closed_because is None
    first.step(61, None, 3)
    again = opened(tmp_path)
    again.step(0, None, 3)
    assert again.closed_because is None
    rebooted = opened(tmp_path, "second")
    rebooted.step(0, None, 3)
    assert rebooted.closed_because == "the machine was booted anew"


def test_an_outage_that_lasts_closes_it_and_a_hiccup_does_not(tmp_path: Path) -> None:
    kept = opened(tmp_path)
    kept.step(0, None, 3)
    for now, outage in ((1, "x"), (3.9, "x"), (4, None), (5, "x"), (7.9, "x")):
        kept.step(now, outage, 3)
        assert kept.closed_because is None
    kept.step(8, "x", 3)
    assert kept.closed_because == "x"
    kept.step(9, None, 3)
    assert kept.closed_because == "x"


def test_it_stays_closed_across_restarts_and_boots_until_it_is_released(tmp_path: Path) -> None:
    kept = opened(tmp_path)
    kept.step(0, None, 1)
    kept.step(1, "x", 1)
    kept.step(2, "x", 1)
    assert opened(tmp_path).closed_because == opened(tmp_path, "second").closed_because == "x"
    second = opened(tmp_path, "second")
    second.step(0, None, 1)
    second.release()
    assert opened(tmp_path, "second").closed_because is None
    third = opened(tmp_path, "third")
    third.step(0, None, 1)
    assert third.closed_because == "the machine was booted anew"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"boot": 1}', "\x00"])
def test_what_cannot_be_read_may_have_been_closed(tmp_path: Path, content: str) -> None:
    path = tmp_path / LATCH.lstrip("/")
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert opened(tmp_path).closed_because == "what was kept of the latch cannot be read"


def test_a_disk_that_takes_nothing_leaves_it_closed_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = opened(tmp_path)
    kept.step(0, None, 1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    kept.step(1, "x", 1)
    with monkeypatch.context() as patched:
        patched.setattr(latch, "write_whole", full)
        with pytest.raises(OSError, match="No space"):
            kept.step(2, "x", 1)
        assert kept.closed_because == "x"
        with pytest.raises(OSError, match="No space"):
            kept.release()
        assert kept.closed_because == "x"
    kept.step(3, None, 1)
    assert opened(tmp_path).closed_because == "x"


def test_a_container_has_a_boot_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "proc/sys/kernel/random").mkdir(parents=True)
    (tmp_path / "proc/1").mkdir()
    (tmp_path / "proc/sys/kernel/random/boot_id").write_text("0a1b\n")
    (tmp_path / "proc/1/stat").write_text("1 (in it) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 9 9 9\n")
    assert boot_of(tmp_path) == "0a1b/4711"
    assert boot_of(Path("/")) == boot_of(Path("/"))


@pytest.fixture
def watch(tmp_path: Path) -> HealthWatch:
    """A machine that served once."""
    found = HealthWatch(tmp_path, "first", Problems())
    assert found.step(WELL, HealthPolicy(latch=True))
    return found


def until(root: Path) -> int:
    """What HAProxy would read at its start."""
    return int((root / HEALTH_MAP.lstrip("/")).read_text().rpartition("until ")[2])


def test_haproxy_is_told_a_time_that_passes_by_itself(
    tmp_path: Path, watch: HealthWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_000.7)
    watch.step(WELL, HealthPolicy())
    assert until(tmp_path) == 1_000 + LIFE_SECONDS
    watch.step(replace(WELL, drained=True), HealthPolicy())
    assert until(tmp_path) == 0


@pytest.mark.usefixtures("watch")
def test_an_agent_that_was_away_too_long_finds_the_latch_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds = HealthPolicy(latch=True, outage_seconds=5)
    now = time.monotonic()
    for seconds, well in ((LIFE_SECONDS + 4, True), (2 * (LIFE_SECONDS + 5), False)):
        monkeypatch.setattr(time, "monotonic", lambda seconds=seconds: now + seconds)
        again = HealthWatch(tmp_path, "first", Problems())
        assert again.step(WELL, bounds) is well
    assert "was heard of the machine's own agent" in again.told["latched"]


@pytest.mark.usefixtures("watch")
def test_the_latch_is_shown_and_opened_by_hand_or_by_the_rejoin_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"http://127.0.0.1:8008/rejoined": 503}
    monkeypatch.setattr(health_watch, "_status", answers.__getitem__)
    bounds = HealthPolicy(latch=True, rejoin="http://127.0.0.1:8008/rejoined")
    for boot, rejoined in (("second", False), ("third", True)):
        found = HealthWatch(tmp_path, boot, problems := Problems())
        assert not found.step(WELL, bounds)
        assert [text.partition(";")[0] for text in problems.texts()] == ["health: latched: the machine was booted anew"]
        assert found.told["latched"] == "the machine was booted anew" and found.told["reasons"] == []
        answers["http://127.0.0.1:8008/rejoined"] = 200 if rejoined else 503
        assert not found.step(replace(WELL, drained=True), bounds), "whoever is ill is not released"
        assert found.step(WELL, bounds) is rejoined
        if not rejoined:
            found.release()
            assert found.step(WELL, bounds)
        assert problems.texts() == []


def test_without_a_latch_nothing_is_kept(tmp_path: Path, watch: HealthWatch) -> None:
    assert (tmp_path / LATCH.lstrip("/")).exists()
    assert watch.step(WELL, HealthPolicy())
    assert not (tmp_path / LATCH.lstrip("/")).exists()
    assert HealthWatch(tmp_path, "second", Problems()).step(WELL, HealthPolicy())


@given(
    st.builds(
        HealthSpec,
        latch=st.booleans(),
        writes=st.sampled_from([None, "http://127.0.0.1:8008/primary", "http://localhost"]),
        rejoin=st.sampled_from([None, "http://127.0.0.1/rejoined"]),
        outage_seconds=st.integers(1, 3_600),
        silence_seconds=st.sampled_from([None, 2, 86_400]),
        disk_free_percent=st.integers(0, 90),
        load_per_core=st.integers(1, 1_000),
    )
)
def test_what_the_stack_writes_the_machine_reads(spec: HealthSpec) -> None:
    read = health_policy(json.loads(spec.model_dump_json()), "health")
    assert {field.name: getattr(read, field.name) for field in fields(read)} == dict(spec)


def test_the_bounds_of_stack_and_machine_are_the_same() -> None:
    assert dict(HealthSpec()) == {field.name: getattr(HealthPolicy(), field.name) for field in fields(HealthPolicy)}


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1/primary",
        "https://127.0.0.1/",
        "http://127.0.0.1.evil/",
        "http://127.0.0.1:8008/a b",
        "http://localhost:1/\n",
    ],
)
def test_a_machine_asks_nobody_but_itself(url: str) -> None:
    told = {**json.loads(HealthSpec().model_dump_json()), "writes": url}
    with pytest.raises(PolicyError, match="an address on this machine"):
        health_policy(told, "health")
