"""A writer of HAProxy configuration, and a reader of what HAProxy says about itself."""

import csv
import io
import re
import socket
from collections.abc import Sequence
from pathlib import Path

STATS_SOCKET = Path("/run/haproxy/admin.sock")
MASTER_SOCKET = Path("/run/haproxy/master.sock")
_SECTION = re.compile(r"[A-Za-z0-9._-]{1,120}\Z")


def quoted(value: str) -> str:
    """One HAProxy argument in single quotes, inside which nothing is expanded. Refuses what they cannot hold."""
    if "'" in value or any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise ValueError(f"a quote or control character cannot be written: {value!r:.80}")
    return f"'{value}'"


class Haproxy:
    """Collects sections. `words` are ours and written as they are, `values` come from outside and are quoted."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def section(self, kind: str, name: str) -> None:
        """Begin a section such as `backend shop-read`."""
        if not _SECTION.match(name):
            raise ValueError(f"not a section's name: {name!r:.80}")
        self._lines += ["", f"{kind} {name}"] if self._lines else [f"{kind} {name}"]

    def put(self, *words: str, values: Sequence[str] = ()) -> None:
        """One line of our own words, then quoted values."""
        self._lines.append("    " + " ".join([*words, *map(quoted, values)]))

    def text(self) -> str:
        """The whole."""
        return "".join(line + "\n" for line in self._lines)


def ask(path: Path, command: str, timeout_seconds: float = 10) -> str:
    """One command over HAProxy's own socket; OSError when it does not answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_seconds)
        connection.connect(str(path))
        connection.sendall(command.encode() + b"\n")
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts).decode()


def statistics(path: Path = STATS_SOCKET) -> list[dict[str, str]]:
    """Every row of `show stat`, by column name."""
    return list(csv.DictReader(io.StringIO(ask(path, "show stat").removeprefix("# "))))


def uptime_seconds(path: Path = STATS_SOCKET) -> int:
    """Since when the worker counts: a reload begins anew."""
    return _number("Uptime_sec", path)


def most_connections(path: Path = STATS_SOCKET) -> int:
    """How many it takes at once, on all ways in: what it was granted of descriptors decides."""
    return _number("Maxconn", path)


def _number(asked: str, path: Path) -> int:
    lines = (line.partition(": ") for line in ask(path, "show info").splitlines())
    return next(int(value) for name, _, value in lines if name == asked)
