"""A writer of nginx configuration out of which no value can escape."""

from collections.abc import Sequence

Directive = tuple[str, ...]


def quoted(value: str) -> str:
    """One nginx argument. Refuses what quoting cannot hold: line ends, NUL, and `$`, which nginx always expands."""
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise ValueError(f"a control character cannot be written: {value!r:.80}")
    if "$" in value:
        raise ValueError(f"nginx would expand a variable: {value!r:.80}")
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class Nginx:
    """Collects directives. `words` are ours and written as they are, `values` come from outside and are quoted."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 0

    def put(self, *words: str, values: Sequence[str] = ()) -> None:
        """One directive of our own words, then quoted values."""
        self._line(" ".join([*words, *map(quoted, values)]) + ";")

    def open(self, *words: str) -> None:
        """Begin a block."""
        self._line(" ".join(words) + " {")
        self._depth += 1

    def close(self) -> None:
        """End the innermost block."""
        self._depth -= 1
        self._line("}")

    def text(self) -> str:
        """The whole; every block must be closed."""
        if self._depth:
            raise ValueError(f"{self._depth} blocks are still open")
        return "".join(line + "\n" for line in self._lines)

    def _line(self, line: str) -> None:
        self._lines.append("    " * self._depth + line)
