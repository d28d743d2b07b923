"""One measured figure, its baseline and its goal; and the two files in which all are kept."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Figure:
    """`baseline` is what this machine does without us; `ratio` is value over baseline; `goal` is the highest allowed.

    `goal` speaks of the ratio where `goal_is_ratio`, else of the value.
    """

    name: str
    value: float
    unit: str
    goal: float
    baseline: float | None = None
    goal_is_ratio: bool = False

    @property
    def ratio(self) -> float | None:
        """Value over baseline."""
        return round(self.value / self.baseline, 2) if self.baseline else None

    @property
    def reached(self) -> bool:
        """Whether the goal is reached; a ratio without a baseline never is."""
        if not self.goal_is_ratio:
            return self.value <= self.goal
        return self.ratio is not None and self.ratio <= self.goal

    def as_json(self) -> dict[str, Any]:
        """Its fields in docs/benchmarks.json, but for the day."""
        goal = f"<= {self.goal:g} x baseline" if self.goal_is_ratio else f"<= {self.goal:g} {self.unit}"
        fields = {key: value for key, value in asdict(self).items() if key not in ("goal", "goal_is_ratio")}
        return {**fields, "ratio": self.ratio, "goal": goal, "reached": self.reached}


def write(figures: Iterable[Figure], folder: Path, day: date) -> list[dict[str, Any]]:
    """Merge into benchmarks.json what was measured that day (all others stay, with theirs) and draw the table anew."""
    path = folder / "benchmarks.json"
    before = json.loads(path.read_text()) if path.exists() else []
    now = {figure.name: {**figure.as_json(), "measured": day.isoformat()} for figure in figures}
    merged = sorted({**{row["name"]: row for row in before}, **now}.values(), key=lambda row: str(row["name"]))
    path.write_text(json.dumps(merged, indent=2) + "\n")
    (folder / "benchmarks.md").write_text(_table(merged))
    return merged


def _table(rows: Sequence[dict[str, Any]]) -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // _MIB
    head = (
        "# Benchmarks\n\n"
        f"Measured with `make bench` on {os.cpu_count()} cores and {memory:,} MiB. "
        "A baseline is what the same machine does without hdinfra.\n\n"
        "| figure | value | baseline | ratio | goal | reached | measured |\n|---|---|---|---|---|---|---|\n"
    )
    return head + "".join(_row(row) for row in rows)


def _row(row: dict[str, Any]) -> str:
    baseline = "-" if row["baseline"] is None else f"{row['baseline']:g} {row['unit']}"
    ratio = "-" if row["ratio"] is None else f"{row['ratio']:g}"
    reached = "yes" if row["reached"] else "**no**"
    value = f"{row['value']:g} {row['unit']}"
    cells = (row["name"], value, baseline, ratio, row["goal"], reached, row["measured"])
    return "".join(f"| {cell} " for cell in cells) + "|\n"
