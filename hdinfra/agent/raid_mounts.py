"""Boot partitions, mounted for a moment where they are not; what a killed run left mounted is let go of by the next."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .commands import Run
from .paths import ESP_FOLDERS, ESP_MOUNT
from .raid_disks import Partition, mounts
from .raid_server import RaidError

_OPTIONS = "umask=0077"
_REPAIRED = (0, 1)
"""Of fsck.fat(8): nothing was wrong, or it is right now."""
_STAGE_MIB = 40
"""FAT32 takes no less than 33 MiB; a boot loader of Debian's with all its parts takes 5."""


class Mounted:
    """Reaches them by mount(8). `root` is where the kernel's files are looked for."""

    def __init__(self, run: Run, root: Path = Path("/")) -> None:
        self._run = run
        self._root = root
        self._folders = root / ESP_FOLDERS.lstrip("/")

    def clean(self) -> None:
        """Let go of what a killed run left."""
        for mount in reversed(list(mounts(self._root))):
            if mount.folder.startswith(f"{ESP_FOLDERS}/"):
                self._run(("umount", mount.folder))

    @contextmanager
    def see(self, partition: Partition) -> Iterator[Path]:
        """Where it is mounted already, else in a folder of ours, so that nothing is written to it."""
        if there := self._mounted(partition):
            yield there
            return
        with self._at(self._folders / partition.name, partition.device, "ro") as folder:
            yield folder

    @contextmanager
    def open(self, partition: Partition) -> Iterator[Path]:
        """Where it is mounted already, else in a folder of ours, after its file system was put in order."""
        if there := self._mounted(partition):
            yield there
            return
        code = self._run(("fsck.fat", "-a", partition.device))
        if code.code not in _REPAIRED:
            raise RaidError(f"{partition.device} cannot be put in order: {code.words[-200:]}")
        with self._at(self._folders / partition.name, partition.device) as folder:
            yield folder

    def _mounted(self, partition: Partition) -> Path | None:
        there = (mount.folder for mount in mounts(self._root) if mount.name == partition.name)
        return next(map(Path, there), None)

    def format(self, partition: Partition) -> None:
        """Unmounted first, wherever it is."""
        for mount in list(mounts(self._root)):
            if mount.name == partition.name:
                self._must("umount", mount.folder)
        self._must("mkfs.vfat", "-F", "32", "-n", "ESP", partition.device)
        self._must("sync", partition.device)

    def mount(self, partition: Partition) -> bool:
        """At /boot/efi, from which a disk that is gone is let go of."""
        there = [mount for mount in mounts(self._root) if mount.folder == ESP_MOUNT]
        if [mount.name for mount in there] == [partition.name]:
            return False
        for mount in there:
            self._must("umount", *(("--lazy",) if mount.is_dead else ()), ESP_MOUNT)
        (self._root / ESP_MOUNT.lstrip("/")).mkdir(parents=True, exist_ok=True)
        self._must("mount", "-t", "vfat", "-o", _OPTIONS, partition.device, ESP_MOUNT)
        return True

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """A file in memory (/run), mounted by way of a loop device."""
        file = self._folders / "stage.img"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        with file.open("wb") as image:
            image.truncate(_STAGE_MIB << 20)
        try:
            self._must("mkfs.vfat", "-F", "32", "-n", "ESP", str(file))
            with self._at(self._folders / "stage", str(file), "loop") as folder:
                yield folder
        finally:
            file.unlink(missing_ok=True)

    @contextmanager
    def _at(self, folder: Path, device: str, *options: str) -> Iterator[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        self._must("mount", "-t", "vfat", "-o", ",".join((_OPTIONS, *options)), device, str(folder))
        try:
            yield folder
        finally:
            self._must("umount", str(folder))

    def _must(self, *argv: str) -> None:
        done = self._run(argv)
        if done.code:
            raise RaidError(f"`{' '.join(argv)}` ended with {done.code}: {done.words[-300:]}")
