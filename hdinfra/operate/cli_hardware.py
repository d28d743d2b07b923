"""`hdinfra hardware`: racks of one's own, as an inventory describes them."""

from pathlib import Path
from typing import Annotated

import typer

from hdinfra.operate.cli_frame import AsJson, give

hardware = typer.Typer(no_args_is_help=True, help="Racks of your own: is everything there twice, and what if not.")


@hardware.callback()
def _group() -> None:
    """Typer takes a group of one command for that command."""


@hardware.command(
    "check",
    epilog="Examples: [bold]hdinfra hardware check hardware.yaml[/bold], "
    "[bold]hdinfra hardware check hardware.yaml --svg racks.svg[/bold], "
    "[bold]hdinfra hardware check hardware.yaml --json | jq '.losses[0]'[/bold]",
)
def check(
    file: Annotated[Path, typer.Argument(help="The inventory, a YAML file with `hardware: NAME`.")],
    svg: Annotated[Path | None, typer.Option("--svg", help="Also draw the racks into this file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check that any one disk, power supply, chain, port, switch, router or server may go, and show what each takes
    along, the weakest points first. Exit 2 with every refusal when a rule is broken. Looks at the file alone."""
    from hdinfra.model.spec_file import load_hardware  # noqa: PLC0415  --help stays fast
    from hdinfra.operate.hardware import check, hardware_json, show_hardware, write_picture  # noqa: PLC0415

    found = check(load_hardware(file))
    if svg:
        write_picture(found[0], svg)
    give(as_json, hardware_json(found), lambda console: show_hardware(found, console))
