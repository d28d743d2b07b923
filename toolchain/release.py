"""The official release archive of the Pulumi engine, checked against its published checksum."""

import hashlib
import platform
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import httpx

from toolchain.talk import ToolchainError, say

OFFICIAL = "https://get.pulumi.com/releases/sdk"
MIRROR = "HDINFRA_PULUMI_MIRROR"
# Connecting is quick or it is blocked; an archive of 110 MB may be slow, but some byte comes within half a minute.
TIMEOUT = httpx.Timeout(30, connect=4)
WANTED = ("pulumi", "pulumi-language-python", "pulumi-language-python-exec")
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class UnavailableError(Exception):
    """This site has no such archive or cannot be reached; another source may be tried."""


def platform_name() -> str:
    """As the archives call it, such as `linux-x64`."""
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine().lower())
    if machine is None:
        raise UnavailableError(f"there is no release for {platform.machine()}")
    return f"{platform.system().lower()}-{machine}"


def base_address(environment: Mapping[str, str]) -> str:
    """Where archives lie. Plain HTTP is taken from this computer only: there the checksum would prove nothing."""
    address = environment.get(MIRROR) or OFFICIAL
    parts = urlsplit(address)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return address.rstrip("/")
    raise ToolchainError(
        f"{MIRROR} is `{address}`, over which anybody on the way could change both archive and checksum.\n"
        f"  fix: give it an https:// address, or unset it to use {OFFICIAL}"
    )


def fetch_release(version: str, environment: Mapping[str, str], folder: Path) -> None:
    """Fill `folder` with the engine and its Python language host."""
    base = base_address(environment)
    name = f"pulumi-v{version}-{platform_name()}.tar.gz"
    archive = folder / name
    try:
        with httpx.Client(timeout=TIMEOUT, follow_redirects=True) as client:
            published = published_checksum(get_text(client, f"{base}/pulumi-{version}-checksums.txt"), name)
            say(f"downloading {base}/{name}")
            check(download(client, f"{base}/{name}", archive), published, f"{base}/{name}")
        unpack(archive, folder)
    finally:
        archive.unlink(missing_ok=True)


def check(found: str, published: str, address: str) -> None:
    """Stop for good where they differ: another source must not paper over a changed archive."""
    if found != published:
        raise ToolchainError(
            f"{address} has the SHA-256 checksum {found}, but {published} is published; it is not used.\n"
            f"  fix: try again; if it stays, tell the owner of that site and set {MIRROR} to another address"
        )


def published_checksum(checksums: str, name: str) -> str:
    """The line of `sha256sum` that names our archive."""
    for line in checksums.splitlines():
        match line.split():
            case [checksum, found] if found.removeprefix("*") == name:
                return checksum.lower()
    raise UnavailableError(f"no checksum is published for {name}")


def get_text(client: httpx.Client, address: str) -> str:
    """A small text file."""
    try:
        return client.get(address).raise_for_status().text
    except httpx.HTTPError as error:
        raise UnavailableError(f"{address}: {error or type(error).__name__}") from error


def download(client: httpx.Client, address: str, target: Path) -> str:
    """Write it to `target`; the SHA-256 checksum of what came."""
    total = hashlib.sha256()
    try:
        with client.stream("GET", address) as answer, target.open("wb") as file:
            for chunk in answer.raise_for_status().iter_raw():
                total.update(chunk)
                file.write(chunk)
    except httpx.HTTPError as error:
        raise UnavailableError(f"{address}: {error or type(error).__name__}") from error
    return total.hexdigest()


def unpack(archive: Path, folder: Path) -> None:
    """Only the wanted regular files, by their last name: nothing in an archive decides where it is written."""
    with tarfile.open(archive) as tar:
        for member in tar:
            name = PurePosixPath(member.name).name
            content = tar.extractfile(member) if member.isreg() and name in WANTED else None
            if content is not None:
                target = folder / name
                with target.open("wb") as file:
                    shutil.copyfileobj(content, file)
                target.chmod(0o755)
    if not (folder / "pulumi").is_file():
        raise ToolchainError(f"{archive.name} holds no `pulumi`, although its checksum is the published one.")
