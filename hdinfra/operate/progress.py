"""What a human sees while the engine works: one line per resource that changes, with how long it took."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.markup import escape

_DONE = {
    "create": "created",
    "update": "updated",
    "delete": "removed",
    "replace": "replaced",
    "create-replacement": "created anew",
    "delete-replaced": "removed the old",
}
_QUIET_PACKAGES = ("pulumi:pulumi:", "pulumi:providers:", "hdinfra:index:")


@dataclass(slots=True)
class Progress:
    """Talks on standard error; data is never printed here."""

    console: Console
    started: float = field(default_factory=time.monotonic)
    begun: dict[str, float] = field(default_factory=dict)

    def say(self, text: str) -> None:
        """One line of talk."""
        self.console.print(escape(text), highlight=False, soft_wrap=True)

    def event(self, event: Mapping[str, Any]) -> None:
        """Show one event of the engine, if a human wants to know of it."""
        if before := event.get("resourcePreEvent"):
            self.begun[before["metadata"]["urn"]] = time.monotonic()
        elif after := event.get("resOutputsEvent"):
            self._finished(after["metadata"])
        elif failed := event.get("resOpFailedEvent"):
            self._line("[red]x[/red]", failed["metadata"], f"did not {failed['metadata']['op']}")
        elif (told := event.get("diagnosticEvent")) and told.get("severity") in ("info", "warning"):
            self._pass_on(_without_colours(told["message"]))

    def _pass_on(self, text: str) -> None:
        # PATH is where our plugins are meant to lie; the engine warns of it once for every provider.
        if text and not text.startswith("using pulumi-resource-"):
            self.say(f"    {text}")

    def _finished(self, metadata: Mapping[str, Any]) -> None:
        if metadata["op"] in _DONE and not metadata["type"].startswith(_QUIET_PACKAGES):
            self._line("[green]+[/green]", metadata, _DONE[metadata["op"]])

    def _line(self, mark: str, metadata: Mapping[str, Any], deed: str) -> None:
        kind, name = metadata["type"].rpartition(":")[2], metadata["urn"].rpartition("::")[2]
        took = time.monotonic() - self.begun.get(metadata["urn"], time.monotonic())
        since = time.monotonic() - self.started
        self.console.print(
            f"  {mark} {escape(name):<28} {escape(kind):<8} {deed} in {took:.1f} s  [dim]{since:5.1f} s[/dim]",
            highlight=False,
            soft_wrap=True,
        )


def _without_colours(message: str) -> str:
    parts = [part.rpartition("%}>")[2] for part in message.split("<{%")]
    return "".join(parts).strip()
