"""GRUB from either disk: what it says is decided here, and every ESP is written when it, or a kernel, has changed."""

from hdinfra.machine.machine import File, Unit
from hdinfra.machine.sources import asset

PACKAGES = ("grub-efi-amd64", "initramfs-tools", "linux-image-amd64", "zstd")

UNITS = (Unit("hdinfra-esp.service", content=asset("metal-esp.service")),)
"""At boot, for an update that was cut short."""

FILES = (
    File("/etc/default/grub.d/hdinfra.cfg", asset("metal-grub.cfg")),
    # dpkg's own hook: apt, unattended-upgrades and dpkg by hand all end in it.
    File("/etc/dpkg/dpkg.cfg.d/hdinfra-esp", asset("metal-esp-dpkg")),
    File("/usr/lib/hdinfra/esp", asset("metal-esp"), 0o755),
)
