"""What a machine remembers of versions: the one in force, the last good ones, and those that went wrong here."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from hdinfra.protocol.seal import ProtocolError

from .durable import write_whole
from .paths import GOOD, RELEASE, SKIPPED
from .versions import Order, Trust, Version, restored, stored

_HISTORY = 5
_MOST_SKIPPED = 50


@dataclass(frozen=True, slots=True)
class Skipped:
    """A version that is not taken again; `reason` None when an operator left it."""

    number: int
    settings: int
    reason: str | None

    @property
    def order(self) -> Order:
        """Its place among versions."""
        return self.number, self.settings


class Memory:
    """Files under `root`. Each is whole; what cannot be read or proven counts as not there."""

    def __init__(self, root: Path, trust: Trust) -> None:
        self._root = root
        self._trust = trust

    def held(self) -> Version | None:
        """The last version that was found good."""
        return self._read(self._at(RELEASE))

    def keep(self, version: Version) -> None:
        """It is good: remember it, and only the last five before it. OSError when the disk does not take it."""
        text = stored(version).encode()
        number, settings = version.order
        write_whole(self._at(f"{GOOD}/{number:012d}-{settings:012d}.json"), text, 0o600)
        write_whole(self._at(RELEASE), text, 0o600)
        for old in self._history()[:-_HISTORY]:
            old.unlink(missing_ok=True)

    def good(self) -> list[Version]:
        """The last good versions, oldest first."""
        return [version for path in self._history() if (version := self._read(path))]

    def skipped(self) -> tuple[Skipped, ...]:
        """Versions that went wrong here."""
        try:
            found = json.loads(self._at(SKIPPED).read_bytes())
            return tuple(Skipped(each["number"], each["settings"], each["reason"]) for each in found)
        except (OSError, ValueError, KeyError, TypeError):
            return ()

    def skip(self, skipped: tuple[Skipped, ...]) -> None:
        """Remember the highest of them."""
        kept = sorted(skipped, key=lambda each: each.order)[-_MOST_SKIPPED:]
        write_whole(self._at(SKIPPED), json.dumps([asdict(each) for each in kept]).encode(), 0o600)

    def _history(self) -> list[Path]:
        return sorted(self._at(GOOD).glob("*.json"))

    def _read(self, path: Path) -> Version | None:
        try:
            return restored(path.read_text(), self._trust)
        except (OSError, ProtocolError, UnicodeDecodeError):
            return None

    def _at(self, path: str) -> Path:
        return self._root / path.lstrip("/")
