"""Licences: what the vendor signed comes back, anything else is refused, and every limit holds at its boundary."""

import json
import string
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdinfra.licence.licence import (
    Licence,
    LicenceError,
    check,
    end_of,
    first_second,
    issue,
    moment,
    opened,
    read_unverified_licence,
)
from hdinfra.protocol.seal import new_key, public_of, seal

KEY, OTHER = new_key(), new_key()
PUBLIC = public_of(KEY)
DAY = 86_400
BEGIN, END = first_second("2026-11-21"), end_of("2027-11-21")
LICENCE = Licence("acme-1", "acme", ("waf", "load-balancer"), 4, BEGIN, END, ("ddos",), BEGIN)
TEXT = issue(LICENCE, KEY)
BODY: dict[str, Any] = json.loads(json.loads(TEXT)["body"])

names = st.from_regex(r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True)


@st.composite
def licences(draw: st.DrawFn) -> Licence:
    """Whatever a vendor may issue."""
    begin = draw(st.integers(0, 2**32))
    return Licence(
        id=draw(st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,78}[a-z0-9])?", fullmatch=True)),
        tenant=draw(names),
        apps=tuple(draw(st.lists(names, min_size=1, max_size=4))),
        machines=draw(st.integers(1, 100_000)),
        not_before=begin,
        expires=begin + draw(st.integers(1, 2**32)),
        features=tuple(draw(st.lists(names, max_size=4))),
        issued=draw(st.integers(0, 2**32)),
    )


def forged(text: str, public: str = PUBLIC) -> str:
    """Why this text is refused; a test fails where it is taken."""
    with pytest.raises(LicenceError) as refused:
        opened(text, public)
    assert refused.value.code == "byol.licence-forged"
    assert refused.value.fix
    return str(refused.value)


def codes(**given: Any) -> list[str]:
    """What `check` refuses of a well used licence, but for what is given."""
    return [one.code for one in check(LICENCE, **{"app": "waf", "machines": 4, "now": BEGIN + DAY, **given})]


@given(licences())
def test_what_the_vendor_issued_comes_back(licence: Licence) -> None:
    text = issue(licence, KEY)
    assert opened(text, PUBLIC) == opened(text.removesuffix("\n"), PUBLIC) == licence
    assert read_unverified_licence(text) == licence


@given(st.data())
def test_any_changed_byte_is_refused(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(TEXT) - 1))
    byte = data.draw(st.characters(codec="latin-1").filter(lambda other: other != TEXT[place]))
    forged(TEXT[:place] + byte + TEXT[place + 1 :])


@given(st.data())
def test_any_byte_more_or_less_is_refused(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(TEXT) - 2))  # the newline at the end may be missing
    forged(TEXT[:place] + TEXT[place + 1 :])
    forged(TEXT[:place] + data.draw(st.characters(codec="latin-1")) + TEXT[place:])


def test_every_character_of_the_signature_counts() -> None:
    start = TEXT.index('"signature": "') + len('"signature": "')
    for place in range(start, start + 88):
        for other in string.ascii_letters + string.digits + "+/=":
            if TEXT[place] != other:
                forged(TEXT[:place] + other + TEXT[place + 1 :])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (issue(LICENCE, OTHER), "another key"),
        (seal("token", BODY, KEY), "`token` was given where a `licence`"),
        (seal("licence", {**BODY, "schema": 2}, KEY), "schema"),
        (seal("licence", {**BODY, "more": 1}, KEY), "more"),
        (seal("licence", {**BODY, "apps": "waf"}, KEY), "lists"),
        (seal("licence", {**BODY, "machines": True}, KEY), "machines"),
        (seal("licence", {**BODY, "machines": 1.0}, KEY), "machines"),
        (seal("licence", {**BODY, "tenant": "a\nb"}, KEY), "the name"),
        (seal("licence", {**BODY, "tenant": None}, KEY), "the name"),
        (seal("licence", {**BODY, "id": ["x"]}, KEY), "the id"),
        (json.dumps(json.loads(TEXT), indent=2), "changed since"),
        (TEXT + "\n", "changed since"),
        ("", "not JSON"),
        ("[" * 60_000, "not JSON"),
        (" " * 70_000, "are the most"),
    ],
    ids=range(15),
)
def test_refuses_what_the_vendor_did_not_issue(text: str, words: str) -> None:
    assert words in forged(text)


@pytest.mark.parametrize("public", [public_of(OTHER), "", "AAAA", "not base64", "\x00"], ids=range(5))
def test_refuses_by_any_other_key(public: str) -> None:
    forged(TEXT, public)


def test_what_nobody_verified_can_still_be_looked_at() -> None:
    assert read_unverified_licence(issue(LICENCE, OTHER)) == LICENCE
    with pytest.raises(LicenceError, match=r"byol\.licence-forged: This is no licence"):
        read_unverified_licence("hello")


@pytest.mark.parametrize(
    ("code", "given"),
    [
        ("byol.licence-tenant", {"tenant": "globex"}),
        ("byol.licence-app", {"app": "ddos"}),
        ("byol.licence-count", {"machines": 5}),
        ("byol.licence-clock", {"seen": BEGIN + 2 * DAY + 1}),
        ("byol.licence-not-yet", {"now": BEGIN - 1}),
        ("byol.licence-expired", {"now": END}),
        ("byol.licence-expired", {"now": END + 0.5}),
    ],
)
def test_every_limit_alone_is_refused(code: str, given: dict[str, Any]) -> None:
    assert codes(**given) == [code]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"tenant": "acme"},
        {"app": "load-balancer"},
        {"machines": 0},
        {"now": BEGIN},
        {"now": END - 1, "seen": END - 1},
        {"seen": BEGIN + 2 * DAY},
    ],
    ids=str,
)
def test_up_to_its_limits_a_licence_is_good(given: dict[str, Any]) -> None:
    assert codes(**given) == []


def test_all_reasons_are_told_at_once_with_a_way_out() -> None:
    found = check(LICENCE, app="x", machines=9, now=END, tenant="globex", seen=END + 2 * DAY)
    assert [one.code.removeprefix("byol.licence-") for one in found] == ["tenant", "app", "count", "clock", "expired"]
    assert all(one.fix and one.message.endswith(".") for one in found)


def test_a_clock_before_the_day_of_issue_was_set_back_too() -> None:
    early = replace(LICENCE, not_before=0)
    assert [one.code for one in check(early, app="waf", machines=1, now=BEGIN - DAY - 1)] == ["byol.licence-clock"]
    assert check(early, app="waf", machines=1, now=BEGIN - DAY) == ()


@given(licences(), st.integers(0, 2**34))
def test_a_licence_holds_between_its_times_only(licence: Licence, now: int) -> None:
    found = {one.code for one in check(licence, app=licence.apps[0], machines=1, now=now, seen=now)}
    holds = licence.not_before <= now < licence.expires
    assert holds == found.isdisjoint({"byol.licence-expired", "byol.licence-not-yet"})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": ""}, "the id"),
        ({"id": "a/b"}, "the id"),
        ({"tenant": "Acme"}, "the name 'Acme'"),
        ({"tenant": "acme\n"}, "the name"),
        ({"features": ("-",)}, "the name"),
        ({"apps": ()}, "no App"),
        ({"apps": ("waf",) * 65}, "65 Apps"),
        ({"features": ("ddos",) * 65}, "65 features"),
        ({"machines": 0}, "0 machines"),
        ({"machines": 100_001}, "100001 machines"),
        ({"expires": BEGIN}, "at or before its begin"),
        ({"expires": 10**15}, "the time"),
        ({"issued": -1}, "the time"),
        ({"not_before": 1.5}, "the time"),
    ],
)
def test_nobody_issues_what_nobody_would_read(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match="no licence has") as refused:
        replace(LICENCE, **change)
    assert words in str(refused.value)


def test_what_is_issued_at_its_largest_is_read() -> None:
    names = tuple("a" * 30 + f"{number:02}" for number in range(64))
    largest = Licence("a" * 80, "a" * 32, names, 100_000, 0, 2**37, names, 2**37)
    assert opened(issue(largest, KEY), PUBLIC) == largest


def test_a_last_day_is_meant_whole() -> None:
    assert end_of("2027-11-21") - first_second("2027-11-21") == DAY
    assert moment(end_of("2027-11-21")) == "2027-11-22 00:00 UTC"
