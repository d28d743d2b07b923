"""`hdinfra edge`: the ways into a Zone, and from one to another."""

from typing import Annotated

import typer

from hdinfra.operate.cli_frame import AsJson, Directory, Stack, give, progress
from hdinfra.operate.workspace import open_workspace

edges = typer.Typer(no_args_is_help=True, help="Show the Zone's entrances, and lead users to another one.")


@edges.command("show", epilog="Examples: [bold]hdinfra edge show[/bold], [bold]hdinfra edge show --json[/bold]")
def show(stack: Stack = "local", directory: Directory = None, as_json: AsJson = False) -> None:
    """Ask every name server where it leads users, and every entrance how it is; exit 1 when servers differ."""
    from hdinfra.operate.edge_show import show_edge  # noqa: PLC0415  --help stays fast
    from hdinfra.operate.show_dns import show_entrances  # noqa: PLC0415

    told = show_edge(open_workspace(directory, stack))
    give(as_json, told, lambda console: show_entrances(told, console))
    if not told["agreed"]:
        raise typer.Exit(1)


@edges.command(
    "switch",
    epilog="Examples: [bold]hdinfra edge switch --to cloudflare[/bold], "
    "[bold]hdinfra edge switch --to edge --force --json[/bold]",
)
def switch(
    to: Annotated[str, typer.Option(help="Which entrance, by its name in the spec.")],
    force: Annotated[bool, typer.Option("--force", help="Whether or not anybody answers there.")] = False,
    stack: Stack = "local",
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Lead the users of all sites to another entrance, and say when each name server does; exit 1 when one does not."""
    from hdinfra.operate.edge_switch import switch_edge  # noqa: PLC0415
    from hdinfra.operate.show_dns import show_switched  # noqa: PLC0415

    done = switch_edge(open_workspace(directory, stack), to, progress(), force=force)
    told = done.as_json()
    give(as_json, told, lambda console: show_switched(told, console))
    if done.seconds is None:
        raise typer.Exit(1)
