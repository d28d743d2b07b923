"""Numbers: a held one stays, the first free one is next, and who finds none is left out."""

from ipaddress import IPv4Network, IPv6Network
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hdinfra.model.addressing import FIRST_NUMBER, LAST_NUMBER, LAST_SLOT, cluster_prefixes, numbered, wan_prefixes
from hdinfra.model.plan import Prefixes
from tests.strategies import cluster

NAMES = st.lists(st.sampled_from([f"m{i}" for i in range(300)]), unique=True, max_size=260)


@given(NAMES, st.dictionaries(st.sampled_from([f"m{i}" for i in range(300)]), st.integers(-5, 300)))
def test_numbers_are_unique_in_range_and_sticky(names: list[str], held: dict[str, int]) -> None:
    numbers = numbered(names, held)
    assert len(numbers) == min(len(names), LAST_NUMBER - FIRST_NUMBER + 1)
    assert len(set(numbers.values())) == len(numbers)
    assert all(FIRST_NUMBER <= number <= LAST_NUMBER for number in numbers.values())
    assert numbered(names, numbers) == numbers


@given(NAMES, NAMES)
def test_who_comes_moves_nobody(names: list[str], more: list[str]) -> None:
    before = numbered(names, {})
    after = numbered([*names, *(name for name in more if name not in names)], before)
    assert before.items() <= after.items()


def test_the_first_free_number_is_next() -> None:
    assert numbered(["a", "b", "c"], {"a": 11}) == {"a": 11, "b": 10, "c": 12}


def test_slots_fill_the_pool_without_a_gap() -> None:
    network = Prefixes(IPv4Network("10.64.0.0/12"), IPv6Network("fd00:1:2::/48"))
    wan = wan_prefixes(network)
    parts = [cluster_prefixes(cluster(1), slot, network).ipv4 for slot in range(1, LAST_SLOT + 1)]
    assert parts[0].network_address == wan.ipv4.broadcast_address + 1
    assert parts[-1].broadcast_address == network.ipv4.broadcast_address
    assert all(b.network_address == a.broadcast_address + 1 for a, b in pairwise(parts))
