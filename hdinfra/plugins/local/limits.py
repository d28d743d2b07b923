"""Process limits of machines: no higher than the engine's own, for raising them may be forbidden (nothing starts)."""

import re
import resource
import socket
import struct
from pathlib import Path

from docker.types import Ulimit

# Enough for thousands of connections, and for all machines of a zone together: nproc counts a user's processes
# over the whole host.
_WISHED = {"nofile": 65_536, "nproc": 16_384}
_OURS = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
_ROWS = {"nofile": "Max open files", "nproc": "Max processes"}


def ulimits(engine_url: str) -> list[Ulimit]:
    """The wished limits, cut to this process's and to the engine's hard limits."""
    of_engine = _of_engine(engine_url)
    return [_ulimit(name, min(wished, _own(name), of_engine.get(name, wished))) for name, wished in _WISHED.items()]


def hard_limits(limits: str) -> dict[str, int]:
    """The hard limits in the text of /proc/<pid>/limits; those that are unlimited are left out."""
    found = {name: re.search(rf"^{row}\s+\S+\s+(\d+)\s", limits, re.M) for name, row in _ROWS.items()}
    return {name: int(match[1]) for name, match in found.items() if match}


def _ulimit(name: str, value: int) -> Ulimit:
    return Ulimit(name=name, soft=value, hard=value)


def _own(name: str) -> int:
    hard = resource.getrlimit(_OURS[name])[1]
    return _WISHED[name] if hard == resource.RLIM_INFINITY else hard


def _of_engine(url: str) -> dict[str, int]:
    if not url.startswith("unix://"):
        return {}
    try:
        return hard_limits(Path(f"/proc/{_listener(url.removeprefix('unix://'))}/limits").read_text())
    except OSError:  # another user's engine shows nothing; ours then decides
        return {}


def _listener(path: str) -> int:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(5)
        peer.connect(path)
        process: int = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        return process
