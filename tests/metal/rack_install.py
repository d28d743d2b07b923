"""Installing in the rig, watched on the server's console."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hdinfra.model.server import ServerPlan
from hdinfra.operate.metal_root import Kernel
from hdinfra.protocol.installer_image import write_ordered
from tests.metal.guest import Guest
from tests.metal.rack import Bays, Chassis
from tests.metal.rack_image import ensure_installer
from tests.metal.rack_server import rack_order

INSTALL_SECONDS = 900
"""Two quiet cores take a tenth of it without KVM; the deadline is for cores that many share."""
_LAST = ("done: .*", "refused: no disk was written to", "failed: the disks are half made", "defect: .*", "stopped: .*")
_END = f"hdinfra-install: ({'|'.join(_LAST)})"
_STEP = r"\[ *(\d+\.\d+)\] hdinfra-install: step (\d+) of (\d+)"


@dataclass(frozen=True)
class Installed:
    """A server that was installed, has finished its first boot and is off. Seconds from power on to the installer's
    end, to somebody listening in what it made, and to a first boot that has done everything."""

    bays: Bays
    console: str
    installed: float
    booted: float
    ready: float

    @property
    def steps(self) -> dict[int, float]:
        """How long each step of the installer took."""
        begun = {int(number): float(at) for at, number, _ in re.findall(_STEP, self.console)}
        ends = [*sorted(begun.values())[1:], self._end]
        return {number: end - at for (number, at), end in zip(sorted(begun.items()), ends, strict=True)}

    @property
    def _end(self) -> float:
        found = re.search(r"\[ *(\d+\.\d+)\] hdinfra-install: done", self.console)
        assert found
        return float(found[1])


@contextmanager
def ordered(folder: Path, plan: ServerPlan, kernel: Kernel = Kernel.CLOUD, *, wipe: bool = False) -> Iterator[Path]:
    """A medium with the order for that server, as long as it is needed."""
    medium = folder / "medium.iso"
    write_ordered(ensure_installer(plan, kernel), rack_order(plan, kernel, wipe=wipe), medium)
    try:
        yield medium
    finally:
        medium.unlink()


def ended(place: Guest, within: float = INSTALL_SECONDS) -> str:
    """The last word of the installer on the console, with all that it has said."""
    place.await_words(_END, within)
    return said(place)


def said(place: Guest) -> str:
    """All that the installer has said until now."""
    lines = place.console.read_text(errors="replace").splitlines()
    return "\n".join(line.partition("hdinfra-install: ")[2] for line in lines if "hdinfra-install: " in line)


def booted(place: Chassis, within: float) -> None:
    """Until its first boot, or any other, has done everything; somebody listens already."""
    code, words = place.run("cloud-init", "status", "--wait", "--long", seconds=within)
    assert code == 0, f"{words}\n{place.run('tail', '-n', '60', '/var/log/cloud-init-output.log')[1]}"
