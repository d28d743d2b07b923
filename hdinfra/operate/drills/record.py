"""What is kept of a drill while it runs: events, answers, and maps of the Zone as it was."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hdinfra.model.zone_map.zone_map import ZoneMap
from hdinfra.operate.drills.log import Log
from hdinfra.operate.report import Answer

Views = Mapping[str, Sequence[Mapping[str, Any]] | None]
Photographer = Callable[[Views], ZoneMap | None]


def _nobody(_: Views) -> None:
    return None


@dataclass(slots=True)
class Record:
    """`photographer` draws the Zone by what the edges see now; left out, there are no maps. `due`: how many requests
    there should have been."""

    photographer: Photographer = _nobody
    log: Log = field(default_factory=Log)
    answers: list[Answer] = field(default_factory=list)
    due: float = 0.0
    maps: dict[str, ZoneMap] = field(default_factory=dict)

    def photograph(self, when: str, views: Views) -> None:
        """Keep a map under a name such as `while `a` was away`."""
        drawn = self.photographer(views)
        if drawn is not None:
            self.maps[when] = drawn
