"""Code of ours that does not fit into user data: one archive a role, named by its content."""

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

_OF_ONE_ROLE = {
    "logs": "waf",
    "router": "waf",
    "tenant_names": "waf",
    "tenants": "waf",
    "waf": "waf",
    "waf_site": "waf",
    "load_balancer": "load-balancer",
    "lab_origin": "lab-origin",
    "lab_server": "lab-origin",
    "control_node": "control",
}
"""Modules of the agent that only one role has; all others are everybody's."""

_OF_HDSYNC = frozenset(
    {
        *("commissions", "door", "endpoints", "eyes", "first_boot", "hdsync", "keeper", "link", "papers"),
        *("parcels", "probation", "renewal", "shop_window", "state", "talk", "versions"),
    }
)
"""Modules of the agent that only the daemon has, which nobody starts where there is no control plane."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """One role's code. `file_name` carries the digest, so that an address always means the same bytes."""

    role: str
    sha256: str
    content: bytes

    @property
    def file_name(self) -> str:
        """Under which it lies in a bucket."""
        return f"{self.sha256}.tar"


@cache
def bundle_of(role: str) -> Bundle:
    """The archive of a role, the same bytes on every computer (so it is not compressed: compressors differ)."""
    sources = {"hdinfra/__init__.py": b"", **_package("protocol"), **_package("agent")}
    sources = {path: text for path, text in sources.items() if _is_of(role, path)}
    if role == "control":
        sources |= _package("control")
    content = archive_of({path: (text, 0o644) for path, text in sources.items()})
    return Bundle(role, hashlib.sha256(content).hexdigest(), content)


def unmanaged_sources(role: str) -> dict[str, str]:
    """Path to text of what `hdctl` needs on a machine of that role that never meets a control plane: no daemon, and no
    module that could call anybody."""
    agent = {path: text for path, text in _package("agent").items() if Path(path).stem not in _OF_HDSYNC}
    found = {path: text.decode() for path, text in agent.items() if _is_of(role, path)}
    return {"hdinfra/__init__.py": "", **found}


def archive_of(files: Mapping[str, tuple[bytes, int]]) -> bytes:
    """A tar of these files by path, each with its content and mode: root's, without dates, the same everywhere."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, (content, mode) in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def keep_bundle(bundle: Bundle, folder: Path) -> Path:
    """Write it to that folder under its own name, unless it lies there already."""
    path = folder / bundle.file_name
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{bundle.file_name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(bundle.content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def cache_folder() -> Path:
    """Where bundles lie until they are handed to a cloud."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hdinfra" / "bundles"


def _is_of(role: str, path: str) -> bool:
    return _OF_ONE_ROLE.get(Path(path).stem, role) == role


def _package(name: str) -> dict[str, bytes]:
    folder = files("hdinfra").joinpath(name)
    return {f"hdinfra/{name}/{file.name}": file.read_bytes() for file in folder.iterdir() if file.name.endswith(".py")}
