"""The guests' disk: Debian 13 with a role's packages and a kernel of its own, made once and kept by content."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hdinfra.machine.roles import machine_of
from hdinfra.plugins.local.recipe import RELEASE, SYSTEM_PACKAGES
from tests.machine.debian import planned
from toolchain.cache import cache_folder, digest, kept

KERNEL, INITRD, DISK = "vmlinuz", "initrd.img", "root.img"
_REVISION = 1  # raise it to have images made anew with the Debian of that day
_MAKING_SECONDS = 1200  # four times what two busy cores took, and a slow mirror
_DISK_SIZE = "4G"  # sparse; what tenants may fill has to fit
_PACKAGES = ("e2fsprogs", "initramfs-tools", "kmod", "linux-image-cloud-amd64", "udev", "zstd")
_OF_RAID = ("dosfstools", "gdisk", "mdadm")
RAID_INIT = "usr/local/sbin/raid-init"
"""What a guest is told to start in place of systemd where all that counts is its disks."""
_SHELL = Path(__file__).with_name("shell.py")
_INIT = Path(__file__).with_name("raid_init.sh")

# No disk but virtio's is ever looked for, so the initrd needs no more; quotas are part of what mounts the root.
_SMALL_INITRD = """\
mkdir -p "$1/etc/initramfs-tools/conf.d"
echo MODULES=list >"$1/etc/initramfs-tools/conf.d/hdinfra"
printf 'virtio_pci\\nvirtio_blk\\next4\\nquota_v2\\n' >"$1/etc/initramfs-tools/modules"
"""

# Without work here, and each costs software emulation a second or more.
_MASKED = (
    *("e2scrub_reap.service", "getty.target", "systemd-binfmt.service", "systemd-firstboot.service"),
    *("systemd-logind.service", "systemd-networkd.service", "proc-sys-fs-binfmt_misc.automount"),
    *("sys-fs-fuse-connections.mount", "sys-kernel-config.mount", "sys-kernel-debug.mount"),
    *("sys-kernel-tracing.mount", "dev-hugepages.mount", "dev-mqueue.mount", "apt-daily.timer"),
    *("apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer"),
    *("mdadm-shutdown.service", "mdcheck_continue.timer", "mdcheck_start.timer", "mdmonitor-oneshot.timer"),
)

_CLOUD_CONFIG = """\
network: {config: disabled}
datasource_list: [NoCloud]
locale: false
"""

SHELL_UNIT = """\
[Unit]
Description=Where the tests speak to this guest
BindsTo=dev-virtio\\x2dports-hdinfra.shell.device
After=dev-virtio\\x2dports-hdinfra.shell.device
DefaultDependencies=no

[Service]
ExecStart=/usr/bin/python3 -IB /usr/local/lib/hdinfra-shell.py
# What tests start belongs to them, not to this unit's memory or tasks.
TasksMax=infinity
OOMScoreAdjust=-900

[Install]
WantedBy=multi-user.target
"""
"""Starts tests/metal/shell.py where there is a line to it."""


def ensure_image() -> Path:
    """The folder with kernel, initrd and disk; a minute and a half when it has to be made, which root alone can. One
    for all guests: the packages of a WAF machine, and what `hdraid` needs."""
    packages = machine_of("india", planned("waf")).packages
    wanted = sorted({*SYSTEM_PACKAGES, *_PACKAGES, *_OF_RAID, *packages})
    programs = {RAID_INIT: _INIT.read_text()}
    recipe = json.dumps([_REVISION, RELEASE, wanted, {**_files(), **programs}, _MASKED, _SMALL_INITRD, _DISK_SIZE])
    made = cache_folder(os.environ) / "metal" / digest(recipe.encode())
    return kept(made, lambda folder: _make(folder, wanted, programs))


def _files() -> dict[str, str]:
    return {
        "etc/cloud/cloud.cfg.d/90-hdinfra.cfg": _CLOUD_CONFIG,
        "etc/fstab": "/dev/vda / ext4 errors=remount-ro 0 1\n",
        "etc/hostname": "guest\n",
        "etc/machine-id": "",
        "etc/systemd/system/hdinfra-shell.service": SHELL_UNIT,
        "usr/local/lib/hdinfra-shell.py": _SHELL.read_text(),
    }


def _make(folder: Path, packages: Sequence[str], programs: Mapping[str, str]) -> None:
    # Not /tmp, which may be memory.
    with TemporaryDirectory(prefix="hdinfra-metal-", dir="/var/tmp") as temporary:
        root = Path(temporary) / "root"
        include, hook = f"--include={','.join(packages)}", f"--essential-hook={_SMALL_INITRD}"
        _run(("mmdebstrap", "--mode=root", "--variant=minbase", include, hook, RELEASE, str(root)))
        for path, content in _files().items():
            (root / path).write_text(content)
        for path, content in programs.items():
            (root / path).write_text(content)
            (root / path).chmod(0o755)
        _run(("systemctl", f"--root={root}", "--quiet", "enable", "hdinfra-shell.service"))
        _run(("systemctl", f"--root={root}", "--quiet", "mask", *_MASKED))
        for name, found in ((KERNEL, "vmlinuz-*"), (INITRD, "initrd.img-*")):
            (kernel,) = (root / "boot").glob(found)
            (folder / name).write_bytes(kernel.read_bytes())
        _run(
            ("mke2fs", "-q", "-t", "ext4", "-O", "quota", "-L", "root", "-d", str(root), str(folder / DISK), _DISK_SIZE)
        )


def _run(argv: Sequence[str]) -> None:
    done = subprocess.run(
        argv,
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_MAKING_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{argv[0]} ended with {done.returncode}:\n{done.stdout.decode()[-3000:]}"
