"""Process limits of machines: no higher than the engine's own, for raising them may be forbidden (nothing starts)."""

import re
import resource
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from docker.types import Ulimit

# Enough for thousands of connections, and for all machines of a zone together: nproc counts a user's processes
# over the whole host.
_WISHED = {"nofile": 65_536, "nproc": 16_384}
_OURS = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
_PROC = Path("/proc")
_INOTIFY_OF_A_MACHINE = 5  # systemd, its journal, its log-ins and udev; 126 were counted of 28 machines
_ROWS = {"nofile": "Max open files", "nproc": "Max processes"}


def ulimits(engine_url: str) -> list[Ulimit]:
    """The wished limits, cut to this process's and to the engine's hard limits."""
    of_engine = _of_engine(engine_url)
    return [_ulimit(name, min(wished, _own(name), of_engine.get(name, wished))) for name, wished in _WISHED.items()]


def hard_limits(limits: str) -> dict[str, int]:
    """The hard limits in the text of /proc/<pid>/limits; those that are unlimited are left out."""
    found = {name: re.search(rf"^{row}\s+\S+\s+(\d+)\s", limits, re.M) for name, row in _ROWS.items()}
    return {name: int(match[1]) for name, match in found.items() if match}


def inotify_spent(proc: Path = _PROC) -> str:
    """What to do where this computer has no inotify instance left, without which a machine's systemd ends at once; ""
    where there are some. Those of processes that we may not look at are not counted."""
    try:
        limit = int((proc / "sys/fs/inotify/max_user_instances").read_text())
    except (OSError, ValueError):  # another kernel than Linux
        return ""
    used = max(Counter(_inotify_users(proc)).values(), default=0)
    if limit - used >= _INOTIFY_OF_A_MACHINE:
        return ""
    return (
        f"One user holds about {used} inotify instances and may have {limit} on this computer; a machine needs "
        f"{_INOTIFY_OF_A_MACHINE}.\n"
        "fix: `sysctl fs.inotify.max_user_instances=1024` as root, or take another zone down"
    )


def _inotify_users(proc: Path) -> Iterator[int]:
    """Whose each open one is."""
    for process in proc.glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is somebody else's
            user = process.stat().st_uid
            yield from (user for one in (process / "fd").iterdir() if _is_inotify(one))


def _is_inotify(descriptor: Path) -> bool:
    try:
        return str(descriptor.readlink()) == "anon_inode:inotify"
    except OSError:  # closed meanwhile
        return False


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
