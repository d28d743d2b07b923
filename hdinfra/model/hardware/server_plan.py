"""From a host and the server that has it today to what its installation is told."""

from hdinfra.model.hardware.disks import serial_of
from hdinfra.model.hardware.inventory import Inventory
from hdinfra.model.hardware.spec import DiskSpec
from hdinfra.model.server import Addresses, Disk, Link, ServerPlan


def server_plan(inventory: Inventory, host: str) -> ServerPlan:
    """The plan of that host's server: disks and links are the server's, everything else is the host's.

    The inventory is one that `checked` gave, and has a host of that name; KeyError otherwise.
    """
    identity = inventory.hosts[host]
    server = inventory.servers[identity.server]
    return ServerPlan(
        name=identity.name,
        disks=tuple(map(_disk, server.disks)),
        links=tuple(Link(nic.mac, f"lan{number}") for number, nic in enumerate(server.nics)),
        network=Addresses(
            ipv4=identity.ipv4,
            gateway4=identity.gateway4,
            ipv6=identity.ipv6,
            gateway6=identity.gateway6,
            resolvers=inventory.spec.resolvers,
        ),
        swap_mib=identity.swap_mib,
        bonding=identity.bonding,
        spare_disks=tuple(map(_disk, server.spare_disks)),
    )


def _disk(disk: DiskSpec) -> Disk:
    serial = serial_of(disk)
    if serial is None:
        raise ValueError(f"{disk.path} has no serial; `checked` refuses such an inventory")
    return Disk(serial, disk.size_mib)
