"""Checks of single values: what comes back is safe to write into a file."""

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import MappingProxyType
from typing import Any, TypeVar

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Field = Callable[[object, str], Any]
"""From a value and its path to the checked value; PolicyError when it is not as it must be."""
T = TypeVar("T")

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})+\Z")


class PolicyError(ValueError):
    """A document that no machine may apply; the text names the path and the value found."""


def wrong(path: str, value: object, wanted: str) -> PolicyError:
    """The error for one value."""
    return PolicyError(f"{path}: {value!r:.80} is not {wanted}")


def matching(pattern: re.Pattern[str], wanted: str) -> Field:
    """Text of that pattern."""

    def field(value: object, path: str) -> str:
        if not isinstance(value, str) or not pattern.match(value):
            raise wrong(path, value, wanted)
        return value

    return field


name = matching(re.compile(r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?\Z"), "a name (one DNS label of 32 characters at most)")
machine_name = matching(re.compile(r"[a-z0-9-]{1,100}\Z"), "a machine's name")


def between(low: int, high: int) -> Field:
    """A whole number."""

    def field(value: object, path: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise wrong(path, value, f"a whole number from {low} to {high}")
        return value

    return field


def boolean(value: object, path: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise wrong(path, value, "true or false")
    return value


def one_of(values: frozenset[str]) -> Field:
    """One of a closed set of words."""

    def field(value: object, path: str) -> str:
        if not isinstance(value, str) or value not in values:
            raise wrong(path, value, f"one of {', '.join(sorted(values))}")
        return value

    return field


def host(value: object, path: str) -> str:
    """A host name (RFC 1123), not an address."""
    found: str = matching(_HOST, "a host name (RFC 1123, lower case)")(value, path)
    if found.rpartition(".")[2].isdigit():
        raise wrong(path, value, "a host name, its last label is a number")
    return found


def address(*families: int) -> Field:
    """An address of one of these families."""

    def field(value: object, path: str) -> Address:
        try:
            found = ip_address(value) if isinstance(value, str) else None
        except ValueError:
            found = None
        # A scoped address (fe80::1%eth0) carries free text behind the percent sign.
        if found is None or found.version not in families or "%" in str(value):
            raise wrong(path, value, "an IP address" if len(families) > 1 else f"an IPv{families[0]} address")
        return found

    return field


def ipv6_or_none(value: object, path: str) -> Address | None:
    """An IPv6 address; the empty text of a machine whose cloud has none is None."""
    return None if value == "" else address(6)(value, path)


def network(value: object, path: str) -> Network:
    """A network of either family, its host bits zero."""
    try:
        found = ip_network(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None or "%" in str(value):
        raise wrong(path, value, "an IP network whose host bits are zero")
    return found


def part_network(value: object, path: str) -> Network:
    """A network that leaves most of the Internet out: a /8 of IPv4 or a /32 of IPv6 at most."""
    found = network(value, path)
    if found.prefixlen < (8 if found.version == 4 else 32):
        raise wrong(path, value, "a part of the Internet: IPv4 from /8, IPv6 from /32")
    return found


def many(item: Field, most: int) -> Field:
    """A list of that many entries at most."""

    def field(value: object, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise wrong(path, value, "a list")
        if len(value) > most:
            raise PolicyError(f"{path}: {len(value):,} entries; {most:,} are the most")
        return tuple(item(entry, f"{path}[{number}]") for number, entry in enumerate(value))

    return field


def record(
    shape: Callable[..., T], fields: Mapping[str, Field], later: Mapping[str, Field] = MappingProxyType({})
) -> Callable[[object, str], T]:
    """An object with exactly the keys of `fields`. Those of `later` may be left out: documents from before they were
    known lack them, and the shape's own defaults are what held then."""
    known = {**fields, **later}

    def field(value: object, path: str) -> T:
        if not isinstance(value, dict):
            raise wrong(path, value, "an object")
        if odd := sorted((value.keys() ^ fields.keys()) - later.keys()):
            raise PolicyError(f"{path}: keys {odd} are unknown or missing; wanted {sorted(fields)}")
        return shape(**{key: known[key](found, f"{path}.{key}") for key, found in value.items()})

    return field
