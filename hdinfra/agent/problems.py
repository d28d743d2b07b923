"""What is wrong at the moment, each named once in the journal and shown until it is over."""

import sys
import threading

_LONGEST = 400
_MOST = 20


def log(text: str) -> None:
    """One line for the journal."""
    print(text.replace("\n", " | "), file=sys.stderr, flush=True)


class Problems:
    """Texts by what they are about; any thread may say and ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._texts: dict[str, str] = {}

    def say(self, about: str, text: str) -> None:
        """Name it, unless it is named already; logged when its words change."""
        with self._lock:
            news = self._texts.get(about) != text
            self._texts[about] = text
        if news:
            log(f"{about}: {text}")

    def over(self, about: str) -> None:
        """It is no more."""
        with self._lock:
            gone = self._texts.pop(about, None)
        if gone is not None:
            log(f"{about}: over")

    def texts(self) -> list[str]:
        """All that are, sorted, none too long to travel."""
        with self._lock:
            return [f"{about}: {text}"[:_LONGEST] for about, text in sorted(self._texts.items())][:_MOST]
