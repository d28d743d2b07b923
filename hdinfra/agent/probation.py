"""A version on probation: what went well before it must go well after it, or the machine goes back. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

_STRIKES = 3
"""Bad looks in a row: one is a hiccup."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look. `programs`: whether each serves. `sites`: status of each that was asked, 0 for no answer. `lives`:
    what changes when systemd starts a program again."""

    programs: Mapping[str, bool]
    sites: Mapping[str, int]
    lives: Mapping[str, str] = field(default_factory=dict)


def well(sites: Mapping[str, int]) -> frozenset[str]:
    """The sites that answer, and not with an error of the server."""
    return frozenset(host for host, status in sites.items() if 0 < status < 500)


class Probation:
    """Watches one version until `ends_at` (monotonic seconds). `was_well`: sites that answered before it."""

    def __init__(self, ends_at: float, was_well: frozenset[str]) -> None:
        self.ends_at = ends_at
        self.was_well = was_well
        self._strikes: dict[str, int] = {}
        self._lives: dict[str, str] = {}
        self._looked = False

    @property
    def in_doubt(self) -> bool:
        """Whether nothing was seen of it yet, or something bad in the last look: then nobody may build on it."""
        return not self._looked or any(self._strikes.values())

    @property
    def suspects(self) -> frozenset[str]:
        """Sites with strikes: they are asked again first."""
        return frozenset(name for name, count in self._strikes.items() if count and name in self.was_well)

    def judge(self, look: Look) -> str | None:
        """Why the version must go, None while it may stay."""
        self._looked = True
        for unit, life in look.lives.items():
            if self._lives.setdefault(unit, life) != life:
                return f"{unit} crashed with it and was started again"
        for program, serves in look.programs.items():
            if self._struck(program, bad=not serves):
                return f"{program} stopped serving with it"
        for host, status in look.sites.items():
            if host in self.was_well and self._struck(host, bad=not 0 < status < 500):
                return f"{host} answered before it, and now {f'with {status}' if status else 'not at all'}"
        return None

    def _struck(self, name: str, *, bad: bool) -> bool:
        self._strikes[name] = self._strikes.get(name, 0) + 1 if bad else 0
        return self._strikes[name] >= _STRIKES
