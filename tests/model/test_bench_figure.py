"""What a benchmark leaves in docs: every figure with the day on which it was measured."""

import json
from datetime import date
from pathlib import Path

from bench.figure import Figure, write
from bench.project import CHECKOUT

FIRST, SECOND = date(2026, 11, 24), date(2026, 11, 29)


def rows(folder: Path) -> list[str]:
    """Of the table, without its head."""
    return [line for line in (folder / "benchmarks.md").read_text().splitlines() if line.startswith("| a")]


def test_a_figure_keeps_its_day_until_it_is_measured_again(tmp_path: Path) -> None:
    write([Figure("a-one", 2, "s", 3), Figure("a-two", 2, "s", 1.5, 1, goal_is_ratio=True)], tmp_path, FIRST)
    write([Figure("a-one", 4, "s", 3)], tmp_path, SECOND)
    assert rows(tmp_path) == [
        "| a-one | 4 s | - | - | <= 3 s | **no** | 2026-11-29 |",
        "| a-two | 2 s | 1 s | 2 | <= 1.5 x baseline | **no** | 2026-11-24 |",
    ]


def test_every_figure_in_the_docs_has_its_day() -> None:
    told = json.loads((CHECKOUT / "docs" / "benchmarks.json").read_text())
    assert len(told) > 20
    assert all(date.fromisoformat(row["measured"]) >= date(2026, 11, 21) for row in told)
    # The table is drawn from the same rows.
    table = (CHECKOUT / "docs" / "benchmarks.md").read_text()
    assert all(f"| {row['name']} " in table and f"{row['measured']} |" in table for row in told)
