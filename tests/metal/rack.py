"""A server in a rack, played by QEMU: UEFI firmware, disks in slots of their own, two links to one switch, a medium.

Its disks outlive its runs, as a server's do; pulling and pushing them is the monitor's, as is the cable."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from hdinfra.model.server import ServerPlan
from tests.metal.accelerator import CORES, QEMU, computing
from tests.metal.guest import PREFIX, Guest, Monitor, connected, reap

_FIRMWARE = Path("/usr/share/OVMF")
_CODE, _VARIABLES = "OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"
ECHO = ("192.0.2.100", 7)
"""What a server connects to from inside: it gets back what it sends, and no other address answers."""
MEMORY_MIB = 1024


@dataclass
class Bays:
    """Disks by serial number, as files; `server` says which belong to it."""

    folder: Path
    server: ServerPlan
    files: dict[str, Path] = field(default_factory=dict)

    def put_blank(self, serial: str, mib: int) -> None:
        """A new disk, straight from the factory."""
        self.files[serial] = self.folder / f"{serial}.qcow2"
        _qemu_img("create", "-q", "-f", "qcow2", str(self.files[serial]), f"{mib}M")

    def copied_to(self, folder: Path) -> "Bays":
        """The same disks as they are now, to be changed without changing these: copies on write."""
        copies = Bays(folder, self.server)
        for serial, path in self.files.items():
            copies.files[serial] = folder / path.name
            base = ("-F", "qcow2", "-b", str(path))
            _qemu_img("create", "-q", "-f", "qcow2", *base, str(copies.files[serial]))
        return copies


@dataclass
class Chassis(Guest):
    """A server that has power. `started` on the monotonic clock; `boot_seconds` from there to its shell."""

    bays: Bays = field(kw_only=True)
    started: float = field(kw_only=True)
    _slots: dict[str, str] = field(kw_only=True)
    boot_seconds: float = field(default=0.0, init=False)

    def await_shell(self, within: float) -> None:
        """Until somebody listens inside."""
        super().await_shell(within)
        self.boot_seconds = self.seconds

    def unplug(self, serial: str) -> None:
        """Pull a disk; back when the system has let go of it."""
        self.monitor.must("device_del", id=_id(serial))
        self.monitor.await_event("DEVICE_DELETED", device=_id(serial))
        self.monitor.must("blockdev-del", **{"node-name": _node(serial)})
        self._slots[self._slot_of(serial)] = ""

    def plug(self, serial: str, mib: int) -> None:
        """Push a disk into the first empty slot: the one that was there, or a blank one."""
        if serial not in self.bays.files:
            self.bays.put_blank(serial, mib)
        slot = self._slot_of("")
        self.monitor.must("blockdev-add", **_blockdev(serial, self.bays.files[serial]))
        device = {"driver": "virtio-blk-pci", "bus": slot, "drive": _node(serial), "id": _id(serial), "serial": serial}
        self.monitor.must("device_add", **device)
        self._slots[slot] = serial

    def set_link(self, name: str, *, up: bool) -> None:
        """Pull a cable, or put it back."""
        self.monitor.must("set_link", name=name, up=up)

    @property
    def seconds(self) -> float:
        """Since it was turned on."""
        return time.monotonic() - self.started

    def cut_power(self, after: float = 0) -> None:
        """So many seconds from now, whatever it does then."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(after)
        self.process.kill()
        self.process.wait()

    def power_off(self, within: float = 240) -> None:
        """As an operator does who has the time; back when it is off."""
        self.run("systemctl", "poweroff", "--no-block")
        self.process.wait(within)

    def _slot_of(self, serial: str) -> str:
        return next(slot for slot, inside in self._slots.items() if inside == serial)


@contextmanager
def bays(server: ServerPlan, serials: Sequence[str] | None = None) -> Iterator[Bays]:
    """Blank disks as the server has them, or those of these serial numbers alone, and a folder for more."""
    reap()
    with _folder() as folder:
        made = Bays(folder, server)
        for disk in (*server.disks, *server.spare_disks):
            if serials is None or disk.serial in serials:
                made.put_blank(disk.serial, disk.mib)
        yield made


@contextmanager
def copied(original: Bays) -> Iterator[Bays]:
    """Disks that are as those are, and are thrown away afterwards."""
    with _folder() as folder:
        yield original.copied_to(folder)


@contextmanager
def powered(
    inside: Bays,
    medium: Path | None = None,
    without: Sequence[str] = (),
    medium_first: bool = False,
    memory_mib: int = MEMORY_MIB,
) -> Iterator[Chassis]:
    """Turn it on, with all disks but those. Firmware tries the medium where no disk starts, or before all disks."""
    with _folder() as folder:
        shutil.copyfile(_FIRMWARE / _VARIABLES, folder / "variables")
        slots = {f"slot{number}": serial for number, serial in enumerate(inside.files)}
        slots = {slot: "" if serial in without else serial for slot, serial in slots.items()}
        slots[f"slot{len(slots)}"] = ""
        started = time.monotonic()
        drive = _medium(medium, first=medium_first) if medium else ()
        process = _started(folder, inside, slots, (*drive, "-m", str(memory_mib)))
        try:
            with connected(folder / "shell", process) as line, connected(folder / "monitor", process) as other:
                monitor, console = Monitor(other), folder / "console"
                yield Chassis(process, line, monitor, console, bays=inside, started=started, _slots=slots)
        finally:
            process.kill()
            process.wait()


@contextmanager
def _folder() -> Iterator[Path]:
    # Short, for a socket's path may have 107 bytes; with the process's id, for whoever reaps.
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _started(folder: Path, inside: Bays, slots: Mapping[str, str], more: Sequence[str]) -> subprocess.Popen[bytes]:
    command = [
        *("setpriv", "--pdeathsig", "KILL", QEMU),
        *("-machine", "q35"),
        *computing(CORES),
        *("-nodefaults", "-no-user-config", "-display", "none"),
        *("-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={_FIRMWARE / _CODE}"),
        *("-drive", f"if=pflash,format=raw,unit=1,file={folder / 'variables'}"),
        *(word for number, slot in enumerate(slots, 1) for word in _slot(number, slot)),
        *(word for serial in slots.values() if serial for word in _blockdev_words(serial, inside.files[serial])),
        *(word for slot, serial in slots.items() if serial for word in _disk(slot, serial)),
        *_network(inside.server),
        *more,
        *("-serial", f"file:{folder / 'console'}"),
        *("-qmp", f"unix:{folder / 'monitor'},server=on,wait=off"),
        *("-chardev", f"socket,id=shell,path={folder / 'shell'},server=on,wait=off"),
        *("-device", "virtio-serial-pci", "-device", "virtserialport,chardev=shell,name=hdinfra.shell"),
        *("-device", "virtio-rng-pci"),
    ]
    with (folder / "qemu").open("wb") as words:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=words, stderr=words)


def _slot(number: int, slot: str) -> tuple[str, ...]:
    return ("-device", f"pcie-root-port,id={slot},chassis={number},slot={number},addr={0x10 + number:#x}")


def _blockdev(serial: str, path: Path) -> dict[str, object]:
    file = {"driver": "file", "filename": str(path)}
    # What the server was told to be on the disk is in this computer's memory, which a killed QEMU does not lose.
    options = {"discard": "unmap", "detect-zeroes": "unmap", "cache": {"no-flush": True, "direct": False}}
    return {"driver": "qcow2", "node-name": _node(serial), "file": file, **options}


def _blockdev_words(serial: str, path: Path) -> tuple[str, str]:
    options = "discard=unmap,detect-zeroes=unmap,cache.no-flush=on"
    return ("-blockdev", f"driver=qcow2,node-name={_node(serial)},file.driver=file,file.filename={path},{options}")


def _disk(slot: str, serial: str) -> tuple[str, str]:
    device = f"virtio-blk-pci,bus={slot},drive={_node(serial)},id={_id(serial)},serial={serial}"
    # Slots in their order, then the medium.
    return ("-device", f"{device},bootindex={int(slot.removeprefix('slot')) + 1}")


def _network(server: ServerPlan) -> Iterator[str]:
    """Both links lead to one switch, where an echo is; nothing leads out of it."""
    address, port = ECHO
    net = f"net={server.network.ipv4.network},host={server.network.gateway4},ipv6-net=2001:db8::/64"
    yield from ("-netdev", f"user,id=world,restrict=on,{net},guestfwd=tcp:{address}:{port}-cmd:cat")
    yield from ("-netdev", "hubport,id=uplink,hubid=1,netdev=world")
    for number, link in enumerate(server.links):
        yield from ("-netdev", f"hubport,id=port{number},hubid=1")
        yield from ("-device", f"virtio-net-pci,id={link.name},netdev=port{number},mac={link.mac},romfile=")


def _medium(medium: Path, *, first: bool) -> tuple[str, ...]:
    drive = f"if=none,id=medium,format=raw,readonly=on,media=cdrom,file={medium}"
    return ("-drive", drive, "-device", f"ide-cd,id=cd,bus=ide.0,drive=medium,bootindex={0 if first else 99}")


def _node(serial: str) -> str:
    return f"disk-{serial}"


def _id(serial: str) -> str:
    return f"bay-{serial}"


def _qemu_img(*words: str) -> None:
    subprocess.run(("qemu-img", *words), check=True)
