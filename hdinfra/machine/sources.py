"""The package's own files, as they go onto a machine."""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from hdinfra.machine.machine import File

_COMMON = (
    "__init__",
    "applier",
    "commands",
    "firewall",
    "haproxy",
    "hdctl",
    "nginx",
    "paths",
    "policy",
    "services",
)


@cache
def asset(name: str) -> str:
    """One of the base system's files."""
    return files("hdinfra.machine").joinpath("assets", name).read_text(encoding="utf-8")


def agent(modules: Iterable[str]) -> tuple[File, ...]:
    """The agent with these modules of one App, and the command that starts it."""
    command = File("/usr/sbin/hdctl", asset("hdctl"), 0o755)
    return (
        command,
        *(File(f"/usr/lib/hdinfra/agent/{name}.py", _source(name)) for name in sorted({*_COMMON, *modules})),
    )


@cache
def _source(name: str) -> str:
    return files("hdinfra.agent").joinpath(f"{name}.py").read_text(encoding="utf-8")
