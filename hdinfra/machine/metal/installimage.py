"""Hetzner's rescue system: `installimage` lays Debian 13 onto the disks, and its post-install makes them this Machine.

No run on one of Hetzner's servers has been made. The configuration was read and accepted by installimage's own
`validate_vars` (github.com/hetzneronline/installimage, of 5 December 2024) by hand, its looks at disks stubbed; tests
have a checker of its grammar (tests/machine/test_metal_installers.py). Spare disks are left alone; the machine takes
one in by `hdraid replace`.
"""

from hdinfra.machine.metal.order_at import OrderAt, finish_script
from hdinfra.machine.sources import asset
from hdinfra.model.server import ServerPlan

_IMAGE = "/root/images/Debian-trixie-latest-amd64-base.tar.gz"


def installimage(server: ServerPlan, at: OrderAt) -> str:
    """A script for the rescue system, started by UEFI. It writes configuration and post-install script, and runs
    installimage; it refuses disks that are not there or that hold anything, before anything is written."""
    serials = " ".join(f"'{disk.serial}'" for disk in server.disks)
    values = {"serials": serials, "config": _config(server), "finish": finish_script(at)}
    text = asset("metal-installimage.sh")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _config(server: ServerPlan) -> str:
    """All but the drives. An ESP has no place outside of a mirror there; post-install takes it out."""
    lines = (
        "SWRAID 1",
        "SWRAIDLEVEL 1",
        # Disks under 2 TiB would get a table of the old kind.
        "FORCE_GPT 2",
        "BOOTLOADER grub",
        f"HOSTNAME {server.name}",
        "TAKE_OVER_RESCUE_SYSTEM_SSH_PUBLIC_KEYS no",
        f"PART /boot/efi esp {server.esp_mib}M",
        f"PART /boot ext4 {server.boot_mib}M",
        f"PART swap swap {server.swap_mib}M",
        "PART / ext4 all",
        f"IMAGE {_IMAGE}",
    )
    return "".join(f"{line}\n" for line in lines)
