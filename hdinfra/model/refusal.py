"""What a user is told when a spec cannot be had: all refusals at once, each with its way out."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class Refusal:
    """One reason why a spec is not deployed.

    `rule` is a stable id with a row in docs/rules.md; `path` points into the spec (`instances[2].clusters`); `message`
    shows the value found beside the limit and what would go wrong; `fix` is an order that can be pasted.
    """

    path: str
    rule: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.rule}   {self.path}\n  {self.message}\n  fix: {self.fix}"


class RefusedError(Exception):
    """Carries every refusal of one spec, sorted by path, so that all are mended in one go."""

    def __init__(self, refusals: Iterable[Refusal]) -> None:
        self.refusals = tuple(sorted(set(refusals)))
        super().__init__("\n".join(str(refusal) for refusal in self.refusals))
