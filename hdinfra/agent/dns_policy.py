"""The document of a name server, as the machine reads it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from .fields import (
    Address,
    Network,
    PolicyError,
    address,
    between,
    host,
    ipv6_or_none,
    machine_name,
    many,
    name,
    part_network,
    record,
)

_MOST_SERVERS = _MOST_ENTRANCES = 16
_MOST_PLACES = 64
_MOST_NETWORKS = 500


@dataclass(frozen=True, slots=True)
class NameServer:
    """One of the Zone's name servers; without `ipv6` where its cloud has none."""

    name: str
    ipv4: Address
    ipv6: Address | None


@dataclass(frozen=True, slots=True)
class AnsweredPlace:
    """A place of the edge and the addresses that users come to."""

    name: str
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Entrance:
    """Places in an order, or a name elsewhere, which is empty where there are places."""

    name: str
    places: tuple[str, ...] = ()
    target: str = ""


@dataclass(frozen=True, slots=True)
class NearNetwork:
    """For users of a network the places in their order."""

    network: Network
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DnsPolicy:
    """Policy of every name server. `entrance`: the name of the one that the sites' name leads to; times in seconds,
    `failures` and `recoveries` are checks in a row."""

    name: str
    servers: tuple[NameServer, ...]
    places: tuple[AnsweredPlace, ...]
    entrances: tuple[Entrance, ...]
    entrance: str
    ttl_seconds: int
    interval_seconds: int
    timeout_seconds: int
    failures: int
    recoveries: int
    near: tuple[NearNetwork, ...] = ()

    @property
    def in_force(self) -> Entrance:
        """The entrance that the sites' name leads to."""
        return next(one for one in self.entrances if one.name == self.entrance)


def _target(value: object, path: str) -> str:
    found: str = "" if value == "" else host(value, path)
    return found


_places = many(name, _MOST_PLACES)
_times = between(1, 10)
_SERVER = record(NameServer, {"name": machine_name, "ipv4": address(4), "ipv6": ipv6_or_none})
_PLACE = record(AnsweredPlace, {"name": name, "addresses": many(address(4, 6), _MOST_PLACES)})
_ENTRANCE = record(Entrance, {"name": name, "places": _places, "target": _target})
_NEAR = record(NearNetwork, {"network": part_network, "places": _places})
dns_policy = record(
    DnsPolicy,
    {
        "name": host,
        "servers": many(_SERVER, _MOST_SERVERS),
        "places": many(_PLACE, _MOST_PLACES),
        "entrances": many(_ENTRANCE, _MOST_ENTRANCES),
        "entrance": name,
        "near": many(_NEAR, _MOST_NETWORKS),
        "ttl_seconds": between(5, 3600),
        "interval_seconds": between(2, 255),
        "timeout_seconds": between(1, 254),
        "failures": _times,
        "recoveries": _times,
    },
)


def check_dns(policy: DnsPolicy) -> None:
    """What fields cannot say alone: names lead to something, once, and a check ends before the next."""
    known = {place.name for place in policy.places}
    for path, names in (
        ("servers", [one.name for one in policy.servers]),
        ("places", [one.name for one in policy.places]),
        ("entrances", [one.name for one in policy.entrances]),
        ("near", [str(one.network) for one in policy.near]),
        *((f"entrances.{one.name}", one.places) for one in policy.entrances),
        *((f"near.{one.network}", one.places) for one in policy.near),
    ):
        _once(names, path)
    lists = [*(one.places for one in policy.entrances), *(one.places for one in policy.near)]
    lost = {place for places in lists for place in places} - known
    if lost:
        raise PolicyError(f"places: {sorted(lost)} are not in this document")
    if not policy.servers or not all(place.addresses for place in policy.places):
        raise PolicyError("servers, places: each needs an address, and there is at least one server")
    if policy.entrance not in {one.name for one in policy.entrances}:
        raise PolicyError(f"entrance: {policy.entrance!r} is not in this document")
    for one in policy.entrances:
        if bool(one.places) == bool(one.target):
            raise PolicyError(f"entrances.{one.name}: exactly one of places and target is due")
    if policy.timeout_seconds >= policy.interval_seconds:
        raise PolicyError("timeout_seconds: a check has to end before the next begins")


def _once(names: Iterable[str], path: str) -> None:
    twice = sorted(value for value, count in Counter(names).items() if count > 1)
    if twice:
        raise PolicyError(f"{path}: {twice} occur more than once")
