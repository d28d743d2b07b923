"""What a drill promises, declared before it begins, and whether what was measured keeps it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any


class Sense(StrEnum):
    """From which side a limit bounds."""

    AT_MOST = "at most"
    AT_LEAST = "at least"


@dataclass(frozen=True, slots=True)
class Bound:
    """One promise. `key` names the measure; `unit` is `s` for seconds, `%`, or what is counted."""

    key: str
    what: str
    limit: float
    unit: str
    sense: Sense = Sense.AT_MOST

    def shown(self, value: float | None) -> str:
        """A value in this bound's unit; `never` for what did not come."""
        if value is None:
            return "never"
        match self.unit:
            case "s":
                return f"{value:.2f} s"
            case "%":
                return f"{value:.0f} %"
            case _:
                return f"{value:,g} {self.unit}"

    @property
    def told(self) -> str:
        """The limit in words."""
        return f"{self.sense} {self.shown(self.limit)}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A bound with what was measured; None is what never came about, which keeps no promise."""

    bound: Bound
    measured: float | None

    @property
    def kept(self) -> bool:
        """Whether the promise held."""
        if self.measured is None:
            return False
        if self.bound.sense is Sense.AT_MOST:
            return self.measured <= self.bound.limit
        return self.measured >= self.bound.limit

    @property
    def broken_promise(self) -> str:
        """In words what was promised and what came; empty where it was kept."""
        if self.kept:
            return ""
        return f"{self.bound.what}: {self.bound.shown(self.measured)}; {self.bound.told} was promised"

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        bound = self.bound
        return {
            "key": bound.key,
            "what": bound.what,
            "sense": str(bound.sense),
            "limit": bound.limit,
            "unit": bound.unit,
            "measured": self.measured,
            "kept": self.kept,
        }


@dataclass(frozen=True, slots=True)
class Drill:
    """A drill as it is declared: what it breaks, and what it promises all the same."""

    name: str
    breaks: str
    bounds: tuple[Bound, ...]

    def with_limits(self, limits: Mapping[str, float]) -> "Drill":
        """The same with other limits, by key; KeyError for a bound that it has not."""
        unknown = limits.keys() - {bound.key for bound in self.bounds}
        if unknown:
            raise KeyError(f"`{self.name}` has no bound `{sorted(unknown)[0]}`")
        return replace(
            self, bounds=tuple(replace(bound, limit=limits.get(bound.key, bound.limit)) for bound in self.bounds)
        )

    def judge(self, measured: Mapping[str, float | None]) -> tuple[Verdict, ...]:
        """Every bound's verdict. What was not measured at all breaks its bound; a measure without a bound is a defect
        of ours (KeyError), since nobody would ever see it."""
        unbound = measured.keys() - {bound.key for bound in self.bounds}
        if unbound:
            raise KeyError(f"`{self.name}` measured `{sorted(unbound)[0]}`, for which it declares no bound")
        return tuple(Verdict(bound, measured.get(bound.key)) for bound in self.bounds)
