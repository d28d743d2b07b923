"""How much of a disk a tenant may fill: the kernel's quotas by Unix user, where a file system keeps them.

By user, not by project: whoever owns a file may move it into another project, and nobody but root to another user.
The calls are quotactl_fd(2) and quotactl(2) of Linux 5.14 and newer, which Python does not have.
"""

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager

_QUOTACTL_FD = 443  # the same on every architecture
_USER = 0
_SET_LIMITS = 0x800008 << 8 | _USER
_TURN_ON = 0x5801 << 8 | _USER
_STATE = 0x5805 << 8 | _USER
_ENFORCED = 1 << 1  # FS_QUOTA_UDQ_ENFD
_BLOCKS_AND_FILES = 1 | 4  # QIF_BLIMITS, QIF_ILIMITS
_KIB_A_FILE = 16  # what ext4 itself reckons with, so that nobody takes all its inodes
_LIBC = ctypes.CDLL(None, use_errno=True)


def enforced(folder: str) -> bool:
    """Whether the file system there refuses who is over a quota. Anybody may ask."""
    state = ctypes.create_string_buffer(256)
    try:
        with _opened(folder) as handle:
            _call(handle, _STATE, 0, state)
    except OSError:
        return False
    flags: int = struct.unpack_from("=bxH", state)[1]
    return bool(flags & _ENFORCED)


def enforce(folder: str) -> bool:
    """Have it refuse, which a file system can that counts (ext4 made with `-O quota`); whether it does now."""
    if not enforced(folder):
        try:
            with _opened(folder) as handle:
                _call(handle, _TURN_ON, 0, ctypes.create_string_buffer(struct.pack("=I", _ENFORCED)))
        except OSError:
            return False
    return enforced(folder)


def limit(folder: str, user: int, mebibytes: int) -> None:
    """What that user's files may take together on the file system there; OSError where it has no quotas."""
    kibibytes = mebibytes * 1024
    files = kibibytes // _KIB_A_FILE
    limits = struct.pack("=8QI4x", kibibytes, 0, 0, files, 0, 0, 0, 0, _BLOCKS_AND_FILES)
    with _opened(folder) as handle:
        _call(handle, _SET_LIMITS, user, ctypes.create_string_buffer(limits))


@contextmanager
def _opened(folder: str) -> Iterator[int]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield handle
    finally:
        os.close(handle)


def _call(handle: int, command: int, user: int, told: "ctypes.Array[ctypes.c_char]") -> None:
    if _LIBC.syscall(_QUOTACTL_FD, handle, command, user, told):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
