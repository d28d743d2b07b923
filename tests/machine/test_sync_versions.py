"""Whatever arrives, in whatever order, a machine ends with the highest version that its own stack signed for it."""

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hdinfra.agent.versions import Opened, Version, candidate, is_newer, opened, refusals, restored, stored
from hdinfra.protocol.entry import SealedEntry
from hdinfra.protocol.seal import ProtocolError
from tests.machine.sync_stack import API, Stack, offer, waf

STACK, STRANGER = Stack(), Stack()
HOSTS = ("a.test", "b.test")
NOW = time.time()

GOOD = {number: STACK.release(number, waf(*HOSTS)) for number in range(1, 6)}
BAD_RELEASES = {
    "seal.foreign": STRANGER.release(90, waf("a.test")),
    "seal.shape": GOOD[5][:-20],
    "seal.kind": STACK.token(),
    "release.foreign": STACK.release(91, waf("a.test"), zone="nepal"),
    "release.not-mine": STACK.release(92, waf("a.test"), released=("c1-shop-2",)),
    "release.early": STACK.release(93, waf("a.test"), issued_at=int(NOW) + 600),
}
SETTINGS = {
    (number, host, api): STACK.setting(
        number, host, api, exclusions=[900_000 + number, 910_000 + number % 2 + len(api)]
    )
    for number in range(1, 6)
    for host in HOSTS
    for api in (API, "c22-control-1")
}
BAD_SETTINGS = {
    "seal.foreign": STRANGER.setting(95, "a.test", mode="BYPASS"),
    "entry.foreign": SealedEntry(
        STACK.setting(96, "a.test", "c2-control-1", mode="BYPASS").entry, STACK.setting(1, "a.test").endorsement
    ),
    "seal.shape": replace(STACK.setting(97, "a.test"), entry="{"),
}


def read(answer: dict[str, Any], now: float = NOW) -> Opened:
    """As this machine believes it."""
    return opened(answer, STACK.trust, now)


@pytest.mark.parametrize("code", BAD_RELEASES)
def test_refuses_releases(code: str) -> None:
    found = read(offer([BAD_RELEASES[code], GOOD[1]]))
    assert [release.number for release, _ in found.releases] == [1]
    assert [problem.partition(": ")[0] for problem in found.problems] == [code]


@pytest.mark.parametrize("code", BAD_SETTINGS)
def test_refuses_settings(code: str) -> None:
    found = read(offer([GOOD[1]], [BAD_SETTINGS[code], STACK.setting(1, "a.test", paranoia=2)]))
    assert [entry.number for entry, _ in found.entries] == [1]
    assert [problem.partition(": ")[0] for problem in found.problems] == [code]


@pytest.mark.parametrize(
    "answer",
    [
        {"releases": {}},
        {"releases": [None]},
        {"releases": [GOOD[1]] * 100},
        {"settings": "x"},
        {"settings": [None]},
        {"settings": [{"entry": 1}]},
    ],
    ids=["no list", "nothing", "too many", "text", "no setting", "no text"],
)
def test_odd_answers_are_named_and_nothing_more(answer: dict[str, Any]) -> None:
    found = read(answer)
    assert (found.releases, found.entries, len(found.problems)) == ((), (), 1)


def test_a_clock_ten_minutes_slow_takes_nothing_and_says_so() -> None:
    found = read(offer([GOOD[1]]), NOW - 600)
    assert found.releases == ()
    assert "mend the clock" in found.problems[0]


def test_an_older_release_offered_as_new_is_named() -> None:
    assert refusals(API, read(offer([GOOD[3]])), 5) == [f"{API} offers release 3, older than 5 that was here: refused"]


@hypothesis_settings(deadline=None)  # what is asked is which version, not how soon on a busy computer
@given(st.data())
def test_ends_with_the_highest_valid_version(data: st.DataObject) -> None:
    releases = st.sampled_from([*GOOD.values(), *BAD_RELEASES.values()])
    settings = st.sampled_from([*SETTINGS.values(), *BAD_SETTINGS.values()])
    answers = data.draw(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.lists(releases), st.lists(settings))))
    held, offers = None, dict[str, Opened]()
    for api, some_releases, some_settings in answers:
        offers[api] = read(offer(some_releases, some_settings))
        found = candidate(held, offers.values())
        if found and is_newer(found, held, ()):
            held = found
    assert summary(held) == expected(answers)


def summary(version: Version | None) -> tuple[int, dict[str, tuple[int, str]]] | None:
    """Number and what holds on each host."""
    if version is None:
        return None
    return version.release.number, {entry.key.partition("/")[2]: entry.order for entry, _ in version.entries}


def expected(
    answers: list[tuple[str, list[str], list[SealedEntry]]],
) -> tuple[int, dict[str, tuple[int, str]]] | None:
    """Told from what was drawn, not from what the code under test says. Settings count once there is a release, and
    of those before it the ones that are still offered."""
    numbers = {text: number for number, text in GOOD.items()}
    keys = {text: key for key, text in SETTINGS.items()}
    highest, orders, offered = 0, dict[str, tuple[int, str]](), dict[str, list[SealedEntry]]()
    for api, releases, settings in answers:
        highest = max([highest, *(numbers.get(text, 0) for text in releases)])
        offered[api] = settings
        for text in (each for some in offered.values() for each in some if highest):
            if text in keys:
                number, host, by = keys[text]
                orders[host] = max(orders.get(host, (0, "")), (number, by))
        if not highest:
            orders = {}
    return (highest, orders) if highest else None


def test_what_is_kept_is_proven_again() -> None:
    version = candidate(None, [read(offer([GOOD[1]], [STACK.setting(3, "a.test", mode="RECORD")]))])
    assert version is not None
    again = restored(stored(version), STACK.trust)
    assert (again.order, again.raw) == ((1, 3), version.raw)
    assert b'"mode":"RECORD"' in again.raw
    with pytest.raises(ProtocolError):
        restored(stored(version), STRANGER.trust)


def test_a_setting_beyond_the_ceiling_is_left_out_and_named() -> None:
    version = candidate(None, [read(offer([GOOD[1]], [STACK.setting(1, "a.test", paranoia=9)]))])
    assert version is not None
    assert "paranoia 9" in version.ignored[0]
    assert b'"paranoia":9' not in version.raw


def test_a_release_without_a_document_is_an_error_with_a_name() -> None:
    with pytest.raises(ProtocolError) as caught:
        candidate(None, [read(offer([STACK.release(1, {"app": "waf"})]))])
    assert caught.value.code == "release.document"


def test_a_late_entry_of_another_api_is_taken_though_its_number_is_lower() -> None:
    first = candidate(None, [read(offer([GOOD[1]], [STACK.setting(7, "a.test", paranoia=2)]))])
    late = candidate(first, [read(offer([], [STACK.setting(5, "b.test", "c2-control-1", paranoia=3)]))])
    assert late is not None
    assert (late.order, is_newer(late, first, ()), is_newer(late, first, [(1, 7)])) == ((1, 7), True, False)
