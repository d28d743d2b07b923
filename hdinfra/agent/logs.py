"""Tenants' logs that grew faster than anybody could rotate them: a rotation copies, and a full quota takes no copy."""

import os
import stat
from contextlib import suppress
from pathlib import Path

MOST_BYTES = 5 * 20 << 20
"""Of one file: as much as all that rotation keeps of a log. What is longer was written within a minute."""


def cut_logs(logs: Path, most: int = MOST_BYTES) -> list[Path]:
    """Empty whatever is longer, in every tenant's folder in `logs`; what was emptied.

    The folders are their tenants', so only what is a tenant's own plain file is touched, wherever its name may lead.
    """
    return [path for path in sorted(logs.glob("*/*")) if _cut(path, path.parent.lstat().st_uid, most)]


def _cut(path: Path, owner: int, most: int) -> bool:
    with suppress(OSError):  # gone by now, or a link
        handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            found = os.fstat(handle)
            if stat.S_ISREG(found.st_mode) and found.st_uid == owner and found.st_nlink == 1 and found.st_size > most:
                os.ftruncate(handle, 0)
                return True
        finally:
            os.close(handle)
    return False
