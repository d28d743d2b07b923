"""The certificates that an edge shows, as they lie on its disk: below a folder of root's own, whole or not there."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hdinfra.protocol.site_certificate import facts

from .durable import sync_folder, write_whole
from .paths import SITE_CERTIFICATES, SITES_WITH_CERTIFICATE, TLS

_SUFFIX = ".pem"


def prepare(root: Path) -> None:
    """What HAProxy wants to find before there is any certificate."""
    for path in (TLS, SITE_CERTIFICATES):
        folder = _at(root, path)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    if not _at(root, SITES_WITH_CERTIFICATE).exists():
        write_whole(_at(root, SITES_WITH_CERTIFICATE), b"", 0o600)


def certificates(hosts: Iterable[str], root: Path = Path("/")) -> list[dict[str, Any]]:
    """Of every host what is shown for it; `ends_at` (seconds since 1970) is None where there is nothing."""
    return [_told(host, read(root, host)) for host in sorted(hosts)]


def read(root: Path, host: str) -> bytes | None:
    """Key and certificates of a host; None when there are none."""
    try:
        return _file(root, host).read_bytes()
    except FileNotFoundError:
        return None


def write(root: Path, contents: Mapping[str, bytes | None]) -> None:
    """Put what is given for each host in place, None: take it away; then the list of those that have one."""
    prepare(root)
    for host, content in contents.items():
        if content is None:
            _file(root, host).unlink(missing_ok=True)
        else:
            write_whole(_file(root, host), content, 0o600)
    folder = _at(root, SITE_CERTIFICATES)
    sync_folder(folder)
    hosts = sorted(path.name.removesuffix(_SUFFIX) for path in folder.glob(f"*{_SUFFIX}"))
    write_whole(_at(root, SITES_WITH_CERTIFICATE), "".join(f"{host}\n" for host in hosts).encode(), 0o600)


def _told(host: str, content: bytes | None) -> dict[str, Any]:
    try:
        found = facts(content.decode()) if content else None
    except ValueError:
        found = None
    return {"host": host, "ends_at": found.ends_at if found else None, "issuer": found.issuer if found else ""}


def _file(root: Path, host: str) -> Path:
    return _at(root, f"{SITE_CERTIFICATES}/{host}{_SUFFIX}")


def _at(root: Path, path: str) -> Path:
    return root / path.lstrip("/")
