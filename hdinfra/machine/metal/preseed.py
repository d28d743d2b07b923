"""Debian 13's own installer, unattended: two disks as mirrors, and then what makes them this Machine.

No run of the installer has been made with it: what it fetches for its kernel was out of reach where this was written.
debconf has read it, and a parser the recipes (tests/machine/test_metal_installers.py). Spare disks are left alone; the
machine takes one in by `hdraid replace`.
"""

import base64
from collections.abc import Iterator

from hdinfra.machine.metal.order_at import OrderAt, finish_script
from hdinfra.machine.sources import asset
from hdinfra.model.server import ARRAYS, LEAST_ROOT_MIB, ServerPlan

_FILE_SYSTEMS = {"boot": ("ext4", "/boot"), "swap": ("swap", "-"), "root": ("ext4", "/")}
_AS_LARGE_AS_IT_GETS = -1


def preseed(server: ServerPlan, at: OrderAt) -> str:
    """The answers to all questions. Refuses, on the server, disks that are not there or that hold anything."""
    network = server.network
    values = {
        "name": server.name,
        "ipv4": network.ipv4.ip,
        "netmask": network.ipv4.netmask,
        "gateway4": network.gateway4,
        "resolvers": " ".join(map(str, network.resolvers)),
        "early": _early(server),
        # Decoded by the Debian that was installed; the installer's own busybox may not know how.
        "late": base64.b64encode(finish_script(at).encode()).decode(),
        "partitions": _continued(_partitions(server)),
        "arrays": _continued(_arrays(server)),
    }
    text = asset("metal-preseed.cfg")
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


def _partitions(server: ServerPlan) -> Iterator[str]:
    """partman-auto's recipe: least, priority and most in MB of 10^6 bytes, for every disk alike."""
    yield "hdinfra ::"
    esp = _mb(server.esp_mib)
    yield f"{esp} {esp} {esp} free $iflabel{{ gpt }} $reusemethod{{ }} method{{ efi }} format{{ }} ."
    for number, mib in enumerate((server.boot_mib, server.swap_mib, 0), 1):
        size = _mb(mib or LEAST_ROOT_MIB)
        most = size if mib else _AS_LARGE_AS_IT_GETS
        yield f"{size} {size} {most} raid $lvmignore{{ }} $primary{{ }} method{{ raid }} raidid{{ {number} }} ."


def _arrays(server: ServerPlan) -> Iterator[str]:
    """partman-auto-raid's recipe: RAID level, disks, spares, file system, mount point, partitions."""
    for number, array in enumerate(ARRAYS, 1):
        file_system, mount_point = _FILE_SYSTEMS[array]
        yield f"1 {len(server.disks)} 0 {file_system} {mount_point} raidid={number} ."


def _mb(mib: int) -> int:
    return -(-mib * 1_048_576 // 1_000_000)


def _continued(lines: Iterator[str]) -> str:
    return "".join(f" \\\n    {line}" for line in lines)


def _early(server: ServerPlan) -> str:
    """One line, since an answer is one."""
    serials = " ".join(disk.serial for disk in server.disks)
    script = asset("metal-preseed-disks.sh").replace("@serials@", serials)
    return " ".join(line.strip() for line in script.splitlines() if not line.startswith("#"))
