"""Runs as a tenant, inside the sandbox of its nginx, and tells what it could do. Standard library only."""

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path


def reads(path: str) -> bool:
    """Whether something lies there that can be read or listed."""
    try:
        return any(Path(path).iterdir()) if Path(path).is_dir() else bool(Path(path).read_bytes())
    except OSError:
        return False


def does(deed: Callable[[], object]) -> bool:
    """Whether it can be done."""
    try:
        deed()
    except OSError:
        return False
    return True


def connects(path: str) -> bool:
    """Whether somebody lets it in at that Unix socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        return does(lambda: connection.connect(path))


def opens(port: int) -> bool:
    """Whether it can listen there."""
    return does(lambda: socket.create_server(("0.0.0.0", port)).close())


def forks(most: int) -> int:
    """How many processes it can start before somebody says no."""
    started = []
    for _ in range(most):
        try:
            pid = os.fork()
        except OSError:
            break
        if pid == 0:
            os.close(held[1])
            os.read(held[0], 1)
            os._exit(0)
        started.append(pid)
    os.close(held[1])
    for pid in started:
        os.waitpid(pid, 0)
    return len(started)


def fills(path: str, mebibytes: int) -> int:
    """How many MiB it can put there."""
    written = 0
    try:
        with Path(path).open("wb", buffering=0) as file:
            while written < mebibytes:
                file.write(bytes(1 << 20))
                written += 1
    except OSError:
        pass
    finally:
        Path(path).unlink(missing_ok=True)
    return written


held = os.pipe()
asked = json.loads(sys.argv[1])
told = {
    "uid": os.getuid(),
    "reads": [path for path in asked["reads"] if reads(path)],
    "writes": [path for path in asked["writes"] if does(Path(path, "probe").touch)],
    "connects": [path for path in asked["connects"] if connects(path)],
    "opens": [port for port in (80, 8404, 20_001) if opens(port)],
    "processes": sorted({entry.stat().st_uid for entry in Path("/proc").iterdir() if entry.name.isdigit()}),
    "filled": fills("/tmp/filler", 300),
    "forks": forks(500),
}
print(json.dumps(told))
