"""The command line. Data on standard output, talk on standard error; exit 0 well, 1 failed, 2 wrong use."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from hdinfra.model.refusal import RefusedError
from hdinfra.operate.cli_byol import byol
from hdinfra.operate.cli_drill import drills
from hdinfra.operate.cli_edge import edges
from hdinfra.operate.cli_failover import failover
from hdinfra.operate.cli_frame import AsJson, Directory, Stack, give, progress, summary
from hdinfra.operate.cli_graph import EPILOG as GRAPH_EPILOG
from hdinfra.operate.cli_graph import graph
from hdinfra.operate.cli_hardware import hardware
from hdinfra.operate.cli_heal import HEAL, RESTORE, WATCH, heal, restore, watch
from hdinfra.operate.cli_licence import licences
from hdinfra.operate.cli_metal import metal
from hdinfra.operate.cli_policy import policies
from hdinfra.operate.cli_replace import EPILOG, replace_host
from hdinfra.operate.cli_site import sites
from hdinfra.operate.cli_tenant import tenants
from hdinfra.operate.errors import OperateError
from hdinfra.operate.workspace import Workspace, open_workspace

app = typer.Typer(
    name="hdinfra",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Zones over many clouds and your own racks: decide, bring up, look, drill, take down.",
)
app.add_typer(byol, name="byol")
app.add_typer(drills, name="drill")
app.add_typer(edges, name="edge")
app.add_typer(failover, name="failover")
app.add_typer(hardware, name="hardware")
app.add_typer(licences, name="licence")
app.add_typer(metal, name="metal")
app.add_typer(policies, name="policy")
app.add_typer(sites, name="site")
app.add_typer(tenants, name="tenant")
app.command("graph", epilog=GRAPH_EPILOG)(graph)
app.command("heal", epilog=HEAL)(heal)
app.command("replace-host", epilog=EPILOG)(replace_host)
app.command("restore", epilog=RESTORE)(restore)
app.command("watch", epilog=WATCH)(watch)


@app.command(epilog="Examples: [bold]hdinfra plan[/bold], [bold]hdinfra plan --json | jq .machines[/bold]")
def plan(
    stack: Stack = "local",
    directory: Directory = None,
    as_json: AsJson = False,
    rechoose: Annotated[bool, typer.Option("--rechoose", help="Choose anew and write the lock file.")] = False,
) -> None:
    """Show what would be deployed, with addresses, sizes and price; or every refusal. Changes no deployment."""
    from hdinfra.operate import decide, show  # noqa: PLC0415  --help stays fast

    workspace = open_workspace(directory, stack)
    decision = decide.rechoose(workspace) if rechoose else decide.decide(workspace, None)
    give(as_json, show.plan_json(decision), lambda console: show.show_plan(decision, console))


@app.command(epilog="Examples: [bold]hdinfra up[/bold], [bold]hdinfra up --stack india[/bold]")
def up(stack: Stack = "local", directory: Directory = None) -> None:
    """Bring the zone up, or mend it; returns when every edge answers. Run it as often as you like."""
    from hdinfra.operate import show, site_tls, up  # noqa: PLC0415

    talk, workspace = progress(), open_workspace(directory, stack)
    done = up.up(workspace, talk)
    summary(done.changes, talk)
    secured = site_tls.curl_lines(done.known, site_tls.keep_authority(workspace, done.known))
    for line in (*done.known.edge_urls, *done.known.https_urls, *show.curl_lines(done.known), *secured):
        typer.echo(line)


@app.command(epilog="Example: [bold]hdinfra down[/bold]")
def down(stack: Stack = "local", directory: Directory = None) -> None:
    """Take the zone down: leaves nothing but the image cache and the lock file."""
    from hdinfra.operate import down  # noqa: PLC0415

    talk = progress()
    leftovers = down.down(open_workspace(directory, stack), talk)
    talk.say(f"stack `{stack}` is down" + (f"; {leftovers} leftovers were removed by label" if leftovers else ""))


@app.command(
    epilog="Examples: [bold]hdinfra status[/bold], [bold]hdinfra status --json | jq .clusters[/bold], "
    "[bold]hdinfra status --document --out /srv/www/status.json[/bold]"
)
def status(
    stack: Stack = "local",
    directory: Directory = None,
    as_json: AsJson = False,
    document: Annotated[bool, typer.Option("--document", help="What status pages are fed with.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="With --document: into this file, whole.")] = None,
) -> None:
    """Look at every machine, server and certificate; exit 1 when one is not well, warn of what ends within 21 days."""
    if out and not document:
        raise typer.BadParameter("only the document goes into a file: add --document", param_hint="--out")
    from hdinfra.operate import cli_document, show  # noqa: PLC0415
    from hdinfra.operate.control import alarms_of  # noqa: PLC0415
    from hdinfra.operate.edge_status import is_edge  # noqa: PLC0415
    from hdinfra.operate.engine import Engine  # noqa: PLC0415
    from hdinfra.operate.reports import witness_of  # noqa: PLC0415
    from hdinfra.operate.servers import fails, servers_of  # noqa: PLC0415
    from hdinfra.operate.status import declared_of, look  # noqa: PLC0415

    deployed = Engine(open_workspace(directory, stack)).deployed_with_secrets()
    known = declared_of(deployed, stack)
    if is_edge(known.output):
        if not cli_document.edge_status(known.output, as_json=as_json, document=document, out=out):
            raise typer.Exit(1)
        return
    servers = servers_of(deployed)
    seen = look(known, witness_of(known, deployed, stack), alarms_of(deployed, stack), servers)
    if document:
        cli_document.give_zone_document(seen.zone, seen.uncertified, out)
    else:
        give(as_json, seen.zone, lambda console: show.show_status(seen.zone, seen.unwell, console))
    if seen.unwell or seen.uncertified or any(map(fails, servers)):
        raise typer.Exit(1)


@app.command(epilog="Example: [bold]hdinfra bundle public/ --stack india[/bold]")
def bundle(
    folder: Annotated[Path, typer.Argument(help="Where to write them; made when missing.")],
    stack: Stack = "local",
    directory: Directory = None,
) -> None:
    """Write the code that machines fetch at their first boot, to be served where the spec's `bundles.url` points."""
    from hdinfra.machine.bundle import bundle_of, keep_bundle  # noqa: PLC0415
    from hdinfra.machine.roles import MANAGED  # noqa: PLC0415
    from hdinfra.operate.decide import decide  # noqa: PLC0415

    machines = decide(open_workspace(directory, stack), None).plan.machines
    for role in sorted({machine.role for machine in machines} & MANAGED):
        typer.echo(keep_bundle(bundle_of(role), folder))


@app.command(epilog='Example: [bold]eval "$(hdinfra env)" && pulumi stack output[/bold]')
def env(stack: Stack = "local", directory: Directory = None) -> None:
    """Print shell lines after which plain `pulumi` works on this project's state."""
    workspace: Workspace = open_workspace(directory, stack)
    workspace.prepare()
    typer.echo(workspace.exports)


def run(arguments: Sequence[str]) -> int:
    """Run one command; the exit code. Only a defect of ours ends with a traceback."""
    try:
        app(list(arguments), standalone_mode=True)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except RefusedError as refused:
        _tell_refusals(refused, as_json="--json" in arguments)
        return 2
    except OperateError as failed:
        typer.echo(str(failed), err=True)
        return failed.exit_code
    except ModuleNotFoundError as missing:
        if missing.name != "docker":
            raise
        typer.echo('Provider `local` needs the package `docker`.\nfix: pip install "hdinfra[local]"', err=True)
        return 1
    return 0


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))


def _tell_refusals(refused: RefusedError, *, as_json: bool) -> None:
    if as_json:
        fields = ("rule", "path", "message", "fix")
        found = [{name: getattr(refusal, name) for name in fields} for refusal in refused.refusals]
        typer.echo(json.dumps({"refusals": found}, indent=2))
    typer.echo("\n".join(str(refusal) for refusal in refused.refusals), err=True)
