"""Services: no rack holds too many of their hosts, nor all that leads to them, and all are asked over IPv6 as well."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import assert_never

from hdinfra.model.hardware.inventory import Inventory, Kind, Part
from hdinfra.model.hardware.spec import HardwareSpec, ListenerSpec, ServiceSpec, Spread
from hdinfra.model.hardware.what_if import Standing, WhatIf
from hdinfra.model.refusal import Refusal

_LEVELS = {Spread.RACK: Kind.RACK, Spread.HALL: Kind.HALL, Spread.SITE: Kind.SITE}
"""From the smallest to the largest."""
_TUNNELS = {IPv6Network("2002::/16"): "6to4 (RFC 3056)", IPv6Network("2001::/32"): "Teredo (RFC 4380)"}
_UNIQUE_LOCAL = IPv6Network("fc00::/7")


def check_spread(inventory: Inventory) -> Iterator[Refusal]:
    """`placement.spread-racks` by where the hosts stand; of an inventory whose names all lead somewhere."""
    for index, service in enumerate(inventory.spec.services):
        yield from _spread(inventory, index, service)


def check_ways_of_racks(inventory: Inventory) -> Iterator[Refusal]:
    """`placement.spread-racks` by all else that a rack takes along; where every other rule is kept."""
    what_if, told = WhatIf(inventory), set[int]()
    for level, kind in _LEVELS.items():
        concerned = {index for index, one in enumerate(inventory.spec.services) if level in _levels(one)}
        for place in _places(inventory, level) if concerned else ():
            left = what_if.without(Part(kind, place))
            # Without a rack and without its hall the same is missing; the smaller one is told.
            down = [index for index in sorted(concerned - told) if not left[index].stands]
            told.update(down)
            yield from (_ways(index, left[index], place, level) for index in down)


def check_listeners(spec: HardwareSpec) -> Iterator[Refusal]:
    """`ipv6.native`."""
    for index, service in enumerate(spec.services):
        for number, listener in enumerate(service.listeners):
            if reason := _not_native(listener):
                path = f"services[{index}].listeners[{number}].ipv6"
                message = (
                    f"`{service.name}` has {reason} at port {listener.port}; clients of IPv6 alone are lost or relayed."
                )
                yield Refusal(path, "ipv6.native", message, "write `ipv6: ...`, an address of the site's own network")


def _levels(service: ServiceSpec) -> list[Spread]:
    known = list(_LEVELS)
    return known[: known.index(service.spread) + 1]


def _spread(inventory: Inventory, index: int, service: ServiceSpec) -> Iterator[Refusal]:
    hosts = sorted(set(service.hosts))
    for level in _levels(service):
        held = Counter(_place(inventory, level, host) for host in hosts)
        place, most = max(held.items(), key=lambda item: (item[1], item[0]))
        if len(hosts) - most < service.needs:
            message = (
                f"{_LEVELS[level].capitalize()} `{place}` has {most} of the {len(hosts)} hosts of `{service.name}`; "
                f"without it {len(hosts) - most} would be left, and {service.needs} must serve."
            )
            yield Refusal(f"services[{index}].hosts", "placement.spread-racks", message, _fix(held, place, level))
            return


def _place(inventory: Inventory, level: Spread, host: str) -> str:
    rack = inventory.servers[inventory.hosts[host].server].rack
    return {Spread.RACK: rack, Spread.HALL: inventory.halls[rack], Spread.SITE: inventory.sites[rack]}[level]


def _fix(held: Mapping[str, int], place: str, level: Spread) -> str:
    widen = "" if level is Spread.RACK else ", or write a smaller `spread`"
    others = sorted(name for name in held if name != place)
    where = f"`{others[0]}`" if others else f"another {level}"
    return f"move hosts of `{place}` to servers in {where}, or add hosts there, or lower `needs`{widen}"


def _places(inventory: Inventory, level: Spread) -> Iterable[str]:
    match level:
        case Spread.RACK:
            return inventory.sites
        case Spread.HALL:
            return dict.fromkeys(inventory.halls.values())
        case Spread.SITE:
            return dict.fromkeys(inventory.sites.values())
        case _:
            assert_never(level)


def _ways(index: int, left: Standing, place: str, level: Spread) -> Refusal:
    message = (
        f"With {_LEVELS[level]} `{place}` goes what others need: {left.powered} hosts of `{left.service}` would have "
        f"power and {left.reachable} a way out, and {left.needs} must serve."
    )
    fix = f"mount one of the switches, routers or PDUs of `{place}` in another {level}"
    return Refusal(f"services[{index}].hosts", "placement.spread-racks", message, fix)


def _not_native(listener: ListenerSpec) -> str | None:
    address = listener.ipv6
    if address is None:
        return "no IPv6 address"
    tunnel = next((name for network, name in _TUNNELS.items() if address in network), None)
    kinds = {
        "an IPv4 address in IPv6's clothes": address.ipv4_mapped is not None,
        f"an address of {tunnel}, a tunnel,": tunnel is not None,
        "an address that nobody outside reaches": _is_of_no_use(address),
        "an IPv6 address of a private network beside a public IPv4 one": address in _UNIQUE_LOCAL
        and _is_public(listener.ipv4),
    }
    return next((kind for kind, applies in kinds.items() if applies), None)


def _is_of_no_use(address: IPv6Address) -> bool:
    return address.is_link_local or address.is_loopback or address.is_multicast or address.is_unspecified


def _is_public(address: IPv4Address | None) -> bool:
    # Python counts the documentation's networks as private; RFC 1918 alone is meant here.
    private = ("10.", "192.168.", *(f"172.{number}." for number in range(16, 32)))
    return address is not None and not str(address).startswith(private)
