"""The installer's image: a medium that firmware starts, with a kernel, our installer, the root that it unpacks, and a
place of fixed size for a server's order."""

import gzip
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from hdinfra.machine.roles import ROLES, packages_of
from hdinfra.operate.cpio import cpio
from hdinfra.operate.errors import MetalError
from hdinfra.operate.metal_root import (
    FACTS,
    KERNEL,
    LOADER,
    MODULES,
    SQUASHFS,
    SUITE,
    Kernel,
    RootChoice,
    make_root,
    run,
)
from hdinfra.protocol.installer_image import MANIFEST, Manifest
from hdinfra.protocol.order import FRAME_BYTES, unwritten

ISO = "installer.iso"
TOOLS: Mapping[str, str] = {
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "mksquashfs": "squashfs-tools",
    "xorriso": "xorriso",
    "mcopy": "mtools",
    "mkfs.vfat": "dosfstools",
}
"""Each program with Debian's package that has it."""
CONSOLES = ("console=tty0", "console=ttyS0,115200")
"""The screen and the first serial port; the last one named gets what programs say."""
_KERNEL_OPTIONS = ("panic=60", "loglevel=5", "printk.devkmsg=on")
_SECTOR = 2048
_SPARE_MIB = 512
"""Beside what the root holds: logs, the packages of a first boot, an update."""
_LABEL = "HDINFRA"


@dataclass(frozen=True, slots=True)
class ImageChoice:
    """What an image is built from. `options`: the kernel's, of the installer alone, such as another console."""

    root: RootChoice
    options: tuple[str, ...] = CONSOLES

    def sources(self) -> str:
        """All that decides the image beside its root."""
        laid = {path: content.decode("latin-1") for path, (content, _) in _installer_files().items()}
        return json.dumps([laid, self.options, _KERNEL_OPTIONS, _grub_cfg(self.options), FRAME_BYTES])


def image_choice(kernel: str, roles: Sequence[str], consoles: Sequence[str]) -> ImageChoice:
    """From what was typed; MetalError for a kernel or a role that there is not."""
    known = sorted(ROLES)
    if kernel not in list(Kernel):
        raise MetalError(f"There is no kernel `{kernel}`.", retry=f"--kernel {' or '.join(Kernel)}")
    if strange := sorted(set(roles) - set(known)):
        raise MetalError(f"There is no role `{strange[0]}`.", retry=f"--role with one of: {', '.join(known)}")
    packages = {package for role in roles for package in packages_of(role)}
    return ImageChoice(RootChoice(Kernel(kernel), tuple(sorted(packages))), tuple(consoles))


def missing_tools() -> tuple[str, ...]:
    """Packages whose programs are not here."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return tuple(package for name, package in TOOLS.items() if shutil.which(name, path=path) is None)


def build_image(choice: ImageChoice, folder: Path) -> Manifest:
    """Write image and manifest into a folder, the manifest last. MetalError where something is missing or fails."""
    if missing := missing_tools():
        wanted = " ".join(missing)
        raise MetalError(
            f"An image is made by programs of these packages: {wanted}.", retry=f"apt-get install {wanted}"
        )
    if os.geteuid():
        raise MetalError("Only root can make a root file system.", retry="the same command with sudo")
    folder.mkdir(parents=True, exist_ok=True)
    # Not /tmp, which may be memory.
    with tempfile.TemporaryDirectory(prefix="hdinfra-image-", dir="/var/tmp") as temporary:
        make_root(choice.root, Path(temporary))
        return make_iso(choice, Path(temporary), folder)


def make_iso(choice: ImageChoice, root: Path, folder: Path) -> Manifest:
    """From a folder that `make_root` has filled."""
    facts = json.loads((root / FACTS).read_text())
    with tempfile.TemporaryDirectory(prefix=".image-", dir=folder) as temporary:
        work = Path(temporary)
        _lay_medium(choice, root, work / "medium", facts["mib"])
        _make_esp(root, work / "esp")
        made = work / ISO
        _xorriso(work / "medium", work / "esp", made)
        with made.open("rb") as image:
            digest = file_digest(image, "sha256").hexdigest()
        manifest = Manifest(
            iso=ISO,
            sha256=digest,
            order_offset=_place_of_order(made),
            order_bytes=FRAME_BYTES,
            kernel=choice.root.kernel.package,
            suite=SUITE,
            packages=choice.root.all_packages,
        )
        (work / MANIFEST).write_text(manifest.text())
        for name in (ISO, MANIFEST):
            (work / name).replace(folder / name)
    return manifest


def _lay_medium(choice: ImageChoice, root: Path, medium: Path, mebibytes: int) -> None:
    place = medium / "hdinfra"
    place.mkdir(parents=True)
    (place / "order").write_bytes(unwritten())
    (place / "root.mib").write_text(f"{mebibytes * 3 // 2 + _SPARE_MIB}\n")
    (place / "grub.cfg").write_text(_grub_cfg(choice.options))
    (place / "initrd").write_bytes(gzip.compress(cpio(_first_files(root)), 6, mtime=0))
    for name in (KERNEL, SQUASHFS):
        (place / name).hardlink_to(root / name) if _same_device(root, medium) else shutil.copy(root / name, place)


def _first_files(root: Path) -> dict[str, tuple[bytes, int]]:
    modules = {f"modules/{path.name}": (path.read_bytes(), 0o644) for path in sorted((root / MODULES).iterdir())}
    places = {f"{name}/.place": (b"", 0o644) for name in ("dev", "proc", "sys", "run")}
    return {**_installer_files(), **modules, **places, "bin/busybox": ((root / "busybox").read_bytes(), 0o755)}


def _installer_files() -> dict[str, tuple[bytes, int]]:
    package = files("hdinfra")
    found = {
        "installer/hdinfra/__init__.py": b"",
        **{
            f"installer/hdinfra/protocol/{name}": package.joinpath("protocol", name).read_bytes()
            for name in ("__init__.py", "boot_loader.py", "order.py")
        },
        **{f"installer/hdinfra/installer/{file.name}": file.read_bytes() for file in _sources(package)},
    }
    init = package.joinpath("installer", "assets", "init").read_bytes()
    return {"init": (init, 0o755), **{path: (content, 0o644) for path, content in found.items()}}


def _sources(package: Traversable) -> Sequence[Traversable]:
    here = (file for file in package.joinpath("installer").iterdir() if file.name.endswith(".py"))
    return sorted(here, key=lambda file: file.name)


def _grub_cfg(options: Sequence[str]) -> str:
    told = " ".join((*options, *_KERNEL_OPTIONS))
    return f"linux /hdinfra/{KERNEL} {told}\ninitrd /hdinfra/initrd\nboot\n"


def _make_esp(root: Path, image: Path) -> None:
    kibibytes = (root / LOADER).stat().st_size // 1024 + 512
    run("mkfs.vfat", "-C", "-n", "HDINSTALL", "-i", "48444d45", str(image), str(kibibytes))
    run("mmd", "-i", str(image), "::/EFI", "::/EFI/BOOT")
    run("mcopy", "-i", str(image), str(root / LOADER), f"::/EFI/BOOT/{LOADER}")


def _xorriso(medium: Path, esp: Path, image: Path) -> None:
    """For firmware a CD's boot image, and for USB sticks a partition: the same file system."""
    as_partition = ("-append_partition", "2", "0xef", str(esp), "-appended_part_as_gpt")
    as_boot_image = ("-e", "--interval:appended_partition_2:all::", "-no-emul-boot")
    identity = ("--gpt_disk_guid", "4844494e-4652-4100-8000-000000000001", "-volid", _LABEL)
    run(
        *("xorriso", "-as", "mkisofs", "-quiet", "-o", str(image), *identity, "-rock", "-partition_offset", "16"),
        *(*as_partition, *as_boot_image, str(medium)),
    )


def _place_of_order(image: Path) -> int:
    """Where the place begins; files of an ISO image lie in one piece, at a sector's begin."""
    frame, found = unwritten(), []
    with image.open("rb") as content:
        for offset in range(0, image.stat().st_size, _SECTOR):
            content.seek(offset)
            if content.read(len(frame[:64])) == frame[:64]:
                found.append(offset)
    (offset,) = found
    return offset


def _same_device(one: Path, other: Path) -> bool:
    return one.stat().st_dev == other.stat().st_dev
