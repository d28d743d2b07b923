"""What the metal tier needs: QEMU, and what makes a guest's disk; from Debian's or Ubuntu's archive where root asks."""

from collections.abc import Mapping

from toolchain.container_engine import Host, apt_install
from toolchain.talk import ToolchainError

PACKAGE_OF: Mapping[str, str] = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "mkfs.vfat": "dosfstools",
    "mcopy": "mtools",
    "mksquashfs": "squashfs-tools",
    "xorriso": "xorriso",
    "sgdisk": "gdisk",
    "setpriv": "util-linux",
}
"""Each program with the package that has it."""
FILES: Mapping[str, str] = {
    "usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    "usr/share/OVMF/OVMF_CODE_4M.fd": "ovmf",
}
"""Likewise what is no program: with what mmdebstrap checks Debian's signatures (Ubuntu comes without), and firmware."""


def ensure_metal(host: Host) -> None:
    """Have all of it, or say what is missing."""
    missing = missing_for_metal(host)
    if missing and host.is_debian_root:
        apt_install(host, missing, help_with(missing))
        missing = missing_for_metal(host)
    if missing:
        raise ToolchainError(help_with(missing))
    if not host.is_root:
        raise ToolchainError("Making a guest's disk takes root.\n  fix: sudo make test-metal")


def missing_for_metal(host: Host) -> tuple[str, ...]:
    """Packages whose programs are not here."""
    programs = (package for name, package in PACKAGE_OF.items() if host.program(name) is None)
    return (*programs, *(package for path, package in FILES.items() if not (host.root / path).exists()))


def help_with(packages: tuple[str, ...]) -> str:
    """What to type."""
    return (
        f"The metal tier needs what these packages have: {', '.join(packages)}.\n"
        f"  fix: on Debian or Ubuntu: sudo apt-get install {' '.join(packages)}"
    )
