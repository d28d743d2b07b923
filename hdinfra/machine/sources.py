"""The package's own files, as they go onto a machine."""

import ast
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
    return without_docstrings(files("hdinfra.agent").joinpath(f"{name}.py").read_text(encoding="utf-8"))


def without_docstrings(source: str) -> str:
    """The same program in fewer bytes: user data is scarce. Cuts lines only, so every Python gives the same text."""
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        for first in _docstring(node):
            lines[first.lineno - 1 : first.end_lineno] = [""] * ((first.end_lineno or first.lineno) - first.lineno + 1)
    return "".join(lines)


def _docstring(node: ast.AST) -> list[ast.stmt]:
    """The docstring's statement, where it is not all that the body has."""
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) or len(node.body) < 2:
        return []
    return node.body[:1] if ast.get_docstring(node, clean=False) is not None else []
