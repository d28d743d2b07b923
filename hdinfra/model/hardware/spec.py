"""What a user writes about racks of their own: power, network, servers, and which host runs on which server.

Things refer to one another by name: a power supply to what feeds it, a port to its switch, a host to its server.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints

from hdinfra.model.names import IPAddress, IPv4, IPv4WithLength, IPv6, IPv6WithLength, Name, Port, Spec
from hdinfra.model.server import Bonding


def _whole_disk(path: object) -> object:
    if not isinstance(path, str):
        return path
    if not path.startswith("/dev/disk/by-id/"):
        raise ValueError("a name below /dev/disk/by-id is due; /dev/sda is whichever disk was found first")
    if re.search(r"-part\d+$", path):
        raise ValueError("a whole disk is due, without `-part` and a number: a mirror of two parts of one disk is none")
    return path


Model = Annotated[
    str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f\s](?:[^\x00-\x1f\x7f]*[^\x00-\x1f\x7f\s])?$", max_length=64)
]
"""A manufacturer's own name of a product, on one line."""

Mac = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[0-9A-Fa-f][02468ACEace](?::[0-9A-Fa-f]{2}){5}$")]
"""An Ethernet address with colons; no group's address, whose first byte is odd (IEEE 802)."""

Serial = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:+-]*$", max_length=64)]
"""As the disk says it and its label has it: `lsblk -dno SERIAL` shows it."""

DiskPath = Annotated[
    str,
    BeforeValidator(_whole_disk),
    StringConstraints(pattern=r"^/dev/disk/by-id/(?:ata|nvme|scsi|virtio|wwn)-[A-Za-z0-9._:+=@-]+$", max_length=200),
]
"""A name that udev gives one whole disk, wherever it is plugged in (systemd's 60-persistent-storage.rules)."""

SystemdUnit = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9:_.][A-Za-z0-9:_.@-]*\.(?:service|target|socket|mount)$", max_length=120),
]
"""A unit's whole name; nothing that systemctl would take for an option or a pattern."""

NutPort = Annotated[str, StringConstraints(pattern=r"^(?:auto|/dev/[A-Za-z0-9._/-]{1,100}|[a-z0-9-]{1,60}\.dev)$")]
"""Where NUT's driver finds the battery: `auto` of USB, a serial line, or a file of /etc/nut for `dummy-ups`."""

_FEW, _MANY = 8, 4_000


class NutDriver(StrEnum):
    """NUT's drivers of Debian's package nut-server that a battery at a cable may need."""

    APCSMART = "apcsmart"
    DUMMY = "dummy-ups"
    MGE_SHUT = "mge-shut"
    QX = "nutdrv_qx"
    USB = "usbhid-ups"


class Spread(StrEnum):
    """What a service outlives as a whole."""

    RACK = "rack"
    HALL = "hall"
    SITE = "site"


class HallSpec(Spec):
    """A room of a site, with its racks."""

    name: Name
    racks: Annotated[tuple[Name, ...], Field(min_length=1, max_length=_MANY)]


class HardwareSiteSpec(Spec):
    """A building with halls: what one fire takes."""

    name: Name
    halls: Annotated[tuple[HallSpec, ...], Field(min_length=1, max_length=100)]


class ChainSpec(Spec):
    """An electrical chain of a site that shares nothing with its other ones, down to the street."""

    name: Name
    site: Name


class NutSpec(Spec):
    """How a battery is watched, so that its site is shut down in order before it is empty."""

    host: Name = Field(description="The host whose server has the battery's cable; it goes down last")
    driver: NutDriver = NutDriver.USB
    port: NutPort = "auto"
    serial: Serial | None = Field(default=None, description="Tells two batteries at one server's USB ports apart")
    low_seconds: Annotated[int, Field(strict=True, ge=30, le=7_200)] = Field(
        description="It is low when it lasts only so long yet, as it says itself (battery.runtime); its driver is told"
    )
    restart_percent: Annotated[int, Field(strict=True, ge=0, le=100)] = Field(
        default=40, description="So full it must be before services start after an ordered shutdown"
    )


class UpsSpec(Spec):
    """A battery in a chain."""

    name: Name
    feed: Name = Field(description="The chain that it is part of")
    nut: NutSpec | None = Field(default=None, description="Left out, nobody watches it and nothing is shut down")


class PduSpec(Spec):
    """A strip of outlets in a rack."""

    name: Name
    rack: Name
    feed: Name = Field(description="A UPS, or a chain without one")


class PsuSpec(Spec):
    """A power supply of a device."""

    feed: Name = Field(description="A PDU, a UPS or a chain: where its cable is plugged in")


Psus = Annotated[tuple[PsuSpec, ...], Field(min_length=1, max_length=_FEW)]


class SwitchSpec(Spec):
    """What servers' ports are plugged into."""

    name: Name
    model: Model
    manufacturer: Name
    rack: Name
    psus: Psus
    uplinks: Annotated[tuple[Name, ...], Field(max_length=64)] = Field(
        default=(), description="Routers and other switches that it has a cable to"
    )


class RouterSpec(Spec):
    """The way out, to companies that carry traffic onwards."""

    name: Name
    model: Model
    manufacturer: Name
    rack: Name
    psus: Psus
    upstreams: Annotated[tuple[Name, ...], Field(max_length=64)] = Field(
        default=(), description="Network operators that it has a session with"
    )


class DiskSpec(Spec):
    """One disk by what it says itself, never by its slot."""

    serial: Serial | None = Field(default=None, description="Left out, the one at the end of `path`")
    path: DiskPath | None = None
    size_mib: Annotated[int, Field(strict=True, ge=1_024, le=2**30)] = Field(
        description="Bytes, as `lsblk -b` shows them, / 1,048,576"
    )


class NicSpec(Spec):
    """One port of a network card."""

    mac: Mac
    switch: Name


class ServerSpec(Spec):
    """One server in its rack. Who it is to the world, a host says."""

    name: Name
    model: Model
    rack: Name
    psus: Psus
    nics: Annotated[tuple[NicSpec, ...], Field(min_length=1, max_length=_FEW)] = Field(
        description="In order: the first is called lan0"
    )
    disks: Annotated[tuple[DiskSpec, ...], Field(min_length=1, max_length=_FEW)] = Field(
        description="The mirror's halves; each holds all"
    )
    cpus: Annotated[int, Field(strict=True, ge=1, le=_FEW)] | None = Field(
        default=None, description="Processors in sockets of their own; left out, nothing is said of them"
    )
    spare_disks: Annotated[tuple[DiskSpec, ...], Field(max_length=_FEW)] = Field(
        default=(), description="Plugged in, empty, and taken when one of `disks` fails"
    )


class ShelfSpec(Spec):
    """Switches and routers of one model that lie at a site, ready to be mounted."""

    site: Name
    model: Model
    count: Annotated[int, Field(strict=True, ge=1, le=1_000)] = 1


class HostSpec(Spec):
    """An identity, and the server that has it today: `hdinfra replace-host` changes `server` and nothing else here."""

    name: Name
    server: Name
    role: Name
    ipv4: IPv4WithLength
    gateway4: IPv4
    ipv6: IPv6WithLength
    gateway6: IPv6
    bonding: Bonding = Bonding.ACTIVE_BACKUP
    swap_mib: Annotated[int, Field(strict=True, ge=64, le=262_144)] = 2_048


class ListenerSpec(Spec):
    """Where a service is asked."""

    port: Port
    ipv4: IPv4 | None = None
    ipv6: IPv6 | None = None


class ServiceSpec(Spec):
    """What several hosts do together, and how many of them carry the load."""

    name: Name
    hosts: Annotated[tuple[Name, ...], Field(min_length=1, max_length=_MANY)]
    needs: Annotated[int, Field(strict=True, ge=1, le=_MANY)] = Field(description="So many hosts must serve")
    spread: Spread = Field(default=Spread.RACK, description="What may be lost as a whole")
    listeners: Annotated[tuple[ListenerSpec, ...], Field(min_length=1, max_length=100)]
    after: Annotated[tuple[Name, ...], Field(max_length=100)] = Field(
        default=(), description="Services that it needs: it starts after them and stops before them"
    )
    units: Annotated[tuple[SystemdUnit, ...], Field(max_length=20)] = Field(
        default=(), description="What of it runs on its hosts; left out, it stops when the whole host does"
    )
    stop_seconds: Annotated[int, Field(strict=True, ge=1, le=1_800)] = Field(
        default=30, description="When it is to be over it is killed"
    )


class HardwareSpec(Spec):
    """One inventory: all that stands in one's own racks."""

    hardware: Name = Field(description="The inventory's name")
    sites: Annotated[tuple[HardwareSiteSpec, ...], Field(min_length=1, max_length=100)]
    chains: Annotated[tuple[ChainSpec, ...], Field(min_length=1, max_length=200)]
    upss: Annotated[tuple[UpsSpec, ...], Field(max_length=400)] = ()
    pdus: Annotated[tuple[PduSpec, ...], Field(max_length=_MANY)] = ()
    routers: Annotated[tuple[RouterSpec, ...], Field(max_length=100)] = ()
    switches: Annotated[tuple[SwitchSpec, ...], Field(max_length=_MANY)] = ()
    servers: Annotated[tuple[ServerSpec, ...], Field(max_length=_MANY)] = ()
    spares: Annotated[tuple[Name, ...], Field(max_length=_MANY)] = Field(
        default=(), description="Servers that are mounted, cabled and idle, to take over a host"
    )
    shelf: Annotated[tuple[ShelfSpec, ...], Field(max_length=1_000)] = ()
    resolvers: Annotated[tuple[IPAddress, ...], Field(min_length=1, max_length=3)] = Field(
        description="Name servers of all hosts; the C library asks three at most"
    )
    hosts: Annotated[tuple[HostSpec, ...], Field(max_length=_MANY)] = ()
    services: Annotated[tuple[ServiceSpec, ...], Field(max_length=_MANY)] = ()

    def racks(self) -> Iterator[tuple[str, str, str]]:
        """Every rack with its hall and its site."""
        for site in self.sites:
            for hall in site.halls:
                yield from ((rack, hall.name, site.name) for rack in hall.racks)
