"""The mesh as policy has it: which keys, who is in it, and with whom this scope's machines speak."""

from dataclasses import dataclass

from .fields import Address, address, between, ipv6_or_none, machine_name, many, name, record

_MOST_MACHINES = 500


@dataclass(frozen=True, slots=True)
class MeshMachine:
    """Where a machine's tunnels end outside, and its addresses inside."""

    name: str
    place: str
    ipv4: Address
    ipv6: Address | None
    inner_ipv4: Address
    inner_ipv6: Address

    @property
    def inner(self) -> tuple[str, str]:
        """As networks of one address."""
        return f"{self.inner_ipv4}/32", f"{self.inner_ipv6}/128"


@dataclass(frozen=True, slots=True)
class MeshPolicy:
    """`members` share this policy, `peers` are those that they have tunnels to. `mtu` in bytes, inside."""

    version: int
    mtu: int
    members: tuple[MeshMachine, ...]
    peers: tuple[MeshMachine, ...]

    def outside(self) -> list[Address]:
        """Where the peers' tunnels end."""
        return [one for peer in self.peers for one in (peer.ipv4, peer.ipv6) if one]


_MACHINE = record(
    MeshMachine,
    {
        "name": machine_name,
        "place": name,
        "ipv4": address(4),
        "ipv6": ipv6_or_none,
        "inner_ipv4": address(4),
        "inner_ipv6": address(6),
    },
)
mesh_policy = record(
    MeshPolicy,
    {
        "version": between(1, 1_000_000),
        "mtu": between(1280, 9000),  # less is no IPv6 (RFC 8200, section 5)
        "members": many(_MACHINE, _MOST_MACHINES),
        "peers": many(_MACHINE, _MOST_MACHINES),
    },
)
