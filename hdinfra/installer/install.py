"""Makes the server: tables, mirrors, file systems, the root's files, and last of all what firmware starts.

Power may be cut anywhere. Until a disk's EFI system partition has its loader, which comes there by one rename, the
server does not start and the disk bears the mark of what is half made; the next start of the installer begins again.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hdinfra.installer.console import run
from hdinfra.installer.disks import LOADER, MARK, ORDER_MARK, Disk, mounted
from hdinfra.installer.server import ARRAYS, Server, array_arguments, table_arguments
from hdinfra.protocol.boot_loader import GRUB_INSTALL
from hdinfra.protocol.order import Order, order_id

_TARGET = Path("/run/hdinfra-target")
_STAGED = Path("EFI/hdinfra/grubx64.efi")
"""Where grub-install puts the loader of `--bootloader-id=hdinfra`."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where an installation happens: `image` has the root, `disks` are those that mirror, `spares` wait."""

    server: Server
    order: Order
    image: Path
    disks: tuple[Disk, ...]
    spares: tuple[Disk, ...]

    @property
    def all_disks(self) -> tuple[Disk, ...]:
        """All that are cut."""
        return (*self.disks, *self.spares)


def steps(site: Site) -> Sequence[tuple[str, Callable[[Site], None]]]:
    """In this order and no other; each with what people are told."""
    return (
        (f"cutting {len(site.all_disks)} disks", _cut),
        ("making mirrors and file systems", _make),
        ("unpacking the root", _unpack),
        ("laying what was ordered", _lay),
        ("installing the boot loader", _stage_loader),
        ("closing the file systems", _close),
        ("making every disk start", _commit),
    )


def _cut(site: Site) -> None:
    for disk in site.all_disks:
        for path in sorted(Path("/sys/block", Path(disk.node).name).glob("*/partition")):
            run("wipefs", "--all", "--quiet", f"/dev/{path.parent.name}")
        run("sgdisk", *table_arguments(site.server), disk.node)
    run("udevadm", "settle")
    for disk in site.all_disks:
        # What an earlier start left at the same places would come to life again.
        run("wipefs", "--all", "--quiet", *(disk.part(number) for number in range(1, len(ARRAYS) + 2)))


def _make(site: Site) -> None:
    for disk in site.all_disks:
        run("mkfs.vfat", "-F", "32", "-n", "ESP", disk.part(1))
        with mounted(disk.part(1)) as esp:
            _write(esp / MARK, "")
        # From here on the file is the mark, so that the last step is one rename.
        run("sgdisk", "--change-name=1:esp", disk.node)
    run("udevadm", "settle")
    for number, name in enumerate(ARRAYS, 2):
        members, spares = ([disk.part(number) for disk in some] for some in (site.disks, site.spares))
        run("mdadm", "--create", *array_arguments(site.server.name, name, members, spares))
        run("udevadm", "settle")
        # They are made alike in the running server, with the power that its services leave; not now.
        Path("/sys/block", Path(f"/dev/md/{name}").resolve().name, "md/sync_action").write_text("frozen")
    run("mkfs.ext4", "-q", "-L", "boot", "/dev/md/boot")
    run("mkswap", "--quiet", "--label", "swap", "/dev/md/swap")


def _unpack(site: Site) -> None:
    """The root block by block, then as large as its mirror, and no other server's twin; /boot file by file."""
    run("e2image", "-ra", str(site.image / "root.ext4"), "/dev/md/root")
    run("tune2fs", "-U", "random", "/dev/md/root")
    run("resize2fs", "/dev/md/root")
    _TARGET.mkdir()
    run("mount", "/dev/md/root", str(_TARGET))
    run("mount", "/dev/md/boot", str(_TARGET / "boot"))
    run("cp", "--archive", "--no-target-directory", str(site.image / "boot"), str(_TARGET / "boot"))
    for folder in ("etc", "var"):
        # All of it is new: what systemd makes anew after updates of /usr need not be made at the first boot.
        (_TARGET / folder / ".updated").touch()


def _lay(site: Site) -> None:
    for name, content in site.order.seed.items():
        _lay_file(_TARGET / "var/lib/cloud/seed/nocloud" / name, content, 0o600)
    for path, (content, mode) in site.order.laid.items():
        _lay_file(_TARGET / path.lstrip("/"), content, mode)
    mounts = _TARGET / "etc/fstab"
    text = mounts.read_text()
    for name in ARRAYS:
        text = text.replace(f"@{name}@", run("blkid", "-p", "-s", "UUID", "-o", "value", f"/dev/md/{name}").strip())
    mounts.write_text(text)


def _stage_loader(site: Site) -> None:
    """Onto each EFI system partition, under a name that no firmware starts."""
    esp = _TARGET / "boot/efi"
    esp.mkdir(exist_ok=True)
    for name in ("dev", "proc", "sys", "run"):
        run("mount", "--rbind", "--make-rslave", f"/{name}", str(_TARGET / name))
    run("mount", site.disks[0].part(1), str(esp))
    run("chroot", str(_TARGET), "update-grub")
    run("chroot", str(_TARGET), *GRUB_INSTALL, "--bootloader-id=hdinfra")
    for disk in site.all_disks:
        with mounted(disk.part(1)) as other:
            if disk is not site.disks[0]:
                shutil.copyfile(esp / _STAGED, other / _STAGED)
            (other / LOADER).parent.mkdir(parents=True, exist_ok=True)
            _write(other / ORDER_MARK, f"{order_id(site.order.packed())}\n")


def _close(_site: Site) -> None:
    run("umount", "--recursive", str(_TARGET))
    os.sync()
    for name in ARRAYS:
        run("mdadm", "--stop", f"/dev/md/{name}")


def _commit(site: Site) -> None:
    for disk in site.all_disks:
        with mounted(disk.part(1)) as esp:
            (esp / _STAGED).rename(esp / LOADER)
            run("sync", "--file-system", str(esp))
            (esp / MARK).unlink()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _lay_file(path: Path, content: bytes, mode: int) -> None:
    """Never readable for others in between: an order has secrets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    path.chmod(mode)
