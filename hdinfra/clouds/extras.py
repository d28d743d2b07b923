"""SDKs that come with an extra, and what is said where it is not installed."""

from importlib.util import find_spec

import pulumi


def need(package: str, extra: str, what: str) -> None:
    """RunError with the command that gets it, unless that package is installed; `what` needs it."""
    if find_spec(package) is None:
        raise pulumi.RunError(
            f'{what} needs the package `{package}`, which is not installed; fix: pip install "hdinfra[{extra}]"'
        )
