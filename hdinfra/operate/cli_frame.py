"""What the verbs of the command line have alike: their options, and how they give data and talk."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from hdinfra.operate.progress import Progress

_PIPE_WIDTH = 160

Stack = Annotated[str, typer.Option("--stack", "-s", help="Which stack: its spec is stacks/NAME.yaml.")]
Directory = Annotated[
    Path | None, typer.Option("--directory", "-C", help="The project's folder; left out, upwards from here.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Plain data on standard output and nothing else there.")]


def give(as_json: bool, data: Any, show: Callable[[Console], None]) -> None:
    """The verb's answer on standard output: as JSON, or as it is shown to people."""
    if as_json:
        typer.echo(json.dumps(data, indent=2))
        return
    console = Console()
    # Into a file or a pipe nothing needs to fit a window.
    show(console if console.is_terminal else Console(width=_PIPE_WIDTH))


def progress() -> Progress:
    """Talk, on standard error."""
    return Progress(Console(stderr=True))


def summary(changes: dict[str, int], talk: Progress) -> None:
    """How many resources of the stack were changed, and how."""
    told = ", ".join(f"{count} {deed}" for deed, count in sorted(changes.items()) if count) or "nothing to do"
    talk.say(f"done: {told}")
