"""Any Machine on a server of one's own: what it has besides, since here nobody else looks after disks and links."""

from dataclasses import replace

from hdinfra.machine.cloud_init import description_digest
from hdinfra.machine.machine import File, Machine
from hdinfra.machine.metal import bootloader, disks, links, raid, updates
from hdinfra.machine.metal.server_file import server_file
from hdinfra.machine.sources import asset
from hdinfra.model.server import ServerPlan

PROFILE_PATH = "/etc/hdinfra/profile"
_CLOCK = "systemd-timesyncd"


def profile_digest(machine: Machine) -> str:
    """What such a Machine reports once it runs: SHA-256 of all that it was installed from, in hexadecimal."""
    (found,) = (file.content.strip() for file in machine.files if file.path == PROFILE_PATH)
    return found


def on_metal(machine: Machine, server: ServerPlan) -> Machine:
    """The Machine with RAID1, bonding, ESPs that are alike, SMART, TRIM and security updates, on Debian 13 (amd64).

    Its firewall stays as it is, closed both ways in both families. Who it is (`identity`) stays apart from the server
    that it runs on, so that another server can take it over.
    """
    packages = {*machine.packages, *bootloader.PACKAGES, *disks.PACKAGES, *updates.PACKAGES, _CLOCK}
    described = replace(
        machine,
        packages=tuple(sorted(packages)),
        files=(
            *machine.files,
            *links.link_files(server),
            *disks.disk_files(server),
            *bootloader.FILES,
            *updates.FILES,
            *_host_files(machine.identity.name),
            server_file(server),
            File("/etc/cloud/cloud.cfg.d/90-hdinfra.cfg", asset("metal-cloud.cfg")),
            *raid.raid_files(),
        ),
        units=(*links.UNITS, *machine.units, *disks.UNITS, *bootloader.UNITS, *raid.UNITS, *updates.UNITS),
    )
    profile = File(PROFILE_PATH, f"{description_digest(described)}\n")
    return replace(described, files=(*described.files, profile))


def _host_files(name: str) -> tuple[File, File]:
    hosts = f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost ip6-localhost ip6-loopback\n"
    return File("/etc/hostname", f"{name}\n"), File("/etc/hosts", hosts)
