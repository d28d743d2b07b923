"""Progress on standard error."""

import sys


def say(text: str) -> None:
    """One line of talk."""
    print(f"bench: {text}", file=sys.stderr, flush=True)
