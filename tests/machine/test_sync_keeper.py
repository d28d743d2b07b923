"""A version that goes wrong is left by the machine alone; what was good before it is in force again."""

import errno
import json
import time
from pathlib import Path
from typing import Any

import pytest

from hdinfra.agent import applier as applier_module
from hdinfra.agent import durable
from hdinfra.agent.keeper import Keeper
from hdinfra.agent.paths import GOOD, POLICY, RELEASE, SKIPPED
from hdinfra.agent.versions import opened
from hdinfra.agent.wishes import CommandError
from tests.machine.sync_machine import Place, on_disk
from tests.machine.sync_stack import API, eventually, offer, waf


def give(place: Place, keeper: Keeper, *releases: str, settings: Any = ()) -> None:
    """An API machine offers these, and the machine does what is due."""
    keeper.offer(API, opened(offer(releases, settings), place.stack.trust, time.time()))
    keeper.step()


def settle(keeper: Keeper, within: float = 10) -> None:
    """Until nothing is on probation."""

    def over() -> bool:
        keeper.step()
        return not keeper.on_probation

    eventually(over, within)


@pytest.fixture
def keeper(place: Place) -> Keeper:
    """One with release 1 of a.test in force."""
    keeper = place.keeper()
    give(place, keeper, place.stack.release(1, waf("a.test")))
    assert (keeper.order, list(on_disk(place.root))) == ((1, 0), ["a.test"])
    return keeper


def test_takes_what_is_newer_and_nothing_older(place: Place, keeper: Keeper) -> None:
    give(place, keeper, place.stack.release(3, waf("a.test", "b.test")))
    give(place, keeper, place.stack.release(2, waf("c.test")))
    assert (keeper.order, set(on_disk(place.root))) == ((3, 0), {"a.test", "b.test"})
    assert place.problems.texts() == [f"offer of {API}: {API} offers release 2, older than 3 that was here: refused"]


def test_a_first_version_cut_off_before_its_number_was_noted_serves_on(place: Place) -> None:
    place.keeper().applier.apply(json.dumps(waf("a.test")).encode(), 0.2)  # and killed before its number was kept
    again = place.keeper()
    again.step()
    assert (again.order, list(on_disk(place.root))) == ((0, 0), ["a.test"])
    give(place, again, place.stack.release(1, waf("a.test")))
    assert (again.order, place.keeper().order, list(on_disk(place.root))) == ((1, 0), (1, 0), ["a.test"])


def test_settings_make_a_version(place: Place, keeper: Keeper) -> None:
    give(place, keeper, settings=[place.stack.setting(4, "a.test", mode="RECORD")])
    assert (keeper.order, on_disk(place.root)) == ((1, 4), {"a.test": "RECORD"})


def test_a_setting_beyond_its_ceiling_is_left_out_and_named(place: Place, keeper: Keeper) -> None:
    give(place, keeper, settings=[place.stack.setting(4, "a.test", paranoia=9)])
    assert "paranoia 9" in place.problems.texts()[0]
    give(place, keeper, settings=[place.stack.setting(5, "a.test", paranoia=2)])
    assert (keeper.order, place.problems.texts()) == ((1, 5), [])


def test_a_release_that_holds_no_document_is_named(place: Place, keeper: Keeper) -> None:
    give(place, keeper, place.stack.release(2, {"app": "waf"}))
    assert (keeper.order, "release.document" in place.problems.texts()[0]) == ((1, 0), True)
    give(place, keeper, place.stack.release(3, waf("b.test")))
    assert (keeper.order, place.problems.texts()) == ((3, 0), [])


def test_starts_with_what_it_had_and_no_control_plane(place: Place, keeper: Keeper) -> None:
    give(place, keeper, settings=[place.stack.setting(4, "a.test", mode="RECORD")])
    (place.root / POLICY.lstrip("/") / "a.test").write_text("half")
    again = place.keeper()
    again.step()
    assert (again.order, on_disk(place.root)) == ((1, 4), {"a.test": "RECORD"})


def test_the_checkers_words_are_the_reason(place: Place, keeper: Keeper) -> None:
    place.program.refused = {"bad.test"}
    give(place, keeper, place.stack.release(2, waf("bad.test")))
    failed = keeper.failed()
    assert failed is not None
    assert (failed.order, keeper.order, on_disk(place.root)) == ((2, 0), (1, 0), {"a.test": "MITIGATION"})
    assert "line 7: unexpected end" in str(failed.reason)


def test_a_policy_this_agent_cannot_read_is_refused(place: Place, keeper: Keeper) -> None:
    give(place, keeper, place.stack.release(2, waf("a;b.test")))
    failed = keeper.failed()
    assert failed is not None
    assert (keeper.order, "waf.sites[0].host" in str(failed.reason)) == ((1, 0), True)


def test_a_site_that_answers_no_more_sends_the_machine_back(place: Place, keeper: Keeper) -> None:
    place.program.ill = set()
    give(place, keeper, place.stack.release(2, waf("a.test", "b.test"), bake_seconds=30.0))
    assert (keeper.order, keeper.on_probation) == ((2, 0), True)
    place.program.ill = {"a.test"}
    settle(keeper)
    failed = keeper.failed()
    assert failed is not None
    assert (keeper.order, set(on_disk(place.root))) == ((1, 0), {"a.test"})
    assert failed.reason == "a.test answered before it, and now with 500"
    place.program.ill = set()
    for each in (keeper, place.keeper()):
        give(place, each, place.stack.release(2, waf("a.test", "b.test")))
        assert each.order == (1, 0), "it was taken again"


def test_a_site_in_doubt_is_not_accepted_because_its_time_is_up(place: Place, keeper: Keeper) -> None:
    give(place, keeper, place.stack.release(2, waf("a.test", "b.test"), bake_seconds=30.0))
    place.program.ill = {"a.test"}
    late = time.monotonic() + 60
    keeper.clock = lambda: late
    keeper.step()
    keeper.step()
    assert (keeper.order, keeper.on_probation, keeper.in_doubt) == ((2, 0), True, True)
    keeper.step()
    assert (keeper.order, keeper.on_probation, keeper.in_doubt) == ((1, 0), False, False)


def test_a_hiccup_delays_the_end_of_the_probation(place: Place, keeper: Keeper) -> None:
    give(place, keeper, place.stack.release(2, waf("a.test", "b.test"), bake_seconds=30.0))
    assert not keeper.in_doubt
    place.program.ill = {"a.test"}
    keeper.step()
    assert keeper.in_doubt
    place.program.ill = set()
    keeper.step()
    assert (keeper.in_doubt, keeper.on_probation) == (False, True)
    keeper.clock = lambda: float("inf")
    keeper.step()
    assert (keeper.order, keeper.on_probation) == ((2, 0), False)


def test_a_site_that_was_ill_before_accuses_nobody(place: Place, keeper: Keeper) -> None:
    place.program.ill = {"a.test"}
    give(place, keeper, place.stack.release(2, waf("a.test", "b.test"), bake_seconds=0.3))
    settle(keeper)
    assert (keeper.order, keeper.failed()) == ((2, 0), None)


def test_a_crash_sends_the_machine_back(place: Place, keeper: Keeper) -> None:
    place.program.fatal = {"b.test"}
    give(place, keeper, place.stack.release(2, waf("a.test", "b.test"), bake_seconds=30.0))
    settle(keeper)
    failed = keeper.failed()
    assert failed is not None
    assert (keeper.order, failed.reason) == ((1, 0), "stand-in.service crashed with it and was started again")


def test_a_program_that_stops_serving_sends_the_machine_back(
    place: Place, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(place, keeper, place.stack.release(2, waf("a.test", "b.test"), bake_seconds=30.0))
    monkeypatch.setattr(place.program, "serving", lambda files: "b.test" not in "".join(files))
    settle(keeper)
    failed = keeper.failed()
    assert failed is not None
    assert (keeper.order, failed.reason) == ((1, 0), "stand-in.service stopped serving with it")


def test_settings_are_on_probation_too(place: Place) -> None:
    keeper = place.keeper()
    give(place, keeper, place.stack.release(1, waf("a.test"), bake_seconds=1.5))
    settle(keeper)
    give(place, keeper, settings=[place.stack.setting(4, "a.test", mode="RECORD")])
    assert keeper.on_probation
    place.program.ill = {"a.test"}
    settle(keeper)
    assert (keeper.order, on_disk(place.root)) == ((1, 0), {"a.test": "MITIGATION"})


def test_what_went_wrong_is_not_taken_again_even_after_a_start(place: Place, keeper: Keeper) -> None:
    place.program.refused = {"bad.test"}
    bad = place.stack.release(2, waf("bad.test"))
    give(place, keeper, bad)
    place.program.refused = set()
    again = place.keeper()
    give(place, again, bad)
    failed = again.failed()
    assert (again.order, failed.order if failed else None) == ((1, 0), (2, 0))
    give(place, again, place.stack.release(3, waf("bad.test"), rollback_of=2))
    assert (again.order, again.failed()) == ((3, 0), None)


def test_a_newer_version_ends_the_probation_of_one_before_it(place: Place, keeper: Keeper) -> None:
    give(place, keeper, place.stack.release(2, waf("a.test", "b.test"), bake_seconds=30.0))
    give(place, keeper, place.stack.release(3, waf("a.test", "c.test"), bake_seconds=30.0))
    assert keeper.order == (3, 0)
    place.program.ill = {"a.test"}
    settle(keeper)
    assert keeper.order == (1, 0)


def test_a_start_amid_a_probation_begins_with_the_last_good_version(place: Place, keeper: Keeper) -> None:
    give(place, keeper, place.stack.release(2, waf("a.test", "b.test"), bake_seconds=30.0))
    assert set(on_disk(place.root)) == {"a.test", "b.test"}
    again = place.keeper()
    again.step()
    assert (again.order, set(on_disk(place.root))) == ((1, 0), {"a.test"})


def test_a_first_version_that_fails_is_tried_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hdinfra.agent.keeper._RETRY_SECONDS", 0)
    place.program.broken = {"a.test"}
    keeper = place.keeper()
    give(place, keeper, place.stack.release(1, waf("a.test")))
    failed = keeper.failed()
    assert (keeper.order, failed.order if failed else None) == ((0, 0), (1, 0))
    place.program.broken = set()
    keeper.step()
    assert (keeper.order, keeper.failed()) == ((1, 0), None)


def test_a_first_apply_that_was_cut_off_leaves_nothing(place: Place) -> None:
    half = place.root / POLICY.lstrip("/") / "half.test"
    half.parent.mkdir(parents=True, exist_ok=True)
    half.write_text("MITIGATION")
    place.keeper().step()
    assert on_disk(place.root) == {}


def test_a_full_disk_keeps_the_last_good_version_and_is_named(
    place: Place, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hdinfra.agent.keeper._RETRY_SECONDS", 0)

    def full(half: Path, content: bytes, _mode: int) -> None:
        half.write_bytes(content[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(durable, "_write", full)
        give(place, keeper, place.stack.release(2, waf("a.test", "b.test")))
        assert (keeper.order, on_disk(place.root)) == ((1, 0), {"a.test": "MITIGATION"})
        assert "the disk is full" in place.problems.texts()[0]
    keeper.step()
    assert (keeper.order, place.problems.texts(), keeper.failed()) == ((2, 0), [], None)


def test_a_disk_that_is_full_after_the_policy_is_noticed_and_remembered_later(
    place: Place, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hdinfra.agent.keeper._RETRY_SECONDS", 0)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("hdinfra.agent.state.write_whole", full)
        give(place, keeper, place.stack.release(2, waf("b.test")))
        assert (keeper.order, "the disk is full" in place.problems.texts()[0]) == ((2, 0), True)
        assert place.keeper().order == (1, 0)
    keeper.step()
    assert place.keeper().order == (2, 0)


def test_rollback_goes_one_back_and_stays_until_something_higher(place: Place, keeper: Keeper) -> None:
    second = place.stack.release(2, waf("b.test"))
    give(place, keeper, second)
    assert keeper.rollback() == (1, 0)
    give(place, keeper, second)
    assert (keeper.order, keeper.failed(), set(on_disk(place.root))) == ((1, 0), None, {"a.test"})
    with pytest.raises(CommandError, match="no earlier good version"):
        keeper.rollback()
    give(place, keeper, place.stack.release(3, waf("c.test")))
    assert keeper.order == (3, 0)


def test_five_good_versions_are_kept(place: Place, keeper: Keeper) -> None:
    for number in range(2, 10):
        give(place, keeper, place.stack.release(number, waf(f"v{number}.test")))
    kept = sorted(path.name for path in (place.root / GOOD.lstrip("/")).iterdir())
    assert kept == [f"{number:012d}-{0:012d}.json" for number in range(5, 10)]


@pytest.mark.usefixtures("keeper")
@pytest.mark.parametrize("path", [RELEASE, SKIPPED])
def test_broken_memory_is_no_reason_to_stop(place: Place, path: str) -> None:
    (place.root / path.lstrip("/")).write_bytes(b"\xff{")
    again = place.keeper()
    again.step()
    assert on_disk(place.root) == {"a.test": "MITIGATION"}
    give(place, again, place.stack.release(2, waf("b.test")))
    assert again.order == (2, 0)


def test_the_first_boots_policy_is_in_force_until_a_release_comes(place: Place) -> None:
    keeper = place.keeper()
    keeper.first = b'{"app":"waf","edges":[],"schema_version":1,"sites":[]}'
    keeper.step()
    document = keeper.applier.current()
    assert document is not None
    assert (keeper.order, document.app) == ((0, 0), "waf")


def test_an_apply_that_cannot_be_undone_is_mended_later(
    place: Place, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hdinfra.agent.keeper._RETRY_SECONDS", 0)
    place.program.broken = {"a.test", "b.test"}
    give(place, keeper, place.stack.release(2, waf("a.test", "b.test")))
    assert keeper.order == (1, 0)
    place.program.broken = set()
    keeper.step()
    assert (set(on_disk(place.root)), place.program.serves.keys()) == ({"a.test"}, {"a.test"})
    assert applier_module.Applier(place.program.run, place.root).current() is not None
