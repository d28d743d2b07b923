"""Runs in the guest and samples how much CPU each tenant's slice has used: rows of [seconds, microseconds of each]."""

import json
import sys
import time
from pathlib import Path

TREE = Path("/sys/fs/cgroup/hdinfra.slice/hdinfra-tenants.slice")


def used(key: str) -> int:
    """Microseconds so far."""
    lines = (TREE / f"hdinfra-tenants-{key}.slice" / "cpu.stat").read_text().splitlines()
    return int(lines[0].removeprefix("usage_usec "))


def sample(keys: list[str], seconds: float, every: float) -> list[list[float]]:
    """From the first to the last moment."""
    begin = time.monotonic()
    rows = []
    for number in range(round(seconds / every) + 1):
        time.sleep(max(0.0, begin + number * every - time.monotonic()))
        rows.append([time.monotonic() - begin, *map(used, keys)])
    return rows


print(json.dumps(sample(sys.argv[3:], float(sys.argv[1]), float(sys.argv[2]))))
