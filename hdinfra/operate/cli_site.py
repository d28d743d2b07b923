"""`hdinfra site`: the spec's sites, edited without losing a comment, and brought up."""

from typing import Annotated

import typer

from hdinfra.model.spec import Mode
from hdinfra.operate.cli_frame import AsJson, Directory, Stack, give, progress, summary
from hdinfra.operate.site_edit import Edit, NewSite, add_site, origin_of, remove_site, set_mode
from hdinfra.operate.workspace import Workspace, open_workspace

sites = typer.Typer(no_args_is_help=True, help="Add, remove or set a site in the spec, and bring it up.")

Host = Annotated[str, typer.Argument(help="The site's host name.")]
NoUp = Annotated[bool, typer.Option("--no-up", help="Edit the spec only; the next `hdinfra up` carries it out.")]


@sites.command(
    "add",
    epilog="Examples: [bold]hdinfra site add blog.acme.test --tenant acme --origin 192.0.2.10:8080[/bold], "
    "[bold]hdinfra site add x.acme.test --tenant acme --origin lab:acme-shop --mode MITIGATION --no-up[/bold]",
)
def add(  # noqa: PLR0913, PLR0917  one parameter an option
    host: Host,
    tenant: Annotated[str, typer.Option(help="Whose site it is; a new tenant is added.")],
    origin: Annotated[list[str], typer.Option(help="ADDRESS, ADDRESS:PORT or lab:NAME; repeat it for more.")],
    instance: Annotated[str | None, typer.Option(help="Which Instance; left out where the spec has one.")] = None,
    mode: Annotated[Mode | None, typer.Option(help="Left out, RECORD.")] = None,
    paranoia: Annotated[int | None, typer.Option(min=1, max=4, help="Left out, 1.")] = None,
    no_up: NoUp = False,
    stack: Stack = "local",
    directory: Directory = None,
) -> None:
    """Add a site. A spec that would be refused is told, and the file stays as it was."""
    site = NewSite(host, tenant, tuple(map(origin_of, origin)), instance, mode, paranoia)
    change(open_workspace(directory, stack), add_site(site), no_up)


@sites.command("remove", epilog="Example: [bold]hdinfra site remove blog.acme.test[/bold]")
def remove(host: Host, no_up: NoUp = False, stack: Stack = "local", directory: Directory = None) -> None:
    """Remove a site; its tenant stays."""
    change(open_workspace(directory, stack), remove_site(host), no_up)


@sites.command("mode", epilog="Example: [bold]hdinfra site mode shop.acme.test MITIGATION[/bold]")
def mode(
    host: Host,
    mode: Annotated[Mode, typer.Argument(help="BYPASS passes attacks, RECORD records them, MITIGATION refuses them.")],
    no_up: NoUp = False,
    stack: Stack = "local",
    directory: Directory = None,
) -> None:
    """Set a site's mode in the spec. What was set through the API goes before it, and is shown."""
    change(open_workspace(directory, stack), set_mode(host, mode), no_up)


@sites.command("list", epilog="Examples: [bold]hdinfra site list[/bold], [bold]hdinfra site list --json[/bold]")
def list_(stack: Stack = "local", directory: Directory = None, as_json: AsJson = False) -> None:
    """List the spec's sites."""
    from hdinfra.operate.show import show_sites  # noqa: PLC0415  --help stays fast
    from hdinfra.operate.site import list_sites  # noqa: PLC0415

    found = list_sites(open_workspace(directory, stack))
    give(as_json, {"sites": found}, lambda console: show_sites(found, console))


def change(workspace: Workspace, edit: Edit, no_up: bool) -> None:
    """Edit the spec and, unless `no_up`, bring it up."""
    from hdinfra.operate.site import edit_spec  # noqa: PLC0415

    talk = progress()
    edited = edit_spec(workspace, edit)
    name = workspace.spec_file.relative_to(workspace.root)
    talk.say(f"wrote {name}" if edited.changed else f"{name} says so already")
    if no_up:
        talk.say(f"`hdinfra up --stack {workspace.stack}` carries it out")
        return
    from hdinfra.operate.up import up  # noqa: PLC0415

    summary(up(workspace, talk).changes, talk)
