"""No value can end its own quoting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdinfra.agent import haproxy, nginx


@given(st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="$")))
def test_nginx_quoting_can_be_undone_and_ends_where_it_should(value: str) -> None:
    quoted = nginx.quoted(value)
    inner, read, escaped = quoted[1:-1], "", False
    for character in inner:
        assert escaped or character != '"'
        read, escaped = (read, True) if character == "\\" and not escaped else (read + character, False)
    assert (quoted[0], quoted[-1], escaped, read) == ('"', '"', False, value)


@given(st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="'")))
def test_haproxy_quoting_keeps_the_value_whole(value: str) -> None:
    assert haproxy.quoted(value) == f"'{value}'"


@pytest.mark.parametrize("value", ["a\nb", "a\0b", "a\rb", "a\x7fb", "$host"])
def test_nginx_refuses_what_quotes_cannot_hold(value: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be written|would expand"):
        nginx.quoted(value)


@pytest.mark.parametrize("value", ["a\nb", "a\0b", "a'b", "a\tb"])
def test_haproxy_refuses_what_quotes_cannot_hold(value: str) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        haproxy.quoted(value)


@pytest.mark.parametrize("name", ["a b", "a\n", "", "a;", "a'"])
def test_haproxy_refuses_hostile_section_names(name: str) -> None:
    with pytest.raises(ValueError, match="not a section's name"):
        haproxy.Haproxy().section("backend", name)


def test_nginx_refuses_open_blocks() -> None:
    writer = nginx.Nginx()
    writer.open("server")
    with pytest.raises(ValueError, match="1 blocks are still open"):
        writer.text()
