"""`hdinfra heal`, `restore` and `watch`: a Cluster is given up, let back in, and looked after."""

import os
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from hdinfra.operate.cli_frame import AsJson, Directory, Stack, give, progress
from hdinfra.operate.workspace import Workspace, open_workspace

HEAL = (
    "Examples: [bold]hdinfra heal --dry-run[/bold], [bold]hdinfra heal --cluster a --stack india[/bold], "
    "[bold]hdinfra heal --cluster a --json | jq .comes[/bold]"
)
RESTORE = "Example: [bold]hdinfra restore a --stack india[/bold]"
WATCH = (
    "Examples: [bold]hdinfra watch --stack india[/bold], [bold]hdinfra watch --once --json[/bold], "
    "[bold]hdinfra watch --forgive a[/bold]"
)


def heal(  # noqa: PLR0913, PLR0917  one parameter an option
    cluster: Annotated[
        str | None,
        typer.Option(help="The Cluster that you know to be lost; left out, what edges and API machines see."),
    ] = None,
    away: Annotated[
        list[str] | None, typer.Option(help="A Cluster or place that cannot be asked either; repeat it for more.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be done, and do nothing.")] = False,
    over_budget: Annotated[bool, typer.Option("--over-budget", help="Even if `healing.budget` is exceeded.")] = False,
    stack: Stack = "local",
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Give a lost Cluster up: make what it carried elsewhere, from what is deployed, and touch nothing of it."""
    from hdinfra.model.healing.memory import Withdraw  # noqa: PLC0415  --help stays fast
    from hdinfra.operate.heal import HealOrder  # noqa: PLC0415
    from hdinfra.operate.heal import heal as healed_by  # noqa: PLC0415
    from hdinfra.operate.watch import judged_now  # noqa: PLC0415
    from hdinfra.operate.watch_eyes import Eyes  # noqa: PLC0415

    workspace, talk = open_workspace(directory, stack), progress()
    apart = tuple(away or ())
    if cluster is None:
        decision = judged_now(Eyes(workspace), lambda alarm: talk.say(f"{alarm.code}: {alarm.reason}"))
        if not isinstance(decision, Withdraw):
            give(as_json, {"cluster": None, "reason": decision.reason}, lambda out: out.print(escape(decision.reason)))
            return
        cluster, apart = decision.cluster, (*apart, *decision.away)
    done = healed_by(workspace, HealOrder(cluster, apart, dry_run, over_budget), talk)
    told = done.as_json()
    give(as_json, told, lambda out: _show_change(told, out))


def restore(
    cluster: Annotated[str, typer.Argument(help="The Cluster that is back.")],
    stack: Stack = "local",
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Let a Cluster back in gently: machines first, then traffic, then what stood in for it goes."""
    from hdinfra.operate.engine import Engine  # noqa: PLC0415
    from hdinfra.operate.restore import restore as restored_by  # noqa: PLC0415
    from hdinfra.operate.restore import seen_well  # noqa: PLC0415

    workspace = open_workspace(directory, stack)
    done = restored_by(workspace, cluster, progress(), seen_well(Engine(workspace))).as_json()
    give(as_json, done, lambda out: _show_restored(done, out))


def watch(  # noqa: PLR0913, PLR0917  one parameter an option
    interval: Annotated[float, typer.Option(min=0.5, max=3600, help="Seconds between two looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="One look and what follows from it, then end.")] = False,
    forgive: Annotated[
        str | None, typer.Option(help="A Cluster whose flapping is over: forget its past, and end.")
    ] = None,
    stack: Stack = "local",
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Look after a stack: withdraw a Cluster that two witnesses see lost, and alarm where a human is needed.

    What is seen and decided goes to .state/watch/STACK.jsonl; with --json also to standard output.
    """
    workspace = open_workspace(directory, stack)
    if forgive is not None:
        _forgive(workspace, forgive)
        return
    words = [str(workspace.root), stack, str(interval), *(["--once"] if once else []), *(["--json"] if as_json else [])]
    # From here on without the command line's own memory: it runs for months.
    os.execv(sys.executable, [sys.executable, "-m", "hdinfra.operate.watcher", *words])  # noqa: S606  our own arguments


def _forgive(workspace: Workspace, cluster: str) -> None:
    from hdinfra.operate.watcher import journal_of  # noqa: PLC0415

    journal_of(workspace).ask_to_forgive(cluster)
    progress().say(f"`{cluster}` begins anew with the next look of whoever watches `{workspace.stack}`")


def _show_change(told: dict[str, Any], out: Console) -> None:
    verb = "would be" if told["dry_run"] else "was"
    out.print(
        f"`{escape(told['cluster'])}` {verb} withdrawn; {told['untouched']} of its resources are left as they are"
    )
    for name in told["comes"]:
        out.print(f"  [green]+[/green] {escape(name)}")
    for name in told["goes"]:
        out.print(f"  [red]-[/red] {escape(name)}")
    for name in told["avoided"]:
        out.print(f"  {escape(name)} made no new machines, so another operator did")
    out.print(f"about {told['monthly_euro']:,.2f} € more a month; serial {told['serial']}")


def _show_restored(told: dict[str, Any], out: Console) -> None:
    out.print(f"`{escape(told['cluster'])}` takes machines again; serial {told['serial']}")
    for mark, names in (("[green]+[/green]", told["back"]), ("[red]-[/red]", told["gone"])):
        for name in names:
            out.print(f"  {mark} {escape(name)}")
