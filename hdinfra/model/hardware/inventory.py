"""An inventory with its references followed: what feeds what, what leads where, what stands in which rack."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from hdinfra.model.hardware.disks import called, serial_of
from hdinfra.model.hardware.spec import HardwareSpec, HostSpec, PsuSpec, ServerSpec


class Kind(StrEnum):
    """What can be taken away, from the smallest to the largest."""

    DISK = "disk"
    CPU = "processor"
    PSU = "power supply"
    NIC = "network port"
    PDU = "PDU"
    UPS = "UPS"
    CHAIN = "power chain"
    SWITCH = "switch"
    ROUTER = "router"
    OPERATOR = "network operator"
    SERVER = "server"
    MANUFACTURER = "manufacturer"
    RACK = "rack"
    HALL = "hall"
    SITE = "site"


@dataclass(frozen=True, order=True, slots=True)
class Part:
    """One thing that can be taken away. `owner`: the device that a disk, power supply or port is in."""

    kind: Kind
    name: str
    owner: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


_FEEDS = {Kind.UPS: {Kind.CHAIN}, Kind.PDU: {Kind.UPS, Kind.CHAIN}}
"""What may feed what."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What devices are plugged into, or what feeds that. `upstream` is None of a chain alone."""

    kind: Kind
    upstream: str | None
    rack: str | None
    site: str | None

    def part(self, name: str) -> Part:
        """The thing itself."""
        return Part(self.kind, name)


@dataclass(frozen=True)
class Device:
    """A server, switch or router. `path`: where the spec has it; `manufacturer` is empty of servers."""

    kind: Kind
    name: str
    path: str
    model: str
    manufacturer: str
    rack: str
    feeds: tuple[str, ...]

    @cached_property
    def part(self) -> Part:
        """The whole of it."""
        return Part(self.kind, self.name)

    @cached_property
    def psus(self) -> tuple[Part, ...]:
        """Its power supplies, in order of `feeds`."""
        return tuple(
            Part(Kind.PSU, f"{self.name} PSU {number} on {feed}", self.name)
            for number, feed in enumerate(self.feeds, start=1)
        )


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything by name. Of a spec whose references lead nowhere it has what can be followed."""

    spec: HardwareSpec
    halls: Mapping[str, str]
    """Rack to hall."""
    sites: Mapping[str, str]
    """Rack to site."""
    feeds: Mapping[str, Feed]
    devices: Mapping[str, Device]
    neighbours: Mapping[str, frozenset[str]]
    """Switch or router to the switches that have a cable to it, and to those that it has one to."""
    servers: Mapping[str, ServerSpec]
    hosts: Mapping[str, HostSpec]

    def chain_of(self, feed: str) -> str | None:
        """The chain behind a PDU or UPS, or that chain itself; None where a name leads nowhere."""
        found = self.feeds.get(feed)
        if found is None or found.kind is Kind.CHAIN:
            return feed if found else None
        upstream = self.feeds.get(found.upstream or "")
        return self.chain_of(found.upstream or "") if upstream and upstream.kind in _FEEDS[found.kind] else None

    def site_of(self, device: str) -> str | None:
        """The site in which that device stands."""
        return self.sites.get(self.devices[device].rack)

    @property
    def network(self) -> tuple[Device, ...]:
        """Routers, then switches."""
        return tuple(device for device in self.devices.values() if device.kind is not Kind.SERVER)

    def used_switches(self) -> frozenset[str]:
        """Switches that servers are plugged into."""
        return frozenset(nic.switch for server in self.spec.servers for nic in server.nics)


def disk_parts(server: ServerSpec) -> tuple[Part, ...]:
    """The mirror's halves; spare disks hold nothing before they are needed."""
    return tuple(
        Part(Kind.DISK, f"{server.name} {serial_of(disk) or called(disk)}", server.name) for disk in server.disks
    )


def nic_parts(server: ServerSpec) -> tuple[Part, ...]:
    """Ports as the machine calls them."""
    return tuple(
        Part(Kind.NIC, f"{server.name} lan{number} to {nic.switch}", server.name)
        for number, nic in enumerate(server.nics)
    )


def cpu_parts(server: ServerSpec) -> tuple[Part, ...]:
    """Processors, as far as the spec tells of them."""
    return tuple(Part(Kind.CPU, f"{server.name} CPU {n}", server.name) for n in range(1, (server.cpus or 0) + 1))


def inventory_of(spec: HardwareSpec) -> Inventory:
    """Follow every reference of a spec; checks say which lead nowhere."""
    devices = {device.name: device for device in _devices(spec)}
    return Inventory(
        spec=spec,
        halls={rack: hall for rack, hall, _ in spec.racks()},
        sites={rack: site for rack, _, site in spec.racks()},
        feeds=_feeds(spec),
        devices=devices,
        neighbours=_neighbours(spec),
        servers={server.name: server for server in spec.servers},
        hosts={host.name: host for host in spec.hosts},
    )


def _feeds(spec: HardwareSpec) -> dict[str, Feed]:
    sites = {rack: site for rack, _, site in spec.racks()}
    known = {site.name for site in spec.sites}
    of_chains = {chain.name: chain.site if chain.site in known else None for chain in spec.chains}
    found = {name: Feed(Kind.CHAIN, None, None, site) for name, site in of_chains.items()}
    found |= {ups.name: Feed(Kind.UPS, ups.feed, None, of_chains.get(ups.feed)) for ups in spec.upss}
    return found | {pdu.name: Feed(Kind.PDU, pdu.feed, pdu.rack, sites.get(pdu.rack)) for pdu in spec.pdus}


def _devices(spec: HardwareSpec) -> Iterator[Device]:
    def plugged(psus: tuple[PsuSpec, ...]) -> tuple[str, ...]:
        return tuple(psu.feed for psu in psus)

    for index, router in enumerate(spec.routers):
        where = (f"routers[{index}]", router.model, router.manufacturer, router.rack)
        yield Device(Kind.ROUTER, router.name, *where, plugged(router.psus))
    for index, switch in enumerate(spec.switches):
        where = (f"switches[{index}]", switch.model, switch.manufacturer, switch.rack)
        yield Device(Kind.SWITCH, switch.name, *where, plugged(switch.psus))
    for index, server in enumerate(spec.servers):
        where = (f"servers[{index}]", server.model, "", server.rack)
        yield Device(Kind.SERVER, server.name, *where, plugged(server.psus))


def _neighbours(spec: HardwareSpec) -> dict[str, frozenset[str]]:
    known = {switch.name for switch in spec.switches} | {router.name for router in spec.routers}
    found: dict[str, set[str]] = defaultdict(set)
    for switch in spec.switches:
        for name in known.intersection(switch.uplinks):
            found[switch.name].add(name)
            found[name].add(switch.name)
    return {name: frozenset(others) for name, others in found.items()}
