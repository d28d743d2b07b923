"""What breaks one rule alone, and what somebody is refused for."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from hdinfra.model.refusal import Refusal, RefusedError
from tests.model.legal import Change


@dataclass(frozen=True)
class RefusalCase:
    """What breaks one rule at one path, and nothing else."""

    rule: str
    path: str
    refuse: Callable[[], object]


def without(path: str) -> Change:
    """Drop the top key of that name."""
    return lambda data: data.pop(path)


def refusals(refuse: Callable[[], object]) -> tuple[Refusal, ...]:
    """What that is refused for; a test fails that is refused nothing."""
    with pytest.raises(RefusedError) as refused:
        refuse()
    return refused.value.refusals
