"""Keeps a machine on the highest valid version that is good here. One thread calls it; it never talks to a network.

Invariant: `good` is a version that passed its probation (or needed none), and whatever happens to a later one, the
machine ends with `good` in force. Until a version has passed, only memory knows of it: a restart begins with `good`.
"""

import errno
import time
from collections.abc import Callable
from dataclasses import dataclass

from hdinfra.protocol.seal import ProtocolError

from .applier import Applier
from .commands import ApplyError
from .eyes import Eyes
from .fields import PolicyError
from .probation import Probation, well
from .problems import Problems, log
from .state import Memory, Skipped
from .versions import Opened, Order, Version, candidate, is_newer, refusals
from .wishes import CommandError

_RETRY_SECONDS = 5.0
_BASELINE_SECONDS = 2.0
"""How long the sites may be asked before a version, to know which were well."""


@dataclass
class Keeper:
    """`first`: the policy of a machine that has had none (None: it waits for one). `wait_seconds`: how long programs
    may take to serve a version."""

    applier: Applier
    memory: Memory
    eyes: Eyes
    problems: Problems
    first: bytes | None = None
    wait_seconds: float = 30
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.good = self.memory.held()
        self.current = self.good
        self.offered = self.good
        """The highest version that is known, good here or not."""
        self.skipped = self.memory.skipped()
        self.failure: Skipped | None = None
        self._offers: dict[str, Opened] = {}
        self._probation: Probation | None = None
        self._mended = False
        self._saved = True
        self._retry_at = float("-inf")

    @property
    def order(self) -> Order:
        """Release and settings number in force, (0, 0) before the first."""
        return self.current.order if self.current else (0, 0)

    @property
    def on_probation(self) -> bool:
        """Whether the version in force is being watched."""
        return self._probation is not None

    @property
    def in_doubt(self) -> bool:
        """Whether the version in force is on probation and was not seen well at the last look."""
        return self._probation is not None and self._probation.in_doubt

    @property
    def wanted(self) -> Version | None:
        """What is taken next, else what is in force."""
        newer = self.offered and is_newer(self.offered, self.current, (each.order for each in self.skipped))
        return self.offered if newer else self.current

    def offer(self, api: str, offer: Opened) -> None:
        """What one API machine offers now; it takes the place of what it offered before."""
        self._offers[api] = offer
        self._choose()
        highest = max([self.order[0], *(each.number for each in self.skipped)])
        if wrong := refusals(api, offer, highest):
            self.problems.say(f"offer of {api}", "; ".join(wrong))
        else:
            self.problems.over(f"offer of {api}")

    def failed(self) -> Skipped | None:
        """The version above the one in force that went wrong here, with the reason."""
        bad = [each for each in self.skipped if each.reason is not None and each.order > self.order]
        return max(bad, key=lambda each: each.order, default=self.failure)

    def step(self) -> None:
        """Do what is due: mend, take a newer version, look after the one on probation."""
        if self.clock() >= self._retry_at:
            if not (self._mended and self._saved):
                self._mend()
            version = self.wanted
            if version and version is not self.current:
                self._take(version)
        if self._probation:
            self._watch(self._probation)

    def rollback(self) -> Order:
        """To the good version before the one in force, which is left until a higher one comes."""
        left = self.order
        skipped = {each.order for each in self.skipped}
        earlier = [v for v in self.memory.good() if v.order < left and v.order not in skipped]
        if not earlier:
            raise CommandError("no earlier good version is kept here")
        try:
            self.applier.apply(earlier[-1].raw, self.wait_seconds)
        except (PolicyError, ApplyError, OSError) as error:
            raise CommandError(f"version {left[0]}.{left[1]} stays in force: {error}") from error
        self._probation = None
        self._now(earlier[-1])
        self._skip(Skipped(*left, None))
        self._accept()
        return self.order

    def _now(self, version: Version) -> None:
        self.current = version
        if version.ignored:
            self.problems.say("settings", "; ".join(version.ignored))
        else:
            self.problems.over("settings")
        self._choose()

    def _choose(self) -> None:
        try:
            self.offered = candidate(self.current, self._offers.values())
        except ProtocolError as error:
            self.problems.say("release", f"{error.code}: {error}")
        else:
            self.problems.over("release")

    def _mend(self) -> None:
        """At the start, and after trouble: what is in force is on the disk, and remembered."""
        raw = self._document()
        try:
            if not self._mended:
                self._bring_back(raw)
            self._mended = True
            self._save()
        except (PolicyError, ApplyError, OSError) as error:
            self._trouble("policy", error)
        else:
            self.problems.over("policy")

    def _bring_back(self, raw: bytes | None) -> None:
        if raw is None:
            self.applier.restore_files()  # a first apply that was cut off leaves nothing
        else:
            self.applier.apply(raw, self.wait_seconds)

    def _document(self) -> bytes | None:
        if self.current:
            return self.current.raw
        document = self.applier.current()
        return document.raw if document else self.first

    def _take(self, version: Version) -> None:
        was_well = self._well_now(version)
        log(f"taking version {version.order[0]}.{version.order[1]} of {version.release.scope}")
        try:
            self.applier.apply(version.raw, self.wait_seconds)
        except (PolicyError, ApplyError) as error:
            self._refuse(version, str(error))
            return
        except OSError as error:
            self._trouble("policy", error)
            return
        self._now(version)
        self.failure, self._mended = None, True
        self.problems.over("policy")
        if version.release.bake_seconds > 0:
            self._probation = Probation(self.clock() + version.release.bake_seconds, was_well)
        else:
            self._accept()

    def _well_now(self, version: Version) -> frozenset[str]:
        """Sites that are well before it. While one is on probation, what was well before that one counts."""
        if self._probation:
            return self._probation.was_well
        document = self.applier.current()
        if version.release.bake_seconds <= 0 or document is None:
            return frozenset()
        return well(self.eyes.all_sites(document, _BASELINE_SECONDS))

    def _refuse(self, version: Version, reason: str) -> None:
        """It never came into force. Where nothing good is here, it is tried again."""
        failure = Skipped(*version.order, reason)
        log(f"version {failure.number}.{failure.settings} is refused: {reason}")
        if self.good or self.applier.current():
            self._skip(failure)
        self.failure, self._mended = failure, False
        self._retry_at = self.clock() + _RETRY_SECONDS

    def _watch(self, probation: Probation) -> None:
        document = self.applier.current()
        reason = probation.judge(self.eyes.look(document, probation.suspects)) if document else None
        if reason:
            self._go_back(reason)
        elif self.clock() >= probation.ends_at and not probation.in_doubt:
            self._accept()

    def _go_back(self, reason: str) -> None:
        left, self._probation = self.order, None
        log(f"version {left[0]}.{left[1]} goes back to {self.good.order if self.good else 'none'}: {reason}")
        self.failure = Skipped(*left, reason)
        if self.good is None:  # nothing better is known, so it stays, and the stack learns that it is ill
            return
        self._now(self.good)
        self._mended = False
        self._skip(self.failure)
        self._mend()

    def _accept(self) -> None:
        self.good, self._probation, self._saved = self.current, None, False
        self._try_to(self._save)

    def _skip(self, skipped: Skipped) -> None:
        self.skipped = (*(each for each in self.skipped if each.order != skipped.order), skipped)
        self._try_to(lambda: self.memory.skip(self.skipped))

    def _save(self) -> None:
        if self.good and not self._saved:
            self.memory.keep(self.good)
        self._saved = True

    def _try_to(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            self._trouble("memory", error)
        else:
            self.problems.over("memory")

    def _trouble(self, about: str, error: Exception) -> None:
        self.problems.say(about, words(error))
        self._retry_at = self.clock() + _RETRY_SECONDS
        if about == "policy":
            self._mended = False


def words(error: Exception) -> str:
    """The cause as an operator would name it."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({error.filename or error}); the last good version stays in force"
    return str(error)
