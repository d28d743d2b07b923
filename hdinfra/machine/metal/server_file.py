"""/etc/hdinfra/server.json: the ServerPlan as programs on the server read it (hdraid, the ESP hook, the installer)."""

import json
from collections.abc import Sequence

from hdinfra.machine.machine import File
from hdinfra.model.server import Disk, ServerPlan

SERVER_PATH = "/etc/hdinfra/server.json"


def server_file(server: ServerPlan) -> File:
    """Nothing in it is secret; every user may see which disks and addresses a server has."""
    return File(SERVER_PATH, json.dumps(server_facts(server), sort_keys=True, indent=1) + "\n")


def server_facts(server: ServerPlan) -> dict[str, object]:
    """The plan in JSON's own types. Keys are read by the agent of a running server: they are never renamed."""
    network = server.network
    return {
        "name": server.name,
        "disks": _disks(server.disks),
        "spare_disks": _disks(server.spare_disks),
        "links": [{"mac": link.mac, "name": link.name} for link in server.links],
        "bonding": str(server.bonding),
        "network": {
            "ipv4": str(network.ipv4),
            "gateway4": str(network.gateway4),
            "ipv6": str(network.ipv6),
            "gateway6": str(network.gateway6),
            "resolvers": [str(resolver) for resolver in network.resolvers],
        },
        "esp_mib": server.esp_mib,
        "boot_mib": server.boot_mib,
        "swap_mib": server.swap_mib,
    }


def _disks(disks: Sequence[Disk]) -> list[dict[str, object]]:
    return [{"serial": disk.serial, "mib": disk.mib} for disk in disks]
