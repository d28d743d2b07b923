"""The command line. Data on standard output, talk on standard error; exit 0 well, 1 failed, 2 wrong use."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from hdinfra.model.refusal import RefusedError
from hdinfra.operate.errors import OperateError
from hdinfra.operate.how import How
from hdinfra.operate.progress import Progress
from hdinfra.operate.report import SLOWEST_SECONDS
from hdinfra.operate.workspace import Workspace, open_workspace

_PIPE_WIDTH = 160

app = typer.Typer(
    name="hdinfra",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Zones over many clouds and your own racks: decide, bring up, look, drill, take down.",
)
drills = typer.Typer(no_args_is_help=True, help="Break something under load, measure, and heal it.")
app.add_typer(drills, name="drill")

Stack = Annotated[str, typer.Option("--stack", "-s", help="Which stack: its spec is stacks/NAME.yaml.")]
Directory = Annotated[
    Path | None, typer.Option("--directory", "-C", help="The project's folder; left out, upwards from here.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Plain data on standard output and nothing else there.")]


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
    _give(as_json, show.plan_json(decision), lambda console: show.show_plan(decision, console))


@app.command(epilog="Examples: [bold]hdinfra up[/bold], [bold]hdinfra up --stack india[/bold]")
def up(stack: Stack = "local", directory: Directory = None) -> None:
    """Bring the zone up, or mend it; returns when every edge answers. Run it as often as you like."""
    from hdinfra.operate import show, up  # noqa: PLC0415

    workspace, progress = open_workspace(directory, stack), _progress()
    done = up.up(workspace, progress)
    _summary(done.changes, progress)
    for line in (*done.known.edge_urls, *show.curl_lines(done.known)):
        typer.echo(line)


@app.command(epilog="Example: [bold]hdinfra down[/bold]")
def down(stack: Stack = "local", directory: Directory = None) -> None:
    """Take the zone down: leaves nothing but the image cache and the lock file."""
    from hdinfra.operate import down  # noqa: PLC0415

    workspace, progress = open_workspace(directory, stack), _progress()
    leftovers = down.down(workspace, progress)
    progress.say(f"stack `{stack}` is down" + (f"; {leftovers} leftovers were removed by label" if leftovers else ""))


@app.command(epilog="Examples: [bold]hdinfra status[/bold], [bold]hdinfra status --json | jq .clusters[/bold]")
def status(stack: Stack = "local", directory: Directory = None, as_json: AsJson = False) -> None:
    """Look at every machine; exit 1 when one is not well."""
    from hdinfra.operate import show  # noqa: PLC0415
    from hdinfra.operate.containers import open_containers  # noqa: PLC0415
    from hdinfra.operate.engine import Engine  # noqa: PLC0415
    from hdinfra.operate.status import declared, look  # noqa: PLC0415

    known = declared(Engine(open_workspace(directory, stack)))
    seen = look(known, open_containers())
    _give(as_json, seen.zone, lambda console: show.show_status(seen.zone, seen.unwell, console))
    if seen.unwell:
        raise typer.Exit(1)


@drills.command(
    "cluster-loss",
    epilog="Examples: [bold]hdinfra drill cluster-loss --cluster a[/bold], "
    "[bold]hdinfra drill cluster-loss --cluster b --how freeze --rate 200 --seconds 20 --json[/bold]",
)
def cluster_loss(  # noqa: PLR0913, PLR0917  one parameter an option
    cluster: Annotated[str, typer.Option(help="The Cluster to lose.")],
    rate: Annotated[int, typer.Option(min=1, max=2000, help="Requests per second.")] = 200,
    seconds: Annotated[float, typer.Option(min=2, max=3600, help="How long; the fault comes midway.")] = 20,
    how: Annotated[How, typer.Option(help="SIGKILL, frozen without a RST, or network cut.")] = How.KILL,
    slowest: Annotated[float, typer.Option(min=0.1, help="The slowest answer allowed, in seconds.")] = SLOWEST_SECONDS,
    stack: Stack = "local",
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Lose a whole Cluster under load, then bring it back. Exit 1 when a GET failed or a POST ran twice."""
    from hdinfra.operate import drill, show  # noqa: PLC0415
    from hdinfra.operate.containers import open_containers  # noqa: PLC0415
    from hdinfra.operate.engine import Engine  # noqa: PLC0415
    from hdinfra.operate.status import declared  # noqa: PLC0415

    known = declared(Engine(open_workspace(directory, stack)))
    order = drill.ClusterLoss(cluster, rate, seconds, how, slowest)
    report = drill.run(order, drill.Zone(known, open_containers()), _progress().say)
    _give(as_json, report.as_json(), lambda console: show.show_report(report, console))
    if report.broken_promises:
        raise typer.Exit(1)


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


def _give(as_json: bool, data: dict[str, Any], show: Callable[[Console], None]) -> None:
    if as_json:
        typer.echo(json.dumps(data, indent=2))
        return
    console = Console()
    # Into a file or a pipe nothing needs to fit a window.
    show(console if console.is_terminal else Console(width=_PIPE_WIDTH))


def _summary(changes: dict[str, int], progress: Progress) -> None:
    told = ", ".join(f"{count} {deed}" for deed, count in sorted(changes.items()) if count) or "nothing to do"
    progress.say(f"done: {told}")


def _progress() -> Progress:
    return Progress(Console(stderr=True))
