"""A medium with the next version of kernel and boot loader: Debian's own packages, whose version alone is raised."""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hdinfra.operate.metal_root import SUITE, Kernel
from toolchain.cache import cache_folder, digest, kept
from toolchain.metal import FILES

SUFFIX = "+next1"
_REVISION = "3"
_BOOTLOADER = ("grub-common", "grub2-common", "grub-efi-amd64", "grub-efi-amd64-bin", "grub-efi-amd64-unsigned")
_KEYRING = next(path for path in FILES if path.endswith(".gpg"))
_SECONDS = 1200


def ensure_debs(kernel: Kernel = Kernel.CLOUD) -> Path:
    """The medium's file."""
    recipe = digest(f"{_REVISION} {SUITE} {kernel} {SUFFIX}".encode())
    return (
        kept(cache_folder(os.environ) / "metal" / f"debs-{recipe}", lambda folder: _make(folder, kernel)) / "debs.iso"
    )


def _make(folder: Path, kernel: Kernel) -> None:
    with TemporaryDirectory(prefix="hdinfra-metal-", dir="/var/tmp") as temporary:
        work = Path(temporary)
        apt = _apt(work)
        _run(work, "apt-get", *apt, "-qq", "update")
        depends = _run(work, "apt-cache", *apt, "depends", kernel.package)
        image = re.findall(r"Depends: (linux-image-\S+)", depends)[0]
        _run(work, "apt-get", *apt, "-qq", "download", *_BOOTLOADER, kernel.package, image)
        (work / "next").mkdir()
        packages = sorted(work.glob("*.deb"))
        versions = {_run(work, "dpkg-deb", "--field", str(package), "Version").strip() for package in packages}
        for package in packages:
            _raise_version(work, package, versions)
        _run(work, "xorriso", "-as", "mkisofs", "-quiet", "-rock", "-o", str(folder / "debs.iso"), str(work / "next"))


def _apt(work: Path) -> Sequence[str]:
    """Apt of its own, whatever this computer runs."""
    for name in ("state/lists/partial", "cache/archives/partial", "etc"):
        (work / name).mkdir(parents=True)
    (work / "status").touch()
    signed = f"[arch=amd64 signed-by=/{_KEYRING}]"
    # Where mmdebstrap looks as well, else what is installed is newer than what is to be the next.
    archives = (f"debian {SUITE}", f"debian {SUITE}-updates", f"debian-security {SUITE}-security")
    lines = (f"deb {signed} http://deb.debian.org/{archive} main\n" for archive in archives)
    (work / "sources.list").write_text("".join(lines))
    options = {
        "Dir::State": work / "state",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
        "Dir::Etc::SourceList": work / "sources.list",
        "Dir::Etc::SourceParts": work / "etc",
        "APT::Architecture": "amd64",
        "APT::Sandbox::User": "root",
    }
    return [word for name, value in options.items() for word in ("-o", f"{name}={value}")]


def _raise_version(work: Path, package: Path, versions: set[str]) -> None:
    opened = work / package.stem
    _run(work, "dpkg-deb", "--raw-extract", str(package), str(opened))
    control = opened / "DEBIAN/control"
    text = control.read_text()
    for version in versions:
        text = text.replace(f"Version: {version}\n", f"Version: {version}{SUFFIX}\n")
        text = text.replace(f"(= {version})", f"(= {version}{SUFFIX})")
    control.write_text(text)
    # Names as the kernel of a medium may have them.
    name = _run(work, "dpkg-deb", "--field", str(package), "Package").strip()
    _run(
        work, "dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", str(opened), str(work / f"next/{name}.deb")
    )


def _run(work: Path, *argv: str) -> str:
    done = subprocess.run(
        argv,
        cwd=work,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_SECONDS,
        check=False,
    )
    words = done.stdout.decode(errors="replace")
    assert done.returncode == 0, f"{argv[0]} ended with {done.returncode}:\n{words[-3000:]}"
    return words
