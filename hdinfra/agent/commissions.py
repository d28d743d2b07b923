"""What `hdctl` asks of `hdsync`, by name. What changes something is done by the one thread that applies."""

import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any

from . import wishes
from .applier import Applier
from .commands import Run
from .keeper import Keeper
from .wishes import CommandError

_WAIT_SECONDS = 100
"""Longer than two applies: one that is under way, and the command's own."""


class Deeds:
    """Waits in a row for the thread that applies."""

    def __init__(self) -> None:
        self._row: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def put(self, deed: Callable[[], None]) -> None:
        """Do it soon."""
        self._row.put(deed)

    def ask(self, deed: Callable[[], Any]) -> Any:
        """Do it soon, and wait for what comes of it."""
        done, outcome = threading.Event(), dict[str, Any]()

        def kept() -> None:
            try:
                outcome["result"] = deed()
            except Exception as error:
                outcome["error"] = error
            done.set()

        self.put(kept)
        if not done.wait(_WAIT_SECONDS):
            raise CommandError(
                f"hdsync is busy and did not come to it within {_WAIT_SECONDS} s; it is still in the row"
            )
        if "error" in outcome:
            raise outcome["error"]
        return outcome["result"]

    def do_next(self, seconds: float) -> None:
        """Wait that long for a deed, then do all that are in the row."""
        try:
            self._row.get(timeout=seconds)()
            while True:
                self._row.get_nowait()()
        except queue.Empty:
            return


class Commissions:
    """Answers requests of the door. `told`: what the daemon itself says or does, by command."""

    def __init__(
        self,
        applier: Applier,
        keeper: Keeper,
        deeds: Deeds,
        run: Run,
        told: Mapping[str, Callable[[], Mapping[str, Any]]],
    ) -> None:
        self._applier = applier
        self._keeper = keeper
        self._deeds = deeds
        self._run = run
        self._told = told

    def __call__(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The result of one command; CommandError when there is none."""
        match request:
            case {"command": str(command)} if command in self._told:
                return self._told[command]()
            case {"command": "sites"}:
                return {"sites": wishes.sites(self._applier)}
            case {"command": "logs", "lines": int(lines)}:
                return {"lines": wishes.logs(self._run, lines)}
            case {"command": "rollback"}:
                number, settings = self._deeds.ask(self._keeper.rollback)
                return {"number": number, "settings": settings}
            case {"command": str(command)}:
                return dict(
                    self._deeds.ask(lambda: wishes.changed(self._applier, command, str(request.get("site", ""))))
                )
        raise CommandError("a request names its command")
