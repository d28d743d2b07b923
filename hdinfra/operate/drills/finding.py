"""What a drill found: verdicts, figures, a timeline and maps. Pure data, from which table, JSON and page are made."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from hdinfra.model.zone_map.zone_map import ZoneMap
from hdinfra.operate.drills.bounds import Drill, Verdict
from hdinfra.operate.drills.timeline import Timeline
from hdinfra.operate.report import Ledger, Traffic


@dataclass(frozen=True, slots=True)
class Finding:
    """One drill's. `about` says what was broken this time; `facts` are further figures in words, for people; `maps`
    are the Zone's by when they were taken."""

    drill: Drill
    about: str
    verdicts: tuple[Verdict, ...]
    traffic: Traffic
    timeline: Timeline
    ledger: Ledger = field(default_factory=Ledger)
    facts: Mapping[str, str] = field(default_factory=dict)
    maps: Mapping[str, ZoneMap] = field(default_factory=dict)

    @property
    def well(self) -> bool:
        """Whether every promise was kept; a drill without any promises nothing and is not well."""
        return bool(self.verdicts) and all(verdict.kept for verdict in self.verdicts)

    @property
    def broken_promises(self) -> tuple[str, ...]:
        """Empty when the drill went well."""
        return tuple(verdict.broken_promise for verdict in self.verdicts if not verdict.kept)

    def as_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {
            "drill": self.drill.name,
            "breaks": self.drill.breaks,
            "about": self.about,
            "well": self.well,
            "bounds": [verdict.as_json() for verdict in self.verdicts],
            "broken_promises": list(self.broken_promises),
            "facts": dict(self.facts),
            "traffic": asdict(self.traffic),
            "ledger": asdict(self.ledger),
            "timeline": self.timeline.as_json(),
            "maps": {when: drawn.as_json() for when, drawn in self.maps.items()},
        }


def of_traffic(traffic: Traffic, ledger: Ledger, due: float) -> dict[str, float | None]:
    """The measures that every drill has, for the bounds of `catalogue.TRAFFIC`. `due`: how many GETs there should have
    been. The slowest of no answer is never."""
    return {
        "gets": 100 * traffic.gets / due if due else 0,
        "failed-gets": traffic.failed_gets,
        "posts-twice": len(ledger.ran_twice),
        "posts-lost": len(ledger.lost),
        "slowest": traffic.slowest_seconds if traffic.requests else None,
    }
