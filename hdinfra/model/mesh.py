"""The encrypted network inside a Zone: who is in it, under which addresses, and who speaks with whom.

Its IPv4 addresses lie in the last /20 of the pool's first /16, which no Cluster has and where the local cloud's wan has
no region; its IPv6 addresses in the last /64 of the pool. A machine's number is held, so nobody moves for another.
"""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network

from hdinfra.model.addressing import FIRST_NUMBER, network_addresses
from hdinfra.model.plan import Addresses, MachinePlan, Prefixes

PORTS = (51820, 51821)
"""By a version's remainder: while keys change, the old and the new ones are in use at once (decision 20)."""

OVERHEAD = 80
"""Bytes that go around a packet: 40 of an outer IPv6 header, 8 of UDP, 32 of WireGuard's data message (its paper,
5.4.6). Over IPv4 it is 60; the larger one, so that the outer family may change."""

LAST_NUMBER = 4_000
"""A /20 has 4,096 addresses."""

PLANES: Mapping[str, frozenset[str]] = {"load-balancer": frozenset({"waf"}), "waf": frozenset({"load-balancer"})}
"""Role to the roles that it speaks with through the mesh."""


def mesh_network(pool: Prefixes) -> Prefixes:
    """Where all its addresses are."""
    ipv4 = int(pool.ipv4.network_address) + 2**16 - 2**12
    ipv6 = int(pool.ipv6.network_address) + (2**16 - 1) * 2**64
    return Prefixes(IPv4Network((ipv4, 20)), IPv6Network((ipv6, 64)))


def mesh_addresses(network: Prefixes, number: int) -> Addresses:
    """Those of the machine that holds this number."""
    return network_addresses(network, number)


def mesh_mtu(outer: Iterable[int]) -> int:
    """The largest packet inside, in bytes, when the paths outside carry `outer`; 1,420 over 1,500."""
    return min(outer) - OVERHEAD


def mesh_numbers(machines: Iterable[str], held: Mapping[str, int]) -> dict[str, int]:
    """A number each: a held one stays, the others take the first that are free, in the given order."""
    names = list(machines)
    numbers = {name: held[name] for name in names if name in held}
    taken = set(numbers.values())
    free = (number for number in range(FIRST_NUMBER, LAST_NUMBER + 1) if number not in taken)
    return numbers | dict(zip((name for name in names if name not in numbers), free, strict=False))


def speak(one: MachinePlan, other: MachinePlan) -> bool:
    """Whether these two have a tunnel: both in the mesh, in different places, and of planes that need one another."""
    if one.mesh is None or other.mesh is None or one.place == other.place:
        return False
    return other.role in PLANES[one.role]


def peers_of(machine: MachinePlan, machines: Iterable[MachinePlan]) -> tuple[MachinePlan, ...]:
    """With whom it has a tunnel, by name."""
    return tuple(sorted((other for other in machines if speak(machine, other)), key=lambda other: other.name))
