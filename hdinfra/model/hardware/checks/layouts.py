"""Whether each host can be installed on its server: its arrays fit onto the disks, and their names into metadata."""

from collections.abc import Iterator

from hdinfra.model.checks.server import check_name, check_room
from hdinfra.model.hardware.disks import serial_of
from hdinfra.model.hardware.inventory import Inventory
from hdinfra.model.hardware.server_plan import server_plan
from hdinfra.model.refusal import Refusal


def check_layouts(inventory: Inventory) -> Iterator[Refusal]:
    """`raid.disk-too-small`, `raid.name-length`; of an inventory in which everything leads somewhere."""
    positions = {server.name: index for index, server in enumerate(inventory.spec.servers)}
    for index, host in enumerate(inventory.spec.hosts):
        server = inventory.servers[host.server]
        if not all(serial_of(disk) for disk in (*server.disks, *server.spare_disks)):
            continue  # `raid.disk-serial` says so
        plan = server_plan(inventory, host.name)
        yield from check_name(plan, f"hosts[{index}].name")
        yield from check_room(plan, f"servers[{positions[host.server]}].")
