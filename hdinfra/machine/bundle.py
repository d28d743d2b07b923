"""Code of ours that does not fit into user data: one archive a role, named by its content."""

import hashlib
import io
import os
import tarfile
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

_OF_ONE_ROLE = {
    "router": "waf",
    "tenant_names": "waf",
    "tenants": "waf",
    "waf": "waf",
    "load_balancer": "load-balancer",
    "lab_origin": "lab-origin",
    "lab_server": "lab-origin",
    "control_node": "control",
}
"""Modules of the agent that only one role has; all others are everybody's."""


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
    sources = {path: text for path, text in sources.items() if _OF_ONE_ROLE.get(Path(path).stem, role) == role}
    if role == "control":
        sources |= _package("control")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(sources):
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(sources[path]), 0o644
            archive.addfile(member, io.BytesIO(sources[path]))
    content = buffer.getvalue()
    return Bundle(role, hashlib.sha256(content).hexdigest(), content)


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


def _package(name: str) -> dict[str, bytes]:
    folder = files("hdinfra").joinpath(name)
    return {f"hdinfra/{name}/{file.name}": file.read_bytes() for file in folder.iterdir() if file.name.endswith(".py")}
