"""The order for a server: all that our installer, and then cloud-init, is told of the Machine it becomes."""

from collections.abc import Sequence

from hdinfra.machine.cloud_init import all_files, identity_file, laid_config
from hdinfra.machine.installer import meta_data
from hdinfra.machine.machine import File, Machine
from hdinfra.machine.metal.disks import fstab
from hdinfra.machine.metal.server_file import server_facts
from hdinfra.model.server import ServerPlan
from hdinfra.protocol.order import Order


def order(machine: Machine, told: Sequence[File], server: ServerPlan, *, wipe: bool = False) -> bytes:
    """Same arguments, same bytes. `told` is what the Machine learns at its first boot alone, tokens among it, so the
    order is as secret as they are. `wipe`: overwrite the server's disks whatever is on them.

    Every file lies on the disk before the first boot, since the network is among them; cloud-init writes those again
    that are not root's. In /etc/fstab the installer puts UUIDs for `@root@`, `@boot@`, `@swap@`.
    """
    mounts = File("/etc/fstab", fstab(*(f"@{name}@" for name in ("root", "boot", "swap"))))
    files = (identity_file(machine.identity), *all_files(machine), *told, mounts)
    return Order(
        server=server_facts(server),
        seed={
            "user-data": laid_config(machine, told).encode(),
            "meta-data": meta_data(machine.identity.name).encode(),
        },
        laid={file.path: (file.content.encode(), file.mode) for file in files},
        wipe=wipe,
    ).packed()
