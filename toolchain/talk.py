"""How the toolchain speaks: one line a step on standard error, one error that says what to do."""

import sys


class ToolchainError(Exception):
    """Something is missing that we may not or cannot get; the message ends with what to do."""


def say(line: str) -> None:
    """Tell what is being done, before it is done."""
    print(f"toolchain: {line}", file=sys.stderr, flush=True)
