"""Tables for people, all alike."""

from collections.abc import Iterable, Sequence

from rich.markup import escape
from rich.table import Table
from rich.text import Text


def table(heads: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    """Rows under heads. What machines and users wrote is shown as it is; only a Text has colour."""
    made = Table(box=None, header_style="bold", pad_edge=False)
    for head in heads:
        made.add_column(head, overflow="fold")  # an address cut short is no address
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else escape(cell) for cell in row))
    return made


def seconds(value: float | None) -> str:
    """How long something took; `never` for what did not come."""
    return "never" if value is None else f"{value:.1f} s"
