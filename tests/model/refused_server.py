"""Servers' plans, each of which breaks one rule."""

from dataclasses import replace
from ipaddress import ip_address, ip_interface
from typing import Any

from hdinfra.model.checks.server import planned_server
from hdinfra.model.server import Addresses, Disk, Link, ServerPlan
from tests.model.refused import RefusalCase

NETWORK = Addresses(
    ip_interface("192.0.2.10/24"),
    ip_address("192.0.2.1"),
    ip_interface("2001:db8::10/64"),
    ip_address("fe80::1"),
    (ip_address("192.0.2.53"),),
)
A, B = Disk("A1", 228_936), Disk("B2", 228_936)
ONE, TWO = Link("52:54:00:00:00:01", "lan0"), Link("52:54:00:00:00:02", "lan1")
LEGAL = ServerPlan("rack1-srv1", (A, B), (ONE, TWO), NETWORK, swap_mib=4096)


def case(rule: str, path: str, **changes: Any) -> RefusalCase:
    """The legal plan with these changes."""
    return RefusalCase(rule, path, lambda: planned_server(replace(LEGAL, **changes)))


SERVER = [
    case("raid.two-disks", "disks", disks=(A,)),
    case("raid.two-disks", "disks", disks=(), spare_disks=(A, B)),
    case("raid.same-disk-twice", "disks[1]", disks=(A, A)),
    case("raid.same-disk-twice", "disks[1]", disks=(A, Disk("a1", 228_936))),
    case("raid.same-disk-twice", "spare_disks[0]", spare_disks=(B,)),
    case("raid.disk-too-small", "disks[1]", disks=(A, Disk("B2", 9_729))),
    case("raid.disk-too-small", "spare_disks[0]", spare_disks=(Disk("C3", 9_729),)),
    case("raid.name-length", "name", name="r" * 27),
    case("network.two-links", "links", links=(ONE,)),
    case("network.duplicate-mac", "links[1].mac", links=(ONE, replace(ONE, name="lan1"))),
    case("host.gateway", "network.gateway4", network=replace(NETWORK, gateway4=ip_address("192.0.3.1"))),
    case("host.gateway", "network.gateway4", network=replace(NETWORK, gateway4=ip_address("192.0.2.10"))),
    case("host.gateway", "network.gateway6", network=replace(NETWORK, gateway6=ip_address("2001:db8:1::1"))),
]
