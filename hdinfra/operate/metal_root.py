"""The root file system that our installer unpacks: Debian with a kernel, a boot loader and what mirrors need."""

import json
import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path

from hdinfra.machine.metal import bootloader, disks, updates
from hdinfra.machine.sources import asset
from hdinfra.operate.errors import MetalError
from hdinfra.plugins.local.recipe import SYSTEM_PACKAGES

SUITE = "trixie"
SQUASHFS, KERNEL, LOADER, MODULES, FACTS = "root.squashfs", "vmlinuz", "BOOTX64.EFI", "modules", "facts.json"
"""What `make_root` leaves in its folder. In the squashfs lie `root.ext4`, which is copied block by block (file by file
took four times as long), and the files of /boot, which is a file system of its own on a server."""
_REVISION = 1  # raise it to have file systems made anew with the Debian of that day
_DATE = 1_756_684_800  # of all files whose date means nothing: 2025-09-01
_SECONDS = 3600  # a slow mirror, and computers that are busy

BASE = (
    *(package for package in bootloader.PACKAGES if not package.startswith("linux-image")),
    *disks.PACKAGES,
    *updates.PACKAGES,
    *SYSTEM_PACKAGES,
    *("busybox-static", "kmod", "logrotate", "python3-cryptography", "systemd-timesyncd"),
)
"""What every server needs, and the installer, which runs in it."""

# Only what firmware's own drivers reach the medium by, and what opens it; every other driver is found by udev later.
_EARLY = (
    *(
        "ahci",
        "ata_piix",
        "cdrom",
        "crc32c_generic",  # ext4 asks for it by the name of what it does, which modules.dep does not tell
        "ehci_pci",
        "ext4",
        "isofs",
        "loop",
        "nls_ascii",
        "nls_cp437",
        "overlay",
        "sd_mod",
        "sr_mod",
    ),
    *("squashfs", "uas", "uhci_hcd", "usb_storage", "virtio_blk", "virtio_pci", "virtio_scsi", "xhci_pci"),
)

_VITAL = {"crc32c_generic", "ext4", "isofs", "loop", "overlay", "squashfs"}

_LOADER_MODULES = (
    *("all_video", "boot", "configfile", "echo", "efi_gop", "fat", "iso9660", "linux", "loadenv", "normal"),
    *("part_gpt", "part_msdos", "reboot", "search", "search_fs_file", "serial", "terminal", "test"),
)

_LAID: Mapping[str, str] = {
    # Without ARRAY lines the initial RAM disk starts any array, so one serves every server.
    "etc/mdadm/mdadm.conf": "HOMEHOST <ignore>\nMAILADDR root\nAUTO +all\n",
    "etc/machine-id": "",
    # So that the RAM disk brings along what checks the root: which file system that is nobody could ask here.
    "etc/initramfs-tools/conf.d/hdinfra-image": "FSTYPE=ext4\n",
}
_NO_DOCUMENTS = "path-exclude=/usr/share/{}/*\n"


class Kernel(StrEnum):
    """Debian's kernels: `generic` has the drivers of real servers, `cloud` those of virtual machines alone."""

    GENERIC = "generic"
    CLOUD = "cloud"

    @property
    def package(self) -> str:
        """Which package has it."""
        match self:
            case Kernel.GENERIC:
                return "linux-image-amd64"
            case Kernel.CLOUD:
                return "linux-image-cloud-amd64"


@dataclass(frozen=True, slots=True)
class RootChoice:
    """`packages` beside what every server has: those of the roles that are installed from this image."""

    kernel: Kernel
    packages: tuple[str, ...] = ()

    @property
    def all_packages(self) -> tuple[str, ...]:
        """Sorted, each once."""
        return tuple(sorted({*BASE, self.kernel.package, *self.packages}))

    def recipe(self) -> str:
        """All that decides what it holds, but for Debian's own day."""
        parts = [_REVISION, SUITE, self.all_packages, dict(_LAID), local_block(), _EARLY, _LOADER_MODULES, _embedded()]
        return json.dumps(parts)


@cache
def local_block() -> str:
    """The script that starts a mirror without its missing disk in time."""
    return asset("metal-local-block")


def make_root(choice: RootChoice, folder: Path) -> None:
    """Into an empty folder, by root alone; MetalError when a program fails. Takes a minute or two, and a mirror."""
    root = folder / "root"
    _mmdebstrap(choice, folder, root)
    _finish(root)
    make_medium(root, folder)
    run("rm", "-rf", "--one-file-system", str(root))


def make_medium(root: Path, folder: Path) -> None:
    """From a root file system that is whole; its /boot is moved away."""
    release = _only(root / "usr/lib/modules", "*").name
    (folder / KERNEL).write_bytes((root / "boot" / f"vmlinuz-{release}").read_bytes())
    (folder / "busybox").write_bytes((root / "usr/bin/busybox").read_bytes())
    _copy_modules(root, release, folder / MODULES)
    _make_loader(root, folder / LOADER)
    medium = folder / "medium"
    medium.mkdir()
    run("cp", "--archive", str(root / "boot"), str(medium))
    run("find", str(root / "boot"), "-mindepth", "1", "-delete")
    used = int(run("du", "--summarize", "--block-size=1M", str(root)).split()[0])
    (folder / FACTS).write_text(json.dumps({"mib": used, "release": release}))
    ext4 = ("-t", "ext4", "-L", "root", "-O", "metadata_csum_seed", "-J", "size=64", "-m", "1")
    run("mke2fs", "-q", *ext4, "-d", str(root), str(medium / "root.ext4"), f"{used * 5 // 4 + 192}M")
    # What it takes to unpack counts more than its size: servers of the rig have no processor of their own.
    squash = ("-comp", "lz4", "-noappend", "-quiet", "-no-progress", "-no-exports")
    run("mksquashfs", str(medium), str(folder / SQUASHFS), *squash)
    run("rm", "-rf", str(medium))


def run(*argv: str) -> str:
    """What it says; MetalError with its last words when it ends badly."""
    # Debian keeps such programs where a user's PATH does not lead.
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    done = subprocess.run(  # noqa: S603  programs of `TOOLS`, with arguments of ours
        argv,
        env={**os.environ, "PATH": path, "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": str(_DATE)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_SECONDS,
        check=False,
    )
    words = done.stdout.decode(errors="replace")
    if done.returncode:
        raise MetalError(f"{argv[0]} ended with {done.returncode}:\n{words[-3000:]}", retry="the same command again")
    return words


def _mmdebstrap(choice: RootChoice, folder: Path, root: Path) -> None:
    hook = folder / "hook.sh"
    lines = ["set -eu", *(_laid(path, text, 0o644) for path, text in sorted(_LAID.items()))]
    lines.append(_laid("etc/initramfs-tools/scripts/local-block/hdinfra", local_block(), 0o755))
    excluded = "".join(_NO_DOCUMENTS.format(name) for name in ("man", "locale", "doc"))
    lines.append(_laid("etc/dpkg/dpkg.cfg.d/hdinfra", f"{excluded}path-include=/usr/share/doc/*/copyright\n", 0o644))
    hook.write_text("\n".join(lines) + "\n")
    include = f"--include={','.join(choice.all_packages)}"
    keep = "--dpkgopt=force-confold"  # our settings are there before the packages that would bring theirs
    run(
        *("mmdebstrap", "--mode=root", "--variant=minbase", include, keep),
        *(f'--setup-hook=sh {shlex.quote(str(hook))} "$1"', SUITE, str(root)),
    )
    hook.unlink()


def _laid(path: str, text: str, mode: int) -> str:
    target = f'"$1"/{path}'
    parent = f'"$1"/{Path(path).parent}'
    return f"mkdir -p {parent}\nprintf %s {shlex.quote(text)} >{target}\nchmod {mode:o} {target}"


def _finish(root: Path) -> None:
    # Before the first boot's own list of units is read, it needs the network.
    run("systemctl", f"--root={root}", "--quiet", "enable", "systemd-networkd.service")
    (root / "etc/machine-id").write_text("")
    for made in ("etc/hostname", "etc/resolv.conf", "var/lib/dbus/machine-id"):
        (root / made).unlink(missing_ok=True)


def early_modules(dep: str, builtin: str) -> Sequence[str]:
    """Paths of what is loaded before the root is open, each after all that it needs, by the kernel's `modules.dep` and
    `modules.builtin`; LookupError names what the kernel has not and nothing works without."""
    needs = dict(_needed(line) for line in dep.splitlines())
    by_name = {_name(path): path for path in needs}
    if lost := _VITAL - by_name.keys() - {_name(path) for path in builtin.splitlines()}:
        raise LookupError(", ".join(sorted(lost)))
    wanted = [by_name[name] for name in _EARLY if name in by_name]
    return tuple(dict.fromkeys(path for one in wanted for path in (*reversed(needs[one]), one)))


def _copy_modules(root: Path, release: str, target: Path) -> None:
    """The early ones, unpacked, and the order in which they are loaded."""
    folder = root / "usr/lib/modules" / release
    try:
        ordered = early_modules((folder / "modules.dep").read_text(), (folder / "modules.builtin").read_text())
    except LookupError as lost:
        raise MetalError(f"Kernel {release} has no {lost.args[0]}.", retry="another --kernel") from None
    target.mkdir()
    for path in ordered:
        (target / f"{_name(path)}.ko").write_bytes(_unpacked(folder / path))
    (target / "order").write_text("".join(f"{_name(path)}.ko\n" for path in ordered))


def _make_loader(root: Path, target: Path) -> None:
    (root / "tmp/grub.cfg").write_text(_embedded())
    where = ("--output=/tmp/loader", "--prefix=/hdinfra", "--config=/tmp/grub.cfg")
    run("chroot", str(root), "grub-mkimage", "--format=x86_64-efi", *where, *_LOADER_MODULES)
    target.write_bytes((root / "tmp/loader").read_bytes())
    for made in ("grub.cfg", "loader"):
        (root / "tmp" / made).unlink()


def _needed(line: str) -> tuple[str, Sequence[str]]:
    path, _, needs = line.partition(":")
    return path, needs.split()


def _name(path: str) -> str:
    return Path(path).name.partition(".")[0].replace("-", "_")


def _unpacked(path: Path) -> bytes:
    import lzma  # noqa: PLC0415  not in every Python

    content = path.read_bytes()
    return lzma.decompress(content) if path.suffix == ".xz" else content


def _only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def _embedded() -> str:
    # What reads it before there is a medium knows no comments.
    return "".join(line for line in _asset("grub.cfg").splitlines(keepends=True) if not line.startswith("#"))


def _asset(name: str) -> str:
    return files("hdinfra.installer").joinpath("assets", name).read_text()
