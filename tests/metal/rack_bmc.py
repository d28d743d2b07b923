"""The rig's server behind a BMC: what sushy-tools' emulator is asked for is done to QEMU, by its monitor.

The emulator's own driver for libvirt knows no boot that counts once (its source says so), and a server that boots from
its medium for ever would be installed for ever; hence this one.
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

from tests.engine.redfish_bmc import StandInServer
from tests.metal.rack import Bays, Chassis, powered


@dataclass
class QemuServer(StandInServer):
    """Turned on, it boots from its medium if that is what the next boot shall be from, and from its disks after every
    reset. `bays` are its disks."""

    bays: Bays | None = None
    place: Chassis | None = None
    _turned_on: ExitStack = field(default_factory=ExitStack)
    # The kernel ends QEMU with the thread that started it, and the emulator has one for each request.
    _hand: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def seen(self) -> str:
        """On as long as QEMU runs."""
        running = self.place is not None and self.place.process.poll() is None
        return "On" if running else "Off"

    def turn(self, state: str) -> None:
        """As a BMC does it: at once."""
        self._hand.submit(self._on if state in ("On", "ForceOn") else self._off).result()

    def eject(self) -> None:
        """The medium is gone from its drive, running or not."""
        self._hand.submit(self._eject).result()

    def scrap(self) -> None:
        """Off, for good."""
        self._hand.submit(self._off).result()
        self._hand.shutdown()

    def _off(self) -> None:
        self._turned_on.close()
        self.place = None

    def _eject(self) -> None:
        self.image = None
        if self.seen() == "On" and self.place is not None:
            self.place.monitor.must("eject", id="cd", force=True)

    def _on(self) -> None:
        if self.seen() == "On" or self.bays is None:
            return
        self._turned_on.close()
        source, self.source = self.source, "Hdd"
        self.boots.append(source)
        first = source == "Cd" and self.image is not None
        self.place = self._turned_on.enter_context(powered(self.bays, self.image, medium_first=first))
        if self.image is not None:
            # Firmware has been told its order for this boot; at the next reset it is told this one.
            self.place.monitor.must("qom-set", path="/machine/peripheral/cd", property="bootindex", value=99)
        self.booted(source, self.image)
