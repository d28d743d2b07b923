"""A site's ordered shutdown and start, decided: who watches which battery, and when each host stops what."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. `poll`: between two looks at a battery that discharges. `sync`: how long the host at a battery's cable
    waits for the others to have heard, and they for it. A host may be late by both; `skew` is what waves keep apart."""

    poll: int = 2
    sync: int = 10

    @property
    def skew(self) -> int:
        """How much later than another a host may begin, at most."""
        return self.sync + 2 * self.poll


HALT_SECONDS = 45
"""For a host's own shutdown once its services have stopped: half of systemd's DefaultTimeoutStopSec."""


@dataclass(frozen=True, slots=True)
class Battery:
    """A UPS at this host's cable, as NUT's driver is told of it. `low_seconds`: how long before its end it is low."""

    name: str
    driver: str
    port: str
    serial: str | None
    low_seconds: int


@dataclass(frozen=True, slots=True)
class Supply:
    """A watched UPS that feeds `psus` power supplies of this host; `server` is the host with its cable."""

    ups: str
    psus: int
    server: str
    ipv4: IPv4Address
    ipv6: IPv6Address
    restart_percent: int


@dataclass(frozen=True, slots=True)
class Stop:
    """One service here: stopped `at` seconds after the site gave up, killed `seconds` later."""

    service: str
    at: int
    seconds: int
    units: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Where somebody answers once a service is there: one of the addresses is enough."""

    port: int
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """A service here that starts when all of these answer."""

    service: str
    units: tuple[str, ...]
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class HostPower:
    """One host's part. `off_at`: when it switches itself off, in seconds after the site gave up. `peers`: who asks it
    for the batteries at its cables."""

    name: str
    ipv4: IPv4Address
    ipv6: IPv6Address
    batteries: tuple[Battery, ...]
    supplies: tuple[Supply, ...]
    peers: tuple["Peer", ...]
    stops: tuple[Stop, ...]
    turns: tuple[Turn, ...]
    off_at: int
    pace: Pace


@dataclass(frozen=True, slots=True)
class Peer:
    """Another host of the site."""

    name: str
    ipv4: IPv4Address
    ipv6: IPv6Address


@dataclass(frozen=True, slots=True)
class PowerPlan:
    """One site. `waves`: services by when they stop, which turned round is the order of their start. `seconds`: from
    giving up to the last host's end."""

    site: str
    waves: tuple[tuple[str, ...], ...]
    seconds: int
    hosts: tuple[HostPower, ...]

    def host(self, name: str) -> HostPower:
        """The part of that host; KeyError where it has none."""
        found = {host.name: host for host in self.hosts}
        return found[name]
