"""What keeps two disks one: mdadm's names and monitor, SMART, TRIM, and where their alerts go."""

from hdinfra.machine.machine import File, Unit
from hdinfra.machine.sources import asset
from hdinfra.model.server import ServerPlan

PACKAGES = ("dosfstools", "e2fsprogs", "gdisk", "mdadm", "smartmontools", "udev")

UNITS = (
    # udev starts mdmonitor.service with the first array; the check goes over all arrays on each month's first Sunday,
    # and on in the nights after it.
    Unit("mdcheck_start.timer"),
    Unit("mdcheck_continue.timer"),
    Unit("smartmontools.service"),
    Unit("fstrim.timer"),
)


def disk_files(server: ServerPlan) -> tuple[File, ...]:
    """Events of both monitors end at `hdraid note`, from where hdsync reports them."""
    return (
        File("/etc/mdadm/mdadm.conf", mdadm_conf(server)),
        File("/etc/initramfs-tools/conf.d/hdinfra", asset("metal-initramfs.conf")),
        File("/etc/initramfs-tools/hooks/hdinfra-arrays", asset("metal-initramfs-arrays"), 0o755),
        File("/etc/initramfs-tools/scripts/local-block/hdinfra", asset("metal-local-block"), 0o755),
        File("/etc/smartd.conf", asset("metal-smartd.conf")),
        File("/etc/default/smartmontools", asset("metal-smartd-options")),
        File("/etc/udev/rules.d/70-hdinfra-smartd.rules", asset("metal-smartd.rules")),
        File("/usr/lib/hdinfra/note-mdadm", asset("metal-note-mdadm"), 0o755),
        File("/usr/lib/hdinfra/note-smartd", asset("metal-note-smartd"), 0o755),
    )


def mdadm_conf(server: ServerPlan) -> str:
    """No ARRAY lines: mdadm 4.4 ignores names in them, UUIDs are known to the installer alone, and an array that was
    made with `--homehost` of this name is `/dev/md/<its name>` without them. Installers that name arrays otherwise
    add theirs in mdadm.conf.d."""
    return asset("metal-mdadm.conf").format(homehost=server.name)


def fstab(root_uuid: str, boot_uuid: str, swap_uuid: str) -> str:
    """/etc/fstab, by the UUIDs of the three file systems, which only their installer knows.

    Any disk's ESP will do, and none is needed to boot: with no device-timeout, `nofail` alone keeps a lost one from
    holding anything up.
    """
    return (
        f"UUID={root_uuid} / ext4 errors=remount-ro 0 1\n"
        f"UUID={boot_uuid} /boot ext4 defaults 0 2\n"
        f"UUID={swap_uuid} none swap sw 0 0\n"
        f"{FSTAB_ESP}\n"
    )


FSTAB_ESP = "LABEL=ESP /boot/efi vfat umask=0077,nofail 0 2"
