"""Which disks this server has, as `/etc/hdinfra/server.json` says it, and how one takes another's place there."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .durable import write_whole
from .paths import SERVER

ARRAYS = ("boot", "swap", "root")
"""Each is called as the partitions it is made of; no other array is ever touched."""
ESP = "esp"
LABELS = (ESP, *ARRAYS)
"""The partitions of every disk by their labels, first to last."""


class RaidError(Exception):
    """Why something is not done, or did not come about; the text says the way out."""


@dataclass(frozen=True, slots=True)
class Server:
    """Serial numbers of its disks: those that hold data, and spare ones."""

    name: str
    disks: tuple[str, ...]
    spares: tuple[str, ...] = ()

    @property
    def serials(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.disks, *self.spares)


def read_server(root: Path = Path("/")) -> Server:
    """RaidError where this is no server of one's own, or its file says something else than which disks it has."""
    try:
        told = _read(root)
        return Server(str(told["name"]), _serials(told["disks"]), _serials(told.get("spare_disks", ())))
    except FileNotFoundError:
        raise RaidError(f"{SERVER} is missing, so nobody knows which disks belong here: restore it") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RaidError(f"{SERVER} cannot be read, so nothing is touched: {type(error).__name__}: {error}") from error


def exchange(root: Path, old: str, new: str, mebibytes: int) -> None:
    """Have the new disk stand where the old one stood; all else in the file stays. Nothing happens the second time."""
    told = _read(root)
    for kind in ("disks", "spare_disks"):
        for disk in told.get(kind, ()):
            if disk["serial"] == old:
                disk.update({"serial": new, "mib": mebibytes})
    path = _path(root)
    write_whole(path, (json.dumps(told, indent=2) + "\n").encode(), path.stat().st_mode & 0o777)


def _read(root: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(_path(root).read_bytes())
    return told


def _serials(disks: Any) -> tuple[str, ...]:
    return tuple(str(disk["serial"]) for disk in disks)


def _path(root: Path) -> Path:
    return root / SERVER.lstrip("/")
