"""A guest under QEMU: its own kernel, a disk that forgets, a seed for cloud-init, and a line to a shell in it."""

import base64
import json
import os
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.metal.accelerator import QEMU, computing
from tests.metal.image import DISK, INITRD, KERNEL

PREFIX = "hdmetal-"
# Software emulation panics when the kernel uses cmpxchg16b (hence clearcpuid), which HAProxy cannot do without.
# A clock that is called stable during the boot is patched into code that the other processor runs then, and software
# emulation lets it run the breakpoint after it is gone: "Oops: int3" in sched_clock_cpu, now and then (tsc=unstable).
_KERNEL = "root=/dev/vda rw console=ttyS0 panic=-1 loglevel=4 clearcpuid=cx16 tsc=unstable mitigations=off"
_DEAD = ("Kernel panic", "end Kernel panic", "UEFI Interactive Shell", "(initramfs)", "emergency mode")
"""What a console says when nobody will ever come."""
NO_DISKS: Mapping[str, int] = {}
SEED = "seed.iso"
ROOT_DRIVE = "root"
_MONITOR_SECONDS = 120  # QEMU answers at once, on a computer that is not busy
_FIRST_SLOT = 0x10  # of PCI, behind what finds a place by itself: the guest's own disk has to be its first
BOOT_SECONDS = 600
"""Four times what two cores take without KVM while others use them."""


class GuestError(AssertionError):
    """The guest is of no use any more; the text has its console's last lines."""


@dataclass
class Monitor:
    """The way to the computer around the guest, which QEMU plays (QMP)."""

    line: socket.socket
    _left: bytes = b""
    _events: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.line.settimeout(_MONITOR_SECONDS)
        self._told()
        self.must("qmp_capabilities")

    def must(self, command: str, **arguments: object) -> None:
        """Have something done to it."""
        self.line.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        answer = self._told()
        while "event" in answer:
            self._events.append(answer)
            answer = self._told()
        assert "return" in answer, answer

    def await_event(self, name: str, **data: object) -> None:
        """Until that has happened with such data, now or since it was last asked for."""
        while not any(event["event"] == name and data.items() <= _data(event).items() for event in self._events):
            self._events.append(self._told())
        self._events.clear()

    def _told(self) -> dict[str, object]:
        while b"\n" not in self._left:
            said = self.line.recv(1 << 16)
            assert said, "QEMU has ended"
            self._left += said
        answer, _, self._left = self._left.partition(b"\n")
        told: dict[str, object] = json.loads(answer)
        return told


def _data(event: Mapping[str, object]) -> dict[str, object]:
    data = event.get("data", {})
    assert isinstance(data, dict)
    return data


@dataclass
class Guest:
    """One that runs. `run` asks it for programs, one at a time."""

    process: subprocess.Popen[bytes]
    line: socket.socket
    monitor: Monitor
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

    def await_words(self, pattern: str, within: float) -> str:
        """What its console says, as soon as it matches."""
        deadline = time.monotonic() + within
        while (found := re.search(pattern, self._said())) is None:
            self._check(deadline)
            select.select([], [], [], 0.2)
        return found[0]

    def _said(self) -> str:
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def _told(self, deadline: float) -> dict[str, object]:
        while b"\n" not in self._left:
            self._check(deadline)
            if select.select([self.line], [], [], 0.5)[0]:
                self._left += self.line.recv(1 << 16)
        answer, _, self._left = self._left.partition(b"\n")
        told: dict[str, object] = json.loads(answer)
        return told

    def _check(self, deadline: float) -> None:
        said = self._said()
        dead = next((sign for sign in _DEAD if sign in said), None)
        ended = self.process.poll()
        late = time.monotonic() > deadline
        if dead or ended is not None or late:
            why = f"says `{dead}`" if dead else "says nothing in time" if late else f"ended with {ended}"
            raise GuestError(f"the guest {why}; its console's last lines:\n{said[-3000:]}")


@contextmanager
def guest(
    image: Path, seed: bytes = b"", memory_mib: int = 1536, cores: int = 2, disks: Mapping[str, int] = NO_DISKS
) -> Iterator[Guest]:
    """One that has booted as far as its shell. `seed` is an ISO image for cloud-init. Its disk is a copy on write of
    the image's, thrown away afterwards; `disks` are blank ones beside it, by their serial number and with their MiB."""
    reap()
    # Short, for a socket's path may have 107 bytes; with the process's id, for whoever reaps.
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    try:
        _lay(folder, image, seed)
        for name, mebibytes in disks.items():
            blank(folder / name, mebibytes)
        process = _started(folder, image, memory_mib, cores, tuple(disks))
        try:
            with connected(folder / "shell", process) as line, connected(folder / "monitor", process) as other:
                made = Guest(process, line, Monitor(other), folder / "console")
                made.await_shell(BOOT_SECONDS)
                yield made
        finally:
            process.kill()
            process.wait()
    finally:
        shutil.rmtree(folder)


def reap() -> None:
    """Remove the folders of runs that were killed; the kernel has taken their guests."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        number = left.name.removeprefix(PREFIX).partition("-")[0]
        if number.isdigit() and not Path("/proc", number).exists():
            shutil.rmtree(left, ignore_errors=True)


def _lay(folder: Path, image: Path, seed: bytes = b"") -> None:
    (folder / SEED).write_bytes(seed)
    overlay = ("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(image / DISK), str(folder / "disk"))
    subprocess.run(overlay, check=True)


def blank(path: Path, mebibytes: int) -> None:
    """A new disk, as a file that takes no room yet."""
    with path.open("wb") as disk:
        disk.truncate(mebibytes << 20)


def _started(
    folder: Path, image: Path, memory_mib: int, cores: int, disks: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    command = [
        # Whatever happens to the tests' process, the kernel takes the guest with it.
        *("setpriv", "--pdeathsig", "KILL", QEMU),
        *computing(cores),
        *("-m", str(memory_mib)),
        *("-nodefaults", "-no-user-config", "-display", "none", "-nic", "none", "-no-reboot"),
        *("-kernel", str(image / KERNEL), "-initrd", str(image / INITRD)),
        *("-append", _KERNEL),
        *("-drive", f"file={folder / 'disk'},if=virtio,format=qcow2,cache=unsafe,discard=unmap,id={ROOT_DRIVE}"),
        *("-drive", f"file={folder / SEED},if=virtio,format=raw,read-only=on"),
        *(word for slot, name in enumerate(disks, _FIRST_SLOT) for word in _disk(folder, name, slot)),
        *("-serial", f"file:{folder / 'console'}"),
        *("-qmp", f"unix:{folder / 'monitor'},server=on,wait=off"),
        *("-chardev", f"socket,id=shell,path={folder / 'shell'},server=on,wait=off"),
        *("-device", "virtio-serial-pci", "-device", "virtserialport,chardev=shell,name=hdinfra.shell"),
        *("-device", "virtio-rng-pci"),
    ]
    with (folder / "qemu").open("wb") as words:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=words, stderr=words)


def _disk(folder: Path, name: str, slot: int) -> tuple[str, ...]:
    drive = f"file={folder / name},if=none,id={name},format=raw,cache=unsafe"
    return ("-drive", drive, "-device", f"virtio-blk-pci,drive={name},id={name},serial={name},addr={slot:#x}")


def connected(path: Path, process: subprocess.Popen[bytes]) -> socket.socket:
    """The other end of one of QEMU's sockets, as soon as it is there."""
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
