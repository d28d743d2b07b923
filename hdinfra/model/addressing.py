"""Every Cluster's and every machine's addresses, from fixed slots: nobody moves when others come or go.

The IPv4 pool is a /12: its first /16 is the wan of the local cloud, and the Cluster in the region of slot s has the
s-th /21 behind it. The IPv6 pool is a /48: /64 number 0 is the wan, number s the Cluster's. A machine has one number,
10 to 250, in its region; it is the host part in the Cluster's network, and behind `slot * 256` in the wan.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from hdinfra.model.plan import Addresses, Prefixes, SubnetPlan
from hdinfra.model.spec import ClusterSpec, ZoneSpec

FIRST_NUMBER, LAST_NUMBER = 10, 250
"""A network's first addresses stay free for gateways; 250 fits into the smallest network that a Cluster may have."""

MOST_ZONES = 4
"""A /21 holds eight networks of a /24: a public and a private one in each of four availability zones."""

LAST_SLOT = 480
"""A /12 holds 512 networks of a /21, and the wan takes 32 of them."""

_WAN_IN_CLUSTERS = 32


def pool(spec: ZoneSpec) -> Prefixes:
    """The Zone's whole network; the IPv6 one is unique local (RFC 4193) by the Zone's name unless it is given."""
    if spec.network.ipv6 is not None:
        return Prefixes(spec.network.ipv4, spec.network.ipv6)
    unique = b"\xfd" + sha256(spec.zone.encode()).digest()[:5]
    return Prefixes(spec.network.ipv4, IPv6Network((unique.ljust(16, b"\0"), 48)))


def wan_prefixes(network: Prefixes) -> Prefixes:
    """Where the local cloud plays the Internet: in every pool the first /16 and the first /64."""
    return Prefixes(
        IPv4Network((int(network.ipv4.network_address), 16)), IPv6Network((int(network.ipv6.network_address), 64))
    )


def cluster_prefixes(cluster: ClusterSpec, slot: int, network: Prefixes) -> Prefixes:
    """The Cluster's own network: what the spec says, else the part that its region's slot fixes (1 to 480)."""
    ipv4 = int(network.ipv4.network_address) + (_WAN_IN_CLUSTERS + slot - 1) * 2**11
    ipv6 = int(network.ipv6.network_address) + slot * 2**64
    return Prefixes(cluster.ipv4 or IPv4Network((ipv4, 21)), cluster.ipv6 or IPv6Network((ipv6, 64)))


def subnets(prefixes: Prefixes, zones: Sequence[str]) -> tuple[SubnetPlan, ...]:
    """A /24 an availability zone and kind out of the first /21: public ones from the first on, private ones from the
    fifth. None without zones: then the network is whole."""
    parts = list(prefixes.ipv4.subnets(new_prefix=24))[: 2 * MOST_ZONES] if zones else []
    return tuple(
        SubnetPlan(f"{kind}-{number + 1}", zone, kind == "public", first + number, parts[first + number])
        for kind, first in (("public", 0), ("private", MOST_ZONES))
        for number, zone in enumerate(zones)
    )


def cluster_addresses(prefixes: Prefixes, number: int) -> Addresses:
    """A machine's addresses in its Cluster's network."""
    return network_addresses(prefixes, number)


def wan_addresses(wan: Prefixes, slot: int, number: int) -> Addresses:
    """A machine's addresses in the wan."""
    return network_addresses(wan, slot * 256 + number)


def network_addresses(prefixes: Prefixes, host: int) -> Addresses:
    """The addresses of that number in both of its networks."""
    return Addresses(
        IPv4Address(int(prefixes.ipv4.network_address) + host), IPv6Address(int(prefixes.ipv6.network_address) + host)
    )


def numbered(machines: Iterable[str], held: Mapping[str, int]) -> dict[str, int]:
    """Numbers for one region's machines: a held one stays, others take the first that is free, in the given order.

    Machines for which no number is left are left out.
    """
    names = list(machines)
    numbers: dict[str, int] = {}
    taken: set[int] = set()
    for name in sorted(names):
        number = held.get(name, 0)
        if FIRST_NUMBER <= number <= LAST_NUMBER and number not in taken:
            numbers[name] = number
            taken.add(number)
    free = (number for number in range(FIRST_NUMBER, LAST_NUMBER + 1) if number not in taken)
    waiting = (name for name in names if name not in numbers)
    return numbers | dict(zip(waiting, free, strict=False))
