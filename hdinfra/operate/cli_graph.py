"""`hdinfra graph`: the map of a stack, as a picture or as text."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hdinfra.operate.cli_frame import Directory, Stack
from hdinfra.operate.workspace import open_workspace, write_atomically

EPILOG = "Examples: [bold]hdinfra graph > zone.svg[/bold], [bold]hdinfra graph --stack india --format mermaid[/bold]"


class Format(StrEnum):
    """How the map is written."""

    SVG = "svg"
    MERMAID = "mermaid"


def graph(
    stack: Stack = "local",
    directory: Directory = None,
    written_as: Annotated[Format, typer.Option("--format", help="A picture, or text that wikis draw.")] = Format.SVG,
    out: Annotated[Path | None, typer.Option(help="The file to write; left out, standard output.")] = None,
) -> None:
    """Draw the map of a stack: edge, Clusters with operators, Machines, API machines, sites, and who sends to whom.
    Where the stack is up, colours say what is well, what is not, and what is withdrawn."""
    from hdinfra.model.zone_map.mermaid import mermaid  # noqa: PLC0415  --help stays fast
    from hdinfra.model.zone_map.picture import picture  # noqa: PLC0415
    from hdinfra.operate.graph import zone_map  # noqa: PLC0415

    drawn = zone_map(open_workspace(directory, stack))
    text = picture(drawn) if written_as is Format.SVG else mermaid(drawn)
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_atomically(out, text)
