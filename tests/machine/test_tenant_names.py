"""Tenants' names are hostile: what is made of them is never another tenant's, and always fit for systemd."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from hdinfra.agent.tenant_names import key_of, user_of

NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True)
_USER = re.compile(r"[a-z][A-Za-z0-9_]*(-[A-Za-z0-9_]+)?\Z")
"""One hyphen at most, ours: in a slice's name each would be one level down."""


@given(NAMES, NAMES)
@example("a-b", "a--b")
@example("a" * 28, "a" * 10 + "-" + "a" * 17)
@example("a" * 27, "a" * 27 + "-0")
def test_no_two_tenants_have_the_same_key(one: str, other: str) -> None:
    assert (key_of(one) == key_of(other)) == (one == other)


@given(NAMES)
@example("t" * 32)
def test_a_users_name_is_one_that_linux_takes(name: str) -> None:
    user = user_of(name)
    assert len(user) <= 31
    assert _USER.match(user), user
    assert "-" not in key_of(name)


LONG = st.from_regex(r"[a-z][a-z0-9-]{26,30}[a-z0-9]", fullmatch=True)
SHORT = st.from_regex(r"[a-z]([a-z0-9-]{0,25}[a-z0-9])?", fullmatch=True)


@given(LONG, SHORT)
def test_no_short_name_can_be_chosen_to_meet_a_long_one(long: str, short: str) -> None:
    assert any(letter.isupper() for letter in key_of(long))
    assert key_of(short).islower()
