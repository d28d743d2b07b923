"""Runs in a server, as root: writes block after block, each on the disk before the next, until a file says stop; then
reads all of them from the disks and tells in JSON how many were written, refused and lost, and how long one took."""

import hashlib
import json
import os
import sys
import time
from pathlib import Path

BLOCK, PLACES = 1 << 16, 2048  # 128 MiB in all, over and over


def written(file: Path, stop: Path) -> dict[str, float]:
    """What became of it."""
    sums: dict[int, str] = {}
    count = refused = 0
    slowest = 0.0
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    while not stop.exists():
        place, block = count % PLACES, os.urandom(BLOCK)
        started = time.monotonic()
        try:
            os.pwrite(handle, block, place * BLOCK)
            os.fdatasync(handle)
        except OSError:
            refused += 1
            continue
        slowest = max(slowest, time.monotonic() - started)
        sums[place] = hashlib.sha256(block).hexdigest()
        count += 1
    Path("/proc/sys/vm/drop_caches").write_text("1")
    found = {place: hashlib.sha256(os.pread(handle, BLOCK, place * BLOCK)).hexdigest() for place in sums}
    os.close(handle)
    lost = sum(found[place] != told for place, told in sums.items())
    return {"written": count, "refused": refused, "lost": lost, "slowest": slowest}


if __name__ == "__main__":
    print(json.dumps(written(Path(sys.argv[1]), Path(sys.argv[2]))))
