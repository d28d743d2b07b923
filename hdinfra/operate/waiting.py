"""Waiting for a condition, with a limit on the monotonic clock."""

import time
from collections.abc import Callable

_POLL_SECONDS = 0.1


def seconds_until(condition: Callable[[], bool], *, within: float, every: float = _POLL_SECONDS) -> float | None:
    """How long it took until the condition held; None when the limit passed first. `every`: seconds between looks."""
    begin = time.monotonic()
    while True:
        if condition():
            return round(time.monotonic() - begin, 3)
        if time.monotonic() - begin > within:
            return None
        time.sleep(every)
