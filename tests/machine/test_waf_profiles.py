"""What each profile refuses, asked of nginx with the Core Rule Set itself."""

import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdinfra.agent.paths import TENANT_LOGS
from hdinfra.agent.tenant_names import key_of
from hdinfra.agent.waf_profiles import ALL, MACHINERY, NONE, PROFILES, removed_rules
from hdinfra.model.spec import Profile
from hdinfra.protocol import merge
from tests.machine.debian import Debian
from tests.machine.test_rendered import site
from tests.machine.waf_visitor import Asked, ask, serving

CORPUS: list[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("waf_corpus.toml").read_text())["request"]
ORDER = list(PROFILES)
RULES = "/usr/share/modsecurity-crs/rules"


@pytest.fixture(scope="module")
def place(debian: Callable[[str], Debian]) -> Iterator[Debian]:
    """Nginx with one site of each profile; behind it there is nobody, so what passes the rules gets 502."""
    found = debian("waf")
    with serving(found, [replace(site(f"{name}.test"), profile=name) for name in ORDER]):
        yield found


@pytest.fixture(scope="module")
def statuses(place: Debian) -> dict[tuple[str, str], int]:
    """Every request at every profile."""
    asked = {
        (one["name"], profile): Asked(
            f"{profile}.test", one["path"], one.get("method", "GET"), one.get("headers", {}), one.get("body", "")
        )
        for one in CORPUS
        for profile in ORDER
    }
    return dict(zip(asked, (told.status for told in ask(place, list(asked.values()))), strict=True))


@pytest.mark.parametrize("request_", CORPUS, ids=lambda one: one["name"])
def test_each_profile_refuses_what_it_says(request_: dict[str, Any], statuses: dict[tuple[str, str], int]) -> None:
    first = ORDER.index(request_["refused_from"]) if "refused_from" in request_ else len(ORDER)
    wanted = {profile: 403 if number >= first else 502 for number, profile in enumerate(ORDER)}
    assert {profile: statuses[request_["name"], profile] for profile in ORDER} == wanted


def test_the_corpus_tells_every_profile_from_the_next() -> None:
    assert {one.get("refused_from") for one in CORPUS} == {None, *ORDER[1:]}


def test_the_audit_log_names_rule_and_site(place: Debian, statuses: dict[tuple[str, str], int]) -> None:
    assert statuses
    code, log = place.run("cat", f"{TENANT_LOGS}/{key_of('acme')}/strong.test.audit.json")
    assert code == 0
    assert '"ruleId":"942100"' in log
    assert "strong.test" in log
    assert '"ruleId":"930100"' not in log


def test_both_sides_know_the_same_profiles_in_the_same_order() -> None:
    assert [profile.value for profile in Profile] == ORDER


def test_every_group_of_the_core_rule_set_has_its_place(debian: Callable[[str], Debian]) -> None:
    code, words = debian("waf").run("ls", RULES)
    groups = {int(number) for number in re.findall(r"(?:REQUEST|RESPONSE)-(\d{3})", words)}
    assert code == 0
    assert groups >= PROFILES["strong"] | MACHINERY - {980}
    assert PROFILES[ALL] >= groups


@given(st.sampled_from(ORDER), st.integers(900_000, 999_999))
def test_a_rule_is_removed_where_its_group_is_not_the_profiles(profile: str, rule: int) -> None:
    ranges = [tuple(map(int, one.split("-"))) for one in removed_rules(profile)]
    is_removed = any(first <= rule <= last for first, last in ranges)
    assert is_removed == (rule // 1_000 not in PROFILES[profile] | MACHINERY | {900})


def test_profiles_grow() -> None:
    assert MACHINERY == merge.MACHINERY
    groups = list(PROFILES.values())
    assert all(less < more for less, more in pairwise(groups))
    assert (removed_rules(ALL), PROFILES[NONE]) == ([], frozenset())
