"""A server of one's own, decided: its disks, links and addresses. What every renderer of an installation reads."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

ESP_MIB, BOOT_MIB = 512, 1024

LEAST_ROOT_MIB = 4_096
"""For /: Debian with a role's packages is 2 GiB, and an upgrade lays the new files beside the old ones."""

_TABLES_MIB = 2
"""Partition tables at both ends of a disk, each in a MiB of its own."""

ARRAYS = ("boot", "swap", "root")
"""The mirrors, in the order of their partitions behind the ESP; a partition is labelled with its array's name."""

LONGEST_NAME = 26
"""Characters of a server's name: `<name>:root` has to fit into the 31 that metadata 1.2 has for an array's name."""


class Bonding(StrEnum):
    """How two links are one (Linux's bonding modes). `802.3ad` needs switches that speak LACP as one."""

    ACTIVE_BACKUP = "active-backup"
    LACP = "802.3ad"


@dataclass(frozen=True, slots=True)
class Disk:
    """`serial` as the disk itself says it (udev's ID_SERIAL_SHORT), which moves with it from slot to slot."""

    serial: str
    mib: int


@dataclass(frozen=True, slots=True)
class Link:
    """One port of a network card: `name` is what it is called on the machine, whatever slot it is in."""

    mac: str
    name: str


@dataclass(frozen=True, slots=True)
class Addresses:
    """Both families, always; the gateways lie in the same networks, or are link-local (IPv6)."""

    ipv4: IPv4Interface
    gateway4: IPv4Address
    ipv6: IPv6Interface
    gateway6: IPv6Address
    resolvers: tuple[IPv4Address | IPv6Address, ...]


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """Complete: the same plan gives the same bytes in each renderer. Sizes in MiB.

    `name` is the server's own, whatever Machine runs on it: its arrays begin with it (`mdadm --homehost`), so that a
    disk of another server is never taken for one of this.
    """

    name: str
    disks: tuple[Disk, ...]
    links: tuple[Link, ...]
    network: Addresses
    swap_mib: int
    bonding: Bonding = Bonding.ACTIVE_BACKUP
    spare_disks: tuple[Disk, ...] = ()
    esp_mib: int = ESP_MIB
    boot_mib: int = BOOT_MIB

    @property
    def disk_mib(self) -> int:
        """What is used of each disk: the smallest one's size, since a mirror is no larger."""
        return min(disk.mib for disk in (*self.disks, *self.spare_disks))

    @property
    def needed_mib(self) -> int:
        """What a disk has at least, so that the layout fits."""
        return _TABLES_MIB + self.esp_mib + self.boot_mib + self.swap_mib + LEAST_ROOT_MIB
