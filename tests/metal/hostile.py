"""Runs as a tenant, inside the very sandbox of its nginx, and takes what it can. Standard library only."""

import mmap
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

LOGS = Path("/var/log/hdinfra-tenants") / sys.argv[1]
CACHE = Path("/var/cache/hdinfra-tenants") / sys.argv[1]
_MIB = 1 << 20
_READ_MIB = 16
"""What is read again and again, past the page cache."""
_BLOCK = 64 << 10


def spin(processes: int) -> str:
    """That many busy loops, until somebody kills them."""
    for _ in range(processes - 1):
        if os.fork() == 0:
            break
    while True:
        pass


def fork(seconds: int) -> str:
    """A bomb: each process starts others for so long, whatever it is told."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError):
            os.fork()
    return ""


def take(mebibytes: int) -> str:
    """That much memory by twenty processes, which somebody may kill; whoever is left waits to be killed."""
    for _ in range(20):
        if os.fork() == 0:
            held = mmap.mmap(-1, mebibytes // 20 * _MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            # Page by page the kernel would look for what it may reclaim ten thousand times, before it kills.
            held.madvise(mmap.MADV_HUGEPAGE)
            for at in range(0, len(held), mmap.PAGESIZE):
                held[at] = 1
            signal.pause()
    signal.pause()
    return ""


def fill(mebibytes: int) -> str:
    """How many MiB it can put into all folders it may write to."""
    return str(sum(_filled(folder / "filler", mebibytes) for folder in (LOGS, CACHE, Path("/tmp"))))


def _filled(path: Path, mebibytes: int) -> int:
    written = 0
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while written < mebibytes:
            file.write(bytes(_MIB))
            written += 1
    return written


def files(most: int) -> str:
    """How many empty files it can have, which take no room but a place each."""
    for number in range(most):
        try:
            os.mknod(CACHE / f"empty-{number}")
        except OSError:
            return str(number)
    return str(most)


def log(mebibytes: int) -> str:
    """So much to a log of its own, however often it is refused."""
    written = 0
    while written < mebibytes * _MIB:
        try:
            with (LOGS / "error.log").open("ab", buffering=0) as file:
                written += file.write(bytes(_MIB))
        except OSError:
            continue
    return str(written // _MIB)


def read(processes: int) -> str:
    """That many readers of a file, each from its beginning to its end and again, until somebody kills them."""
    path = CACHE / "readable"
    path.write_bytes(bytes(_READ_MIB * _MIB))
    os.sync()
    for _ in range(processes - 1):
        if os.fork() == 0:
            break
    file, block = os.open(path, os.O_RDONLY | os.O_DIRECT), mmap.mmap(-1, _BLOCK)
    while True:
        for at in range(0, _READ_MIB * _MIB, _BLOCK):
            os.preadv(file, [block], at)


def ports(_: int) -> str:
    """How many TCP ports it can open."""
    opened = []
    for port in range(1, 65_536):
        try:
            opened.append(socket.create_server(("0.0.0.0", port)))
        except OSError:
            continue
    return str(len(opened))


DEEDS: dict[str, Callable[[int], str]] = {
    "spin": spin,
    "fork": fork,
    "take": take,
    "fill": fill,
    "files": files,
    "log": log,
    "read": read,
    "ports": ports,
}
print(DEEDS[sys.argv[2]](int(sys.argv[3])), flush=True)
