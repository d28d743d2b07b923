"""Whether tenants' weights are felt at a disk: under the kernel's scheduler bfq alone, which the base sets."""

import os
from collections.abc import Iterator
from pathlib import Path

_SYSFS = Path("/sys")
_ACTIVE = "[bfq]"
"""As `queue/scheduler` marks the one in use among those that could be."""


def weighted(folder: str, sysfs: Path = _SYSFS) -> bool:
    """Whether every disk under the file system there shares itself out by weight; not where none is to be seen, as in
    a container or in memory. Anybody may ask."""
    try:
        number = Path(folder).stat().st_dev
        device = (sysfs / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}").resolve(strict=True)
        schedulers = [(disk / "queue" / "scheduler").read_text().split() for disk in _disks(device)]
    except OSError:
        return False
    return all(_ACTIVE in names for names in schedulers)


def _disks(device: Path) -> Iterator[Path]:
    """What a partition is on, and all that a RAID or a mapped device is made of."""
    whole = device.parent if (device / "partition").exists() else device
    slaves = whole / "slaves"
    parts = sorted(slaves.iterdir()) if slaves.exists() else []
    for part in parts:
        yield from _disks(part.resolve())
    if not parts:
        yield whole
