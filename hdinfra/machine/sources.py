"""The package's own files, as they go onto a machine."""

from functools import cache
from importlib.resources import files


@cache
def asset(name: str) -> str:
    """One of the base system's files."""
    return files("hdinfra.machine").joinpath("assets", name).read_text(encoding="utf-8")
