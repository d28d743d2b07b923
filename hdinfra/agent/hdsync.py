"""The daemon on every machine: fetches policy from any API machine, keeps the highest good version in force, reports.

One thread applies, and it alone; a pair of threads talks with each API machine; one keeps the certificate; the door
answers `hdctl`. Without any API machine, the last policy is served on.
"""

import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import look
from .applier import Applier
from .commands import Run, run
from .commissions import Commissions, Deeds
from .door import Door
from .endpoints import Endpoints
from .eyes import Eyes
from .first_boot import FirstBoot, read_first_boot
from .keeper import Keeper
from .link import Endpoint
from .papers import Papers
from .parcels import Parcels
from .paths import DOOR
from .problems import Problems
from .renewal import Renewal
from .state import Memory
from .talk import Reports, Talk, Talks
from .versions import Opened, Trust

_TICK_SECONDS = 1.0
_WATCHING_SECONDS = 0.2
_LONGEST_REASON = 2_000


class Daemon:
    """Everything under one `root`; `port` is where this machine serves sites."""

    def __init__(self, root: Path = Path("/"), run: Run = run, port: int = 80) -> None:
        self.problems = Problems()
        self.reports = Reports()
        self.deeds = Deeds()
        self.stopping = threading.Event()
        self.applier = Applier(run, root)
        self._root = root
        self._run = run
        self._boot = self._told()
        trust = self._boot.trust if self._boot else Trust("", "", "")
        first = self._boot.policy if self._boot else None
        self.keeper = Keeper(self.applier, Memory(root, trust), Eyes(self.applier, run, port), self.problems, first)
        self.parcels = Parcels(root, trust, run, self.problems)
        self.papers: Papers | None = None
        self.talks: Talks | None = None
        if self._boot:
            self.papers, self.talks = self._plane(self._boot)
        self._renewal = Renewal(self._boot, root, run, self.problems) if self._boot else None

    def serve(self) -> None:
        """Until told to stop, or until other code of ours shall run."""
        commissions = Commissions(self.applier, self.keeper, self.deeds, self._run, self.status)
        door = Door(self._root / DOOR.lstrip("/"), commissions)
        door.open()
        self._tidy()
        if self._renewal:
            self._renewal.sweep()
        if self.papers:
            threading.Thread(target=self.papers.run, args=(self.stopping,), name="papers", daemon=True).start()
        try:
            while not self.stopping.is_set() and not self._is_outdated():
                if self.talks:
                    self.talks.keep()
                self._tidy()
                self.deeds.do_next(_WATCHING_SECONDS if self.keeper.on_probation else _TICK_SECONDS)
        finally:
            self.stopping.set()
            if self.talks:
                self.talks.end()
            door.shutdown()
            door.server_close()

    def stop(self, *_: object) -> None:
        """End soon; fit for a signal."""
        self.stopping.set()
        self.deeds.put(lambda: None)

    def status(self) -> dict[str, Any]:
        """How things are, for people on this machine."""
        number, settings = self.keeper.order
        return {
            **look.status(self.applier),
            "number": number,
            "settings": settings,
            "failed": self._failed(),
            "problems": self.problems.texts(),
            "certificate_ends": self.papers.ends_at if self.papers else None,
            "seen": self.talks.seen() if self.talks else {},
        }

    def report(self) -> dict[str, Any]:
        """How things are, for the API machines."""
        document, local = look.current(self.applier), self.applier.local()
        number, settings = self.keeper.order
        return {
            "number": number,
            "settings": settings,
            "digest": document.digest if document else "",
            "serving": not self.keeper.in_doubt and look.serving(self.applier, document),
            "failed": self._failed(),
            "drained": local.drained,
            "overrides": dict(local.modes),
            "code": self._renewal.code(self.keeper.wanted) if self._renewal else "",
            "problems": self.problems.texts(),
            **({"certificates": self.parcels.digest} if self.parcels.digest else {}),
        }

    def _is_outdated(self) -> bool:
        """Other code is taken before the policy that comes with it, which the old code might not understand."""
        if self._renewal is None or self.keeper.on_probation:
            return False
        return self._renewal.taken(self.keeper.wanted)

    def _tidy(self) -> None:
        try:
            self.keeper.step()
            self.reports.put(self.report())
        except Exception as error:
            self.problems.say("hdsync", f"{type(error).__name__}: {error}")
        else:
            self.problems.over("hdsync")

    def _told(self) -> FirstBoot | None:
        try:
            found = read_first_boot(self._root)
        except (OSError, ValueError) as error:
            self.problems.say("control plane", f"what the first boot was told cannot be read: {error}")
            return None
        if found is None:
            self.problems.say("control plane", "none was named at first boot")
        return found

    def _plane(self, boot: FirstBoot) -> tuple[Papers, Talks]:
        endpoints = Endpoints(boot.endpoints, self._root, self.problems)
        papers = Papers(boot, endpoints, self._root, self.problems)

        own = (self.parcels, self._hand_over)

        def talk(to: Endpoint) -> Talk:
            return Talk(to, endpoints, papers, boot.trust, self.problems, self.reports, self._deliver, *own)

        return papers, Talks(endpoints, talk)

    def _deliver(self, api: str, offer: Opened) -> None:
        self.deeds.put(lambda: self.keeper.offer(api, offer))

    def _hand_over(self, texts: list[str]) -> None:
        self.deeds.put(lambda: self.parcels.take(texts))

    def _failed(self) -> Mapping[str, Any] | None:
        bad = self.keeper.failed()
        if bad is None:
            return None
        return {"number": bad.number, "settings": bad.settings, "reason": (bad.reason or "")[:_LONGEST_REASON]}


def main() -> int:
    """Serve until systemd says stop."""
    os.umask(0o022)
    daemon = Daemon()
    signal.signal(signal.SIGTERM, daemon.stop)
    signal.signal(signal.SIGINT, daemon.stop)
    daemon.serve()
    return 0
