"""The rig itself: it tells a dead guest from a slow one, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.machine.sync_stack import eventually
from tests.metal.guest import GuestError, guest, reap
from tests.metal.image import DISK, INITRD, KERNEL, ensure_image

ROOT = Path(__file__).parents[2]
# Starts a guest that boots for ever, says its process's id, and waits for the end.
STARTER = """
import sys
from pathlib import Path
from tests.metal.guest import _lay, _started
folder, image = Path(sys.argv[1]), Path(sys.argv[2])
_lay(folder, image)
print(_started(folder, image, 256, 1).pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def rootless(tmp_path: Path) -> Path:
    """An image whose kernel finds no root and panics."""
    (tmp_path / KERNEL).symlink_to(ensure_image() / KERNEL)
    (tmp_path / INITRD).write_text("nothing")
    with (tmp_path / DISK).open("wb") as disk:
        disk.truncate(1 << 20)
    return tmp_path


def test_a_panic_is_told_at_once_with_the_consoles_words(rootless: Path) -> None:
    with pytest.raises(GuestError, match=r"(?s)the guest .*Kernel panic.*Unable to mount root"), guest(rootless):
        pass


def test_a_guest_dies_with_its_tests(rootless: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path), str(rootless)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        number = int(starter.stdout.readline())
        # Not before setpriv(1) has asked the kernel for it, which it does just before it becomes QEMU.
        eventually(lambda: Path(f"/proc/{number}/comm").read_text().startswith("qemu"), 60)
        starter.send_signal(signal.SIGKILL)
    eventually(lambda: not running(number), 10)


def running(number: int) -> bool:
    """Whether that process is there and not only waiting to be noticed."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_a_killed_run_left_is_removed_and_nobody_elses() -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    dead, alive = (Path(tempfile.mkdtemp(prefix=f"hdmetal-{number}-")) for number in (gone.pid, os.getpid()))
    reap()
    assert (dead.exists(), alive.exists()) == (False, True)
    alive.rmdir()
