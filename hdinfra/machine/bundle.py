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
    "dns": "dns",
    "dns_query": "dns",
    "edge_health": "dns",
    "gdnsd": "dns",
}
"""Modules of the agent that only one role has; all others are everybody's."""

_OF_HDSYNC = frozenset(
    {
        *("commissions", "door", "endpoints", "eyes", "first_boot", "hdsync", "keeper", "link", "mesh", "mesh_keys"),
        *("papers", "parcels", "probation", "renewal", "shop_window", "state", "talk", "versions", "wireguard"),
        *("power", "power_down", "power_events", "power_papers", "power_turn"),
        *("health", "health_watch", "helm", "latch", "prober", "steering"),
    }
)
"""Modules of the agent that only the daemon has, or a rack, where somebody else installs neither."""


_OF_METAL = frozenset(
    {
        *("hdraid", "raid_alerts", "raid_arrays", "raid_boot", "raid_contents", "raid_deeds", "raid_disks"),
        *("raid_esps", "raid_mounts", "raid_notes", "raid_progress", "raid_replace", "raid_report", "raid_rules"),
        *("raid_server", "raid_watch"),
    }
)
"""Modules of the agent that look after the disks of a server of one's own."""

_UNDER_HDRAID = frozenset({"__init__", "commands", "durable", "paths"})
"""What `hdraid` needs of the agent besides."""
_OF_HDRAIDS_PROTOCOL = ("hdinfra/protocol/__init__.py", "hdinfra/protocol/boot_loader.py")


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
    agent = {path: text for path, text in _package("agent").items() if Path(path).stem not in _OF_HDSYNC | _OF_METAL}
    found = {path: text.decode() for path, text in agent.items() if _is_of(role, path)}
    return {"hdinfra/__init__.py": "", **found}


@cache
def unmanaged_bundle(role: str) -> Bundle:
    """The archive of `unmanaged_sources`: the same bytes wherever this version of hdinfra is installed, so that a stack
    knows the digest of a file that was written and uploaded elsewhere."""
    content = archive_of({path: (text.encode(), 0o644) for path, text in unmanaged_sources(role).items()})
    return Bundle(role, hashlib.sha256(content).hexdigest(), content)


def raid_sources() -> dict[str, str]:
    """Path to text of what `hdraid` is, for a server's base: it has to work before there is a bundle, and without."""
    names = (_OF_METAL | _UNDER_HDRAID) - {"raid_watch"}
    agent = {path: text.decode() for path, text in _package("agent").items() if Path(path).stem in names}
    protocol = {path: _package("protocol")[path].decode() for path in _OF_HDRAIDS_PROTOCOL}
    return {"hdinfra/__init__.py": "", **protocol, **agent}


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
