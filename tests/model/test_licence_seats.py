"""The ledger of seats: never more than the licence covers, one a key, and only its own taking gives it back."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdinfra.licence.licence import Licence, LicenceError
from hdinfra.licence.seats import Ledger, LedgerDamagedError, Seat, give_back, ledger_of, ledger_text, take

NOW = 1_800_000_000
DAY = 86_400
LICENCE = Licence("acme-1", "acme", ("waf",), 3, NOW - DAY, NOW + 30 * DAY, (), NOW - DAY)
SEAT = Seat("shop/prod", "fw", 0, "waf", LICENCE.id, "first", NOW)

instances = st.sampled_from(["fw", "web"])
stacks = st.sampled_from(["shop/prod", "shop/test"])
seats = st.builds(
    Seat,
    stack=stacks,
    instance=instances,
    slot=st.integers(0, 3),
    app=st.just("waf"),
    licence=st.just(LICENCE.id),
    taking=st.text("abc", min_size=1, max_size=2),
    since=st.integers(0, NOW),
)


def code_of(ledger: Ledger, seat: Seat, licence: Licence = LICENCE, now: float = NOW) -> str:
    """Why the seat is refused; a test fails where it is not."""
    with pytest.raises(LicenceError) as refused:
        take(ledger, seat, licence, now)
    return refused.value.code


def full() -> Ledger:
    """All three seats of the licence, two of them of another stack."""
    ledger = Ledger()
    for seat in (SEAT, replace(SEAT, slot=1, taking="second"), replace(SEAT, stack="blog/prod", taking="third")):
        ledger = take(ledger, seat, LICENCE, NOW)
    return ledger


@given(st.lists(seats | st.text("abc", min_size=1, max_size=2), max_size=30))
def test_whatever_comes_no_key_has_two_and_no_licence_too_many(deeds: list[Seat | str]) -> None:
    ledger = Ledger()
    for deed in deeds:
        try:
            ledger = take(ledger, deed, LICENCE, NOW) if isinstance(deed, Seat) else give_back(ledger, deed)
        except LicenceError as refused:
            assert refused.code == "byol.licence-count" and len(ledger.seats) == LICENCE.machines
        assert len(ledger.seats) <= LICENCE.machines
        assert len({one.key for one in ledger.seats}) == len({one.taking for one in ledger.seats}) == len(ledger.seats)
        assert ledger_of(ledger_text(ledger)) == ledger


@given(st.lists(seats, max_size=6), seats)
def test_what_was_taken_is_held_until_its_own_taking_gives_it_back(before: list[Seat], seat: Seat) -> None:
    wide = replace(LICENCE, machines=100)
    ledger = Ledger()
    for one in (*before, seat):
        ledger = take(ledger, one, wide, NOW)
    held = ledger.held(seat.taking)
    assert held is not None and held == ledger.at(seat.key)
    assert give_back(ledger, "another") == ledger
    assert give_back(ledger, seat.taking).at(seat.key) is None


def test_a_full_licence_names_who_holds_its_seats() -> None:
    with pytest.raises(LicenceError) as refused:
        take(full(), replace(SEAT, slot=7, taking="more"), LICENCE, NOW)
    assert refused.value.code == "byol.licence-count"
    for words in ("All 3 seats", "fw/0 of blog/prod since 2027-01-15", "fw/0 of shop/prod", "fw/1 of shop/prod"):
        assert words in refused.value.message


def test_of_many_holders_a_dozen_are_named() -> None:
    wide, ledger = replace(LICENCE, machines=40), Ledger()
    for slot in range(40):
        ledger = take(ledger, replace(SEAT, slot=slot, taking=f"t{slot}"), wide, NOW)
    with pytest.raises(LicenceError, match=r"fw/11 of shop/prod since [^,]* and 28 more\."):
        take(ledger, replace(SEAT, slot=40, taking="t40"), wide, NOW)


def test_the_same_key_is_taken_again_from_a_full_ledger_and_the_old_taking_gives_nothing_back() -> None:
    ledger = take(full(), replace(SEAT, taking="anew"), LICENCE, NOW)
    assert len(ledger.seats) == 3
    assert give_back(ledger, SEAT.taking) == ledger
    assert ledger.held("anew") is not None


def test_an_update_moves_its_seat_and_keeps_since() -> None:
    moved = take(full(), replace(SEAT, slot=9, since=NOW + 5), LICENCE, NOW + 5)
    assert (moved.at(SEAT.key), len(moved.seats)) == (None, 3)
    assert moved.held(SEAT.taking) == replace(SEAT, slot=9)


def test_a_renewed_licence_is_taken_seat_by_seat_from_a_full_ledger() -> None:
    renewed, ledger = replace(LICENCE, id="acme-2"), full()
    for seat in ledger.seats:
        ledger = take(ledger, replace(seat, licence=renewed.id), renewed, NOW)
    assert {seat.licence for seat in ledger.seats} == {"acme-2"}


def test_a_renewal_for_fewer_machines_seats_so_many_and_no_more() -> None:
    smaller, ledger = replace(LICENCE, id="acme-2", machines=2), full()
    first, second, third = (replace(seat, licence=smaller.id) for seat in ledger.seats)
    ledger = take(take(ledger, first, smaller, NOW), second, smaller, NOW)
    assert code_of(ledger, third, smaller) == "byol.licence-count"


def test_a_clock_set_back_is_noticed_after_a_day() -> None:
    ledger = take(Ledger(), SEAT, LICENCE, NOW + 10 * DAY)
    assert ledger.seen == NOW + 10 * DAY
    assert take(ledger, SEAT, LICENCE, NOW + 9 * DAY).seen == NOW + 10 * DAY
    assert code_of(ledger, SEAT, now=NOW + 9 * DAY - 1) == "byol.licence-clock"


@pytest.mark.parametrize(
    ("code", "change", "now"),
    [
        ("byol.licence-expired", {}, NOW + 30 * DAY),
        ("byol.licence-not-yet", {}, NOW - DAY - 1),
        ("byol.licence-app", {"app": "ddos"}, NOW),
    ],
)
def test_no_seat_under_a_licence_that_does_not_allow_it(code: str, change: dict[str, str], now: float) -> None:
    assert code_of(Ledger(), replace(SEAT, **change), now=now) == code


GOOD = ledger_text(full())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not JSON"),
        (GOOD[:-20], "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "schema"),
        (GOOD.replace('"schema": 1', '"schema": 2'), "schema"),
        ('{"schema": 1, "seats": {}}', "schema"),
        (GOOD.replace(f'"seen": {NOW}', '"seen": "now"'), "seen"),
        (GOOD.replace(f'"seen": {NOW}', '"seen": 1e99'), "seen"),
        (GOOD.replace('"slot": 1', '"slot": true'), r"seats\[2\].slot"),
        (GOOD.replace(f'"since": {NOW}', f'"since": {10**30}'), r"seats\[0\].since"),
        (GOOD.replace('"taking": "first"', '"holder": "first"'), r"seats\[1\] has not"),
        ('{"schema": 1, "seats": [7]}', r"seats\[0\] has not"),
    ],
    ids=range(12),
)
def test_a_damaged_ledger_says_where(text: str, words: str) -> None:
    assert text != GOOD
    with pytest.raises(LedgerDamagedError, match=words):
        ledger_of(text)


def test_a_person_may_take_the_latest_time_out() -> None:
    assert ledger_of(GOOD.replace(f'"seen": {NOW},', "")) == replace(full(), seen=0)
