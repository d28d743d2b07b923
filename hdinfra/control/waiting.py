"""Hanging GETs: whoever waits is woken by the next change instead of asking again."""

import asyncio


class Bell:
    """Rung after each change; belongs to one event loop, as all that it wakes."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def ring(self) -> None:
        """Wake all who wait."""
        rung, self._next = self._next, asyncio.Event()
        rung.set()

    async def wait(self, seconds: float) -> None:
        """Until it rings, or so many seconds are over."""
        try:
            await asyncio.wait_for(self._next.wait(), max(seconds, 0.0))
        except TimeoutError:
            return
