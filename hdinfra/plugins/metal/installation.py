"""One installation through a BMC: insert, boot once, power, wait for the report; however it ends, nothing stays
inserted and the next boot is from the disks."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from hdinfra.plugins.kind import Call, PluginError
from hdinfra.plugins.metal.bmc import AccessError, Bmc, BmcError
from hdinfra.plugins.metal.pace import Pace
from hdinfra.plugins.metal.reports import Reports, Told
from hdinfra.plugins.metal.shelf import Offer

_STARTS = 3
"""How often the installer is started at most when the power goes off before the machine has reported."""


class NotReportedError(PluginError):
    """The installer was started, and no report came; what is known of the server is in the message."""


@dataclass
class Installation:
    """Of `server`, whose machine shall report `profile`. `offer` gives the image for as long as it is open, None means
    that the server boots from the network."""

    call: Call
    bmc: Bmc
    reports: Reports
    pace: Pace
    server: str
    profile: str
    offer: Callable[[], AbstractContextManager[Offer]] | None
    clock: Callable[[], float] = time.monotonic
    starts: int = field(default=0, init=False)
    _began: float = field(default=0, init=False)
    _off_seen: bool = field(default=False, init=False)
    _last_answer: float = field(default=0, init=False)
    _state: str = field(default="", init=False)

    def run(self) -> Told:
        """Installs and gives the machine's first report; NotReportedError when none comes in time."""
        with self._inserted():  # first of all: a BMC that takes no image leaves its server as it was
            self._power(on=False)
            self._start()
            return self._reported()

    @contextmanager
    def _inserted(self) -> Iterator[None]:
        if self.offer is None:
            with self._booting_as_ever_afterwards():
                yield
            return
        self.call.progress("giving the BMC the installer's image")
        with self.offer() as offer, self._booting_as_ever_afterwards():
            try:
                self.bmc.insert(offer.url, offer.certificate)
                yield
            finally:
                self._tidied("the image is still in its virtual CD", self.bmc.eject)

    @contextmanager
    def _booting_as_ever_afterwards(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._tidied("its next boot may be the installer's", self.bmc.boot_as_ever)

    def _tidied(self, otherwise: str, deed: Callable[[], None]) -> None:
        try:
            deed()
        except BmcError as error:
            self.call.warn(f"`{self.server}`: {otherwise}: {error}")

    def _start(self) -> None:
        self.starts += 1
        self.bmc.boot_once("Pxe" if self.offer is None else "Cd")
        self._power(on=True)
        self._began = self._last_answer = self.clock()
        self._off_seen = False

    def _power(self, *, on: bool) -> None:
        wanted = "On" if on else "Off"
        self.call.progress(f"turning its power {wanted.lower()}")
        self.bmc.turn(on)
        if not self.call.wait_for(lambda: self._is(wanted), within=self.pace.power, every=1):
            raise PluginError(
                f"`{self.server}` was told to be {wanted.lower()}, and is not after {self.pace.power:g} s"
                f"{self._state}.\n"
                "fix: look at its power supplies and at the BMC's event log"
            )

    def _is(self, wanted: str) -> bool:
        try:
            self._state = ""
            return self.bmc.power() == wanted
        except AccessError:
            raise
        except BmcError as error:  # one that starts anew itself says so, or nothing
            self._state = f"; {str(error).partition(chr(10))[0]}"
            return False

    def _reported(self) -> Told:
        deadline = self.clock() + self._seconds()
        look_at = self.clock()
        while self.clock() < deadline:
            told = self.reports.last()
            if told is not None and told.at >= self._began and told.profile == self.profile:
                return told
            if self.clock() >= look_at:
                self._look(told)
                look_at = self.clock() + self.pace.look
            self.call.cancelled.wait(self.pace.poll)
            self.call.check_cancelled()
        raise NotReportedError(self._silence())

    def _seconds(self) -> float:
        return self.call.timeout or self.pace.report

    def _look(self, told: Told | None) -> None:
        """What its BMC sees meanwhile. BMCs that start anew themselves are waited for."""
        try:
            system = self.bmc.system()
        except AccessError:
            raise
        except BmcError as error:
            if self.clock() - self._last_answer > self.pace.silent:
                raise
            self.call.progress(str(error).partition("\n")[0])
            return
        self._last_answer = self.clock()
        power = str(system.get("PowerState") or "unknown")
        progress = system.get("BootProgress")
        boot = str(progress.get("LastState") or "") if isinstance(progress, dict) else ""
        self._state = f"its power is {power.lower()}" + (f", its boot came to {boot}" if boot else "")
        self.call.progress(f"installing for {self.clock() - self._began:.0f} s: {self._state}{self._words(told)}")
        if power == "Off":
            self._went_off()
        else:
            self._off_seen = False

    def _went_off(self) -> None:
        if not self._off_seen:  # a restart that goes through `Off` looks alike for a moment
            self._off_seen = True
            return
        if self.starts >= _STARTS:
            raise NotReportedError(
                f"`{self.server}` went off {self.starts} times before it had reported, so it was left off. Most "
                "likely the installer has refused its disks: it says why on the server's console "
                "(`hdinfra-install: refused`) for a minute, writes nothing, and turns the server off.\n"
                "fix: watch its console by the BMC while `pulumi up` begins again. Disks that hold something are named "
                "there: empty them, or write their serial numbers as `overwrite`. Without such words, look at its "
                "power supplies"
            )
        self.call.warn(
            f"`{self.server}` went off before it had reported: its installer has refused (its console says why), or "
            "power was cut; the installer starts over"
        )
        self._start()

    def _words(self, told: Told | None) -> str:
        if self.reports.silence:
            return f"; no answer from the management API ({self.reports.silence})"
        if told is None:
            return ""
        if told.at < self._began:
            return "; no report since"
        return f"; it reports profile {told.profile[:12] or 'none'}" + "".join(f"; {text}" for text in told.problems)

    def _silence(self) -> str:
        return (
            f"`{self.server}` has not reported profile {self.profile[:12]} within {self._seconds():g} s: "
            f"{self._state or 'its BMC did not answer'}{self._words(self.reports.last())}.\n"
            "fix: look at its console, where the installer says why it stopped; `pulumi up` then begins again, or "
            "takes the machine as it is if it has reported meanwhile; disks that an installation has come to its end "
            "on are overwritten only where `overwrite` names them"
        )
