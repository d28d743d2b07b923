"""What a machine is, before anything knows where it will boot. Debian 13 with systemd."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class File:
    """One file of the base system. `path` absolute, `mode` octal such as 0o644."""

    path: str
    content: str
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"


@dataclass(frozen=True, slots=True)
class Unit:
    """A systemd unit, or a package's with a drop-in or as it is, and whether it starts at boot."""

    name: str
    content: str | None = None
    drop_in: str | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class User:
    """A system user without a login."""

    name: str
    home: str = "/nonexistent"
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MeshFirewall:
    """The mesh's interfaces: only at these TCP ports, from the members of the set, may anybody come out of it; only to
    members of `outbound_sets` (address and TCP port) may anything go in. What has an address of `networks` (IPv4, IPv6)
    goes through the mesh or nowhere, so that it is never sent in the clear."""

    networks: tuple[str, str]
    inbound_tcp: Mapping[int, str] = field(default_factory=dict)
    outbound_sets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Firewall:
    """Inbound and outbound are denied in both families but for what is named here.

    `public_tcp`: ports open to the world. `public_udp`: UDP port to the most packets a second that it takes of one
    client, an IPv4 address or an IPv6 /64: senders of UDP are easily forged, and answers are longer than questions.
    `restricted_tcp`: port to the name of an nftables set that policy fills
    (sets `<name>4` and `<name>6` exist from boot, empty). `outbound_sets`: names of sets of address and TCP port,
    filled by policy likewise, that this machine may connect to. `restricted_udp` and `outbound_udp`: UDP port to the
    name of a set of addresses, from which and to which it is open. `api_users`: who may ask the management API (port
    9000 anywhere). Beyond these every machine may only answer, resolve
    names, ask the time and its address, and fetch packages (root and apt alone). `mesh`: None for a machine without.
    """

    public_tcp: tuple[int, ...] = ()
    public_udp: Mapping[int, int] = field(default_factory=dict)
    restricted_tcp: Mapping[int, str] = field(default_factory=dict)
    outbound_sets: tuple[str, ...] = ()
    restricted_udp: Mapping[int, str] = field(default_factory=dict)
    outbound_udp: Mapping[int, str] = field(default_factory=dict)
    api_users: tuple[str, ...] = ("root",)
    mesh: MeshFirewall | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """Two kinds: `booted` is what creating waits for, `serving` what edges look at. Argument lists, exit 0 is well."""

    booted: tuple[str, ...]
    serving: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """The only part in which two machines of one role differ. `tenant`: whose machine it is, if one tenant's alone."""

    name: str
    zone: str
    place: str
    role: str
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """One role's machine. Equal descriptions give equal bytes on every provider, but for `identity`."""

    identity: Identity
    packages: tuple[str, ...]
    files: tuple[File, ...]
    units: tuple[Unit, ...]
    firewall: Firewall
    health: Health
    users: tuple[User, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
