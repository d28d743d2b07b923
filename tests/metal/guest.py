"""A guest under QEMU: its own kernel, a disk that forgets, a seed for cloud-init, and a line to a shell in it."""

import base64
import json
import os
import select
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.metal.image import DISK, INITRD, KERNEL

_PREFIX = "hdmetal-"
QEMU = "qemu-system-x86_64"
_CPU = "max,la57=off"
# Software emulation panics when the kernel uses cmpxchg16b (hence clearcpuid), which HAProxy cannot do without.
_KERNEL = "root=/dev/vda rw console=ttyS0 panic=-1 loglevel=4 clearcpuid=cx16 mitigations=off"
_DEAD = ("Kernel panic", "end Kernel panic", "UEFI Interactive Shell", "(initramfs)", "emergency mode")
"""What a console says when nobody will ever come."""
BOOT_SECONDS = 600
"""Four times what two cores take without KVM while others use them."""


class GuestError(AssertionError):
    """The guest is of no use any more; the text has its console's last lines."""


@cache
def accelerator() -> str:
    """KVM where QEMU can really start with it, else software emulation."""
    probe = (QEMU, "-accel", "kvm", "-cpu", _CPU, "-nodefaults", "-display", "none", "-monitor", "stdio")
    usable = Path("/dev/kvm").exists() and (
        subprocess.run(probe, input=b"quit\n", capture_output=True, timeout=60, check=False).returncode == 0
    )
    return "kvm" if usable else "tcg"


@dataclass
class Guest:
    """One that runs. `run` asks it for programs, one at a time."""

    process: subprocess.Popen[bytes]
    line: socket.socket
    console: Path
    _left: bytes = b""
    _number: int = field(default=0)

    def run(self, *argv: str, seconds: float = 60, given: bytes = b"") -> tuple[int, str]:
        """Exit code and everything said."""
        self._number += 1
        wish = {"number": self._number, "argv": argv, "seconds": seconds, "given": base64.b64encode(given).decode()}
        self.line.sendall(json.dumps(wish).encode() + b"\n")
        # The guest stops it in time; a busy one may take long to say so.
        told = self._told(time.monotonic() + seconds * 2 + 60)
        assert told["number"] == self._number, told
        return int(str(told["code"])), base64.b64decode(str(told["words"])).decode(errors="replace")

    def must(self, *argv: str, seconds: float = 60) -> str:
        """Everything said by a program that has to end well."""
        code, words = self.run(*argv, seconds=seconds)
        assert code == 0, f"{' '.join(argv)} ended with {code}:\n{words}"
        return words

    def put(self, files: Mapping[str, str]) -> None:
        """Write files at their absolute paths, all of them 0644."""
        for path, content in files.items():
            made = self.run("install", "-D", "-m", "644", "/dev/stdin", path, given=content.encode())
            assert made == (0, ""), made

    def await_shell(self, within: float) -> None:
        """Until somebody listens inside."""
        assert self._told(time.monotonic() + within) == {"ready": True}

    def _told(self, deadline: float) -> dict[str, object]:
        while b"\n" not in self._left:
            self._check(deadline)
            if select.select([self.line], [], [], 0.5)[0]:
                self._left += self.line.recv(1 << 16)
        answer, _, self._left = self._left.partition(b"\n")
        told: dict[str, object] = json.loads(answer)
        return told

    def _check(self, deadline: float) -> None:
        said = self.console.read_text(errors="replace") if self.console.exists() else ""
        dead = next((sign for sign in _DEAD if sign in said), None)
        ended = self.process.poll()
        late = time.monotonic() > deadline
        if dead or ended is not None or late:
            why = f"says `{dead}`" if dead else "says nothing in time" if late else f"ended with {ended}"
            raise GuestError(f"the guest {why}; its console's last lines:\n{said[-3000:]}")


@contextmanager
def guest(image: Path, seed: Mapping[str, str], memory_mib: int = 1536, cores: int = 2) -> Iterator[Guest]:
    """One that has booted as far as its shell. Its disk is a copy on write of the image's, thrown away afterwards."""
    reap()
    # Short, for a socket's path may have 107 bytes; with the process's id, for whoever reaps.
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    try:
        _lay(folder, image, seed)
        process = _started(folder, image, memory_mib, cores)
        try:
            with _connected(folder / "shell", process) as line:
                made = Guest(process, line, folder / "console")
                made.await_shell(BOOT_SECONDS)
                yield made
        finally:
            process.kill()
            process.wait()
    finally:
        shutil.rmtree(folder)


def reap() -> None:
    """Remove the folders of runs that were killed; the kernel has taken their guests."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        number = left.name.removeprefix(_PREFIX).partition("-")[0]
        if number.isdigit() and not Path("/proc", number).exists():
            shutil.rmtree(left, ignore_errors=True)


def _lay(folder: Path, image: Path, seed: Mapping[str, str]) -> None:
    (folder / "seed").mkdir()
    for name, content in seed.items():
        (folder / "seed" / name).write_text(content)
    overlay = ("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(image / DISK), str(folder / "disk"))
    subprocess.run(overlay, check=True)


def _started(folder: Path, image: Path, memory_mib: int, cores: int) -> subprocess.Popen[bytes]:
    command = [
        # Whatever happens to the tests' process, the kernel takes the guest with it.
        *("setpriv", "--pdeathsig", "KILL", QEMU),
        *("-accel", accelerator(), "-cpu", _CPU, "-smp", str(cores), "-m", str(memory_mib)),
        *("-nodefaults", "-no-user-config", "-display", "none", "-nic", "none", "-no-reboot"),
        *("-kernel", str(image / KERNEL), "-initrd", str(image / INITRD)),
        *("-append", _KERNEL),
        *("-drive", f"file={folder / 'disk'},if=virtio,format=qcow2,cache=unsafe,discard=unmap"),
        # cloud-init looks for a medium of that label (NoCloud).
        *("-drive", f"driver=vvfat,dir={folder / 'seed'},label=CIDATA,if=virtio,read-only=on"),
        *("-serial", f"file:{folder / 'console'}"),
        *("-chardev", f"socket,id=shell,path={folder / 'shell'},server=on,wait=off"),
        *("-device", "virtio-serial-pci", "-device", "virtserialport,chardev=shell,name=hdinfra.shell"),
        *("-device", "virtio-rng-pci"),
    ]
    with (folder / "qemu").open("wb") as words:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=words, stderr=words)


def _connected(path: Path, process: subprocess.Popen[bytes]) -> socket.socket:
    deadline = time.monotonic() + 30
    while True:
        line = socket.socket(socket.AF_UNIX)
        try:
            line.connect(str(path))
        except OSError:
            line.close()
            if process.poll() is not None or time.monotonic() > deadline:
                raise GuestError(f"QEMU did not start:\n{(path.parent / 'qemu').read_text()}") from None
            time.sleep(0.05)
        else:
            return line
