"""One deed for many things at once."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")
_PARALLEL = 8


def each(deed: Callable[[_T], _R], of: Iterable[_T]) -> list[_R]:
    """Do it for all at once, in their order; the first error is raised after all have ended."""
    with ThreadPoolExecutor(_PARALLEL) as pool:
        return list(pool.map(deed, of))
