"""`hdinfra tenant`: the spec's tenants, edited without losing a comment, and brought up."""

from typing import Annotated

import typer

from hdinfra.model.spec import HostingPlan
from hdinfra.operate.cli_frame import AsJson, Directory, Stack, give
from hdinfra.operate.cli_site import NoUp, change
from hdinfra.operate.tenant_edit import add_tenant, remove_tenant
from hdinfra.operate.workspace import open_workspace

tenants = typer.Typer(no_args_is_help=True, help="Add, remove or list a tenant in the spec, and bring it up.")

Name = Annotated[str, typer.Argument(help="The tenant's name.")]
Instance = Annotated[str | None, typer.Option(help="Which Instance; left out where only one can be meant.")]


@tenants.command(
    "add",
    epilog="Examples: [bold]hdinfra tenant add initech --plan free[/bold], "
    "[bold]hdinfra tenant add initech --plan large[/bold] (another plan for one that is there)",
)
def add(  # noqa: PLR0913, PLR0917  one parameter an option
    name: Name,
    plan: Annotated[HostingPlan | None, typer.Option(help="What it has booked; left out, small.")] = None,
    instance: Instance = None,
    no_up: NoUp = False,
    stack: Stack = "local",
    directory: Directory = None,
) -> None:
    """Add a tenant, or give one another plan. Its sites come with `hdinfra site add`."""
    change(open_workspace(directory, stack), add_tenant(name, instance, plan), no_up)


@tenants.command(
    "remove",
    epilog="Examples: [bold]hdinfra tenant remove initech[/bold], "
    "[bold]hdinfra tenant remove initech --with-sites[/bold]",
)
def remove(  # noqa: PLR0913, PLR0917  one parameter an option
    name: Name,
    with_sites: Annotated[bool, typer.Option("--with-sites", help="Its sites go too.")] = False,
    instance: Instance = None,
    no_up: NoUp = False,
    stack: Stack = "local",
    directory: Directory = None,
) -> None:
    """Remove a tenant; one that still has sites only when they may go with it. Its logs stay on the machines."""
    change(open_workspace(directory, stack), remove_tenant(name, instance, with_sites=with_sites), no_up)


@tenants.command("list", epilog="Examples: [bold]hdinfra tenant list[/bold], [bold]hdinfra tenant list --json[/bold]")
def list_(stack: Stack = "local", directory: Directory = None, as_json: AsJson = False) -> None:
    """List the spec's tenants with what their plans give."""
    from hdinfra.operate.show import show_tenants  # noqa: PLC0415  --help stays fast
    from hdinfra.operate.tenant import list_tenants  # noqa: PLC0415

    found = list_tenants(open_workspace(directory, stack))
    give(as_json, {"tenants": found}, lambda console: show_tenants(found, console))
