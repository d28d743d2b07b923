"""A server of one's own, as small as can be: its root on a disk beside, two disks with arrays, blank ones to take in.

It boots in seconds, so that its power can be cut again and again; the rack (rack.py) is the one with firmware, GRUB and
a root that lies on the arrays themselves.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hdinfra.machine.bundle import raid_sources
from hdinfra.machine.sources import asset
from tests.machine.raid_world import LOADER_BYTES
from tests.metal.accelerator import CORES, QEMU, computing
from tests.metal.guest import BOOT_SECONDS, PREFIX, Guest, Monitor, blank, connected, reap
from tests.metal.image import DISK, INITRD, KERNEL, RAID_INIT, ensure_image

ALPHA, BRAVO, CHARLIE = "ALPHA", "BRAVO", "CHARLIE"
DISK_MIB = 256
_WRITER = Path(__file__).with_name("raid_writer.py")
_KERNEL = (
    "root=LABEL=root rw console=ttyS0 panic=-1 loglevel=4 clearcpuid=cx16 tsc=unstable mitigations=off"
    f" init=/{RAID_INIT}"
)
_FSTAB = "LABEL=ESP /boot/efi vfat umask=0077,nofail 0 0\nLABEL=served /srv ext4 defaults 0 0\n"
_FIRST_SLOT = 0x10  # of PCI, behind what finds a place by itself


@dataclass
class RaidServer:
    """Its disks, by serial number as files, outlive its boots. `inside` are those in its slots."""

    folder: Path
    image: Path
    inside: list[str] = field(default_factory=list)
    _guest: Guest | None = None
    _monitor: Monitor | None = None

    @property
    def guest(self) -> Guest:
        """The one that runs."""
        assert self._guest is not None, "it has no power"
        return self._guest

    def put(self, serial: str, mib: int = DISK_MIB) -> None:
        """Push a disk in: the one of that serial number, blank when there was none."""
        if not (self.folder / serial).exists():
            blank(self.folder / serial, mib)
        self.inside.append(serial)
        if self._guest is None:
            return
        file = {"driver": "file", "filename": str(self.folder / serial)}
        cache = {"no-flush": True, "direct": False}
        self._must("blockdev-add", **{"driver": "raw", "node-name": f"node-{serial}", "file": file, "cache": cache})
        self._must("device_add", driver="virtio-blk-pci", drive=f"node-{serial}", id=f"bay-{serial}", serial=serial)
        there = f"until [ -e /dev/disk/by-id/virtio-{serial} ]; do sleep 0.1; done"
        self.guest.must("timeout", "120", "sh", "-c", there, seconds=130)

    def pull(self, serial: str) -> None:
        """Out of the running server; back when the kernel has let go of it."""
        self.inside.remove(serial)
        self._must("device_del", id=f"bay-{serial}")
        gone = f"while grep -qs {serial} /sys/block/*/serial; do sleep 0.1; done"
        self.guest.must("timeout", "120", "sh", "-c", gone, seconds=130)

    def boot(self) -> None:
        """Turn the power on."""
        process = self._started()
        line, other = connected(self.folder / "shell", process), connected(self.folder / "monitor", process)
        self._monitor = Monitor(other)
        self._guest = Guest(process, line, self._monitor, self.folder / "console")
        self._guest.await_shell(BOOT_SECONDS)

    def cut(self) -> None:
        """The power, at once."""
        if self._guest is None:
            return
        self._guest.process.kill()
        self._guest.process.wait()
        self._guest.line.close()
        self._guest.monitor.line.close()
        self._guest = None
        for name in ("shell", "monitor", "console"):
            (self.folder / name).unlink(missing_ok=True)

    def hdraid(self, *argv: str, seconds: float = 240) -> tuple[int, str]:
        """Exit code and words."""
        return self.guest.run("/usr/local/sbin/hdraid", *argv, seconds=seconds)

    def told(self) -> dict[str, object]:
        """What `hdraid status --json` says."""
        told: dict[str, object] = json.loads(self.guest.must("/usr/local/sbin/hdraid", "status", "--json", seconds=240))
        return told

    def _must(self, command: str, **arguments: object) -> None:
        assert self._monitor is not None
        self._monitor.must(command, **arguments)

    def _started(self) -> subprocess.Popen[bytes]:
        command = [
            # Whatever happens to the tests' process, the kernel takes the guest with it.
            *("setpriv", "--pdeathsig", "KILL", QEMU),
            *computing(CORES),
            *("-m", "768"),
            *("-nodefaults", "-no-user-config", "-display", "none", "-nic", "none", "-no-reboot"),
            *("-kernel", str(self.image / KERNEL), "-initrd", str(self.image / INITRD), "-append", _KERNEL),
            *("-drive", f"file={self.folder / 'disk'},if=virtio,format=qcow2,cache=unsafe"),
            *(word for serial in self.inside for word in self._bay(serial)),
            *("-serial", f"file:{self.folder / 'console'}"),
            *("-qmp", f"unix:{self.folder / 'monitor'},server=on,wait=off"),
            *("-chardev", f"socket,id=shell,path={self.folder / 'shell'},server=on,wait=off"),
            *("-device", "virtio-serial-pci", "-device", "virtserialport,chardev=shell,name=hdinfra.shell"),
            *("-device", "virtio-rng-pci"),
        ]
        with (self.folder / "qemu").open("wb") as words:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=words, stderr=words)

    def _bay(self, serial: str) -> tuple[str, ...]:
        # What the guest was told to be on the disk is in this computer's memory, which a killed QEMU does not lose.
        drive = f"file={self.folder / serial},if=none,id=node-{serial},format=raw,cache=unsafe"
        slot = _FIRST_SLOT + self.inside.index(serial)
        device = f"virtio-blk-pci,drive=node-{serial},id=bay-{serial},serial={serial},addr={slot:#x}"
        return ("-drive", drive, "-device", device)


@contextmanager
def raid_server() -> Iterator[RaidServer]:
    """One that runs, with both disks at their work and a writer's folder on them."""
    reap()
    # Short, for a socket's path may have 107 bytes; with the process's id, for whoever reaps.
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    made = RaidServer(folder, ensure_image())
    try:
        disk, base = str(folder / "disk"), str(made.image / DISK)
        subprocess.run(("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", base, disk), check=True)
        made.put(ALPHA)
        made.put(BRAVO)
        made.boot()
        _install(made.guest)
        yield made
    finally:
        made.cut()
        shutil.rmtree(folder)


def server_json(*serials: str) -> str:
    """As the server's plan says it."""
    disks = [{"serial": serial, "mib": DISK_MIB} for serial in serials]
    return json.dumps({"name": "srv1", "disks": disks, "spare_disks": []})


_LAYOUT = """
set -eu
for serial in ALPHA BRAVO; do
    disk=$(readlink -f /dev/disk/by-id/virtio-$serial)
    sgdisk --clear --new=1:2048:+36M --typecode=1:EF00 --change-name=1:esp --new=2:0:+16M --typecode=2:FD00 \\
        --change-name=2:boot --new=3:0:+16M --typecode=3:FD00 --change-name=3:swap --new=4:0:+96M --typecode=4:FD00 \\
        --change-name=4:root "$disk" >/dev/null
done
udevadm settle
a=$(readlink -f /dev/disk/by-id/virtio-ALPHA) b=$(readlink -f /dev/disk/by-id/virtio-BRAVO)
number=2
for name in boot swap root; do
    mdadm --create /dev/md/$name --run --homehost=srv1 --name=$name --level=1 --raid-devices=2 --metadata=1.2 \\
        --bitmap=internal "$a$number" "$b$number" 2>/dev/null
    number=$((number + 1))
done
mkfs.vfat -F 32 -n ESP "${a}1" >/dev/null
mkfs.vfat -F 32 -n ESP "${b}1" >/dev/null
mkfs.ext4 -q -L served /dev/md/root
mkswap --label swapped /dev/md/swap >/dev/null
udevadm settle
mkdir -p /boot/efi
mount --all --fstab /etc/fstab.server
mkdir -p /boot/efi/EFI/BOOT
grub-install --efi-directory=/boot/efi
/usr/local/sbin/hdraid esp
swapon /dev/md/swap
"""


# As Debian's, but that nothing has to be installed for it, and each boot loader is another.
_GRUB = """\
#!/bin/sh
set -eu
for word; do case $word in --efi-directory=*) folder=${word#*=} ;; esac; done
mkdir -p "$folder/EFI/BOOT"
cp /root/loader "$folder/EFI/BOOT/BOOTX64.EFI"
head -c 1000000 /dev/urandom >>"$folder/EFI/BOOT/BOOTX64.EFI"
"""


def _install(guest: Guest) -> None:
    """Programs and files as a server has them, then disks as its installer makes them."""
    guest.put({f"/usr/lib/hdinfra/metal/{path}": text for path, text in raid_sources().items()})
    guest.put({"/usr/local/sbin/hdraid": asset("hdraid"), "/usr/sbin/grub-install": _GRUB})
    guest.put({"/etc/fstab.server": _FSTAB, "/etc/hdinfra/server.json": server_json(ALPHA, BRAVO)})
    guest.put({"/root/layout": _LAYOUT, "/root/writer.py": _WRITER.read_text()})
    guest.must("chmod", "755", "/usr/local/sbin/hdraid", "/usr/sbin/grub-install")
    made = guest.run("install", "/dev/stdin", "/root/loader", given=LOADER_BYTES)
    assert made == (0, ""), made
    guest.must("sh", "/root/layout", seconds=300)
