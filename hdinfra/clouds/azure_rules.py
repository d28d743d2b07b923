"""Rules of Azure's network security groups: what is named is let through, and one rule at the end denies all the rest.

Azure's own last rules would let in the whole virtual network and any load balancer, and let out everything; nobody can
remove them, so ours come before. `*` means both families, and a rule names addresses of one family alone. Groups know
no ICMPv6 (IPv6 overview of learn.microsoft.com): only a rule for all protocols would let it through.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

from hdinfra.clouds.cloud import Opening
from hdinfra.clouds.firewalls import families
from hdinfra.machine.machine import Firewall
from hdinfra.model.mesh import PORTS

ANY = "*"
Rule = Mapping[str, Any]
_FIRST, _LAST = 100, 4096
"""Priorities that a group takes from us; the lowest number decides first."""
_PROTOCOLS = {"tcp": "Tcp", "udp": "Udp"}
_DOORS = {"Tcp": (80, 443, 9000), "Udp": tuple(PORTS)}
"""At which ports any Machine of ours may be asked; its own group says by whom."""
_UDP_OUT = (53, 123)
"""DHCP, DNS and metadata of Azure's own are held back by no group; these are for servers elsewhere."""


def closed() -> list[Any]:
    """Nothing goes in or out."""
    return [_denied("Inbound"), _denied("Outbound")]


def at_the_doors() -> list[Any]:
    """A public subnet's: no other port than Machines have ever open. Each Machine's own group narrows it."""
    doors = [_allowed(f"{protocol.lower()}-in", protocol, _text(ports), (ANY,)) for protocol, ports in _DOORS.items()]
    out = [
        _allowed("tcp-out", "Tcp", (ANY,), (ANY,), "Outbound"),
        _allowed("udp-out", "Udp", _text((*_UDP_OUT, *_DOORS["Udp"])), (ANY,), "Outbound"),
        _icmp("Outbound"),
    ]
    return [*_numbered([*doors, _icmp("Inbound")]), *_numbered(out), *closed()]


def of_machines(openings: Sequence[Opening], sources: Sequence[Sequence[str]], firewall: Firewall) -> list[Any]:
    """What the Machines' own firewalls let through; `sources` of each opening, none for the world."""
    inbound = [rule for one, known in zip(openings, sources, strict=True) for rule in _opened(one, known)]
    return [*_numbered([*inbound, _icmp("Inbound")]), *_numbered(_outbound(firewall)), *closed()]


def _opened(opening: Opening, sources: Sequence[str]) -> Iterator[Rule]:
    """One rule a family, none for a family without anybody."""
    name, protocol, ports = f"{opening.protocol}-{opening.port}", _PROTOCOLS[opening.protocol], (str(opening.port),)
    if opening.sources is None:
        yield _allowed(name, protocol, ports, (ANY,))
        return
    for networks in families(sources):
        yield _allowed(f"{name}-{'ipv6' if ':' in networks[0] else 'ipv4'}", protocol, ports, networks)


def _outbound(firewall: Firewall) -> list[Rule]:
    """Sets of addresses come with policy and change without us: to any TCP port then, and at UDP's ports to the world.
    The Machines' own firewalls narrow it to the sets."""
    api = ("9000",) if firewall.api_users else ()
    tcp = (ANY,) if firewall.outbound_sets else ("53", "80", "443", *api)
    udp = _text((*_UDP_OUT, *sorted(firewall.outbound_udp)))
    return [
        _allowed("tcp-out", "Tcp", tcp, (ANY,), "Outbound"),
        _allowed("udp-out", "Udp", udp, (ANY,), "Outbound"),
        _icmp("Outbound"),
    ]


def _text(ports: Iterable[int]) -> list[str]:
    return [str(port) for port in ports]


def _icmp(direction: str) -> Rule:
    name = "icmp-in" if direction == "Inbound" else "icmp-out"
    return _allowed(name, "Icmp", (ANY,), (ANY,), direction)


def _allowed(
    name: str, protocol: str, ports: Sequence[str], others: Sequence[str], direction: str = "Inbound"
) -> dict[str, Any]:
    """`others`: who comes in, or where it goes out to; the Machines are the other side."""
    side, here = ("source", "destination") if direction == "Inbound" else ("destination", "source")
    # One alone and several are two fields, and whoever fills both is refused.
    addresses = {f"{side}_address_prefixes": list(others)} if others != (ANY,) else {f"{side}_address_prefix": ANY}
    asked = {"destination_port_range": ports[0]} if len(ports) == 1 else {"destination_port_ranges": list(ports)}
    return {
        "name": name,
        "direction": direction,
        "access": "Allow",
        "protocol": protocol,
        "source_port_range": ANY,
        f"{here}_address_prefix": ANY,
        **addresses,
        **asked,
    }


def _denied(direction: str) -> Rule:
    name = "deny-in" if direction == "Inbound" else "deny-out"
    return {**_allowed(name, ANY, (ANY,), (ANY,), direction), "access": "Deny", "priority": _LAST}


def _numbered(rules: Sequence[Rule]) -> list[Rule]:
    return [{**rule, "priority": priority} for rule, priority in zip(rules, count(_FIRST), strict=False)]
