"""`hdinfra drill`: break something under load, measure what users saw, and heal it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hdinfra.operate.cli_frame import AsJson, Directory, Stack, give, progress
from hdinfra.operate.drills.catalogue import CAPACITY_SECONDS, DRILLS
from hdinfra.operate.how import How, Poison
from hdinfra.operate.report import SLOWEST_SECONDS, SLOWEST_WITH_BAD_POLICY_SECONDS
from hdinfra.operate.workspace import Workspace, open_workspace, write_atomically

if TYPE_CHECKING:
    from hdinfra.operate.drills.finding import Finding

drills = typer.Typer(no_args_is_help=True, help="Break something under load, measure, and heal it.")

Rate = Annotated[int, typer.Option(min=1, max=2000, help="Requests per second.")]
Slowest = Annotated[float, typer.Option(min=0.1, help="The slowest answer allowed, in seconds.")]
Seconds = Annotated[float, typer.Option(min=1, max=3600, help="How long what is broken stays so.")]
Capacity = Annotated[
    float, typer.Option(min=1, help="Seconds from an operator's loss until as many Machines as declared serve again.")
]
Page = Annotated[Path | None, typer.Option("--html", help="Write a page with timeline and maps to this file.")]
ACluster = Annotated[str | None, typer.Option(help="The Cluster to break; left out, the first that carries load.")]
_STACK = "drill"
"""The Zone of three Clusters, of which two carry the load, that is in stacks/drill.yaml."""


@drills.command(
    "cluster-loss",
    epilog="Examples: [bold]hdinfra drill cluster-loss --cluster a[/bold], "
    "[bold]hdinfra drill cluster-loss --cluster b --how freeze --rate 200 --seconds 20 --json[/bold]",
)
def cluster_loss(  # noqa: PLR0913, PLR0917  one parameter an option
    cluster: Annotated[str, typer.Option(help="The Cluster to lose.")],
    rate: Rate = 200,
    seconds: Annotated[float, typer.Option(min=2, max=3600, help="How long; the fault comes midway.")] = 20,
    how: Annotated[How, typer.Option(help="SIGKILL, frozen without a RST, or network cut.")] = How.KILL,
    slowest: Slowest = SLOWEST_SECONDS,
    stack: Stack = "local",
    directory: Directory = None,
    as_json: AsJson = False,
    html: Page = None,
) -> None:
    """Lose a whole Cluster under load, then bring it back. Exit 1 when a GET failed or a POST ran twice."""
    from hdinfra.operate import drill, show  # noqa: PLC0415  --help stays fast
    from hdinfra.operate.containers import open_containers  # noqa: PLC0415
    from hdinfra.operate.drills.cluster_loss import cluster_loss as with_page  # noqa: PLC0415
    from hdinfra.operate.engine import Engine  # noqa: PLC0415
    from hdinfra.operate.status import declared  # noqa: PLC0415

    workspace, talk = open_workspace(directory, stack), progress()
    order = drill.ClusterLoss(cluster, rate, seconds, how, slowest)
    if html is None:
        known = declared(Engine(workspace))
        report = drill.run(order, drill.Zone(known, open_containers()), talk.say)
    else:
        report, finding = with_page(order, workspace, talk)
        _keep_page(html, workspace, [finding])
    give(as_json, report.as_json(), lambda console: show.show_report(report, console))
    if report.broken_promises:
        raise typer.Exit(1)


@drills.command(
    "bad-policy",
    epilog="Examples: [bold]hdinfra drill bad-policy[/bold], "
    "[bold]hdinfra drill bad-policy --how crash --instance web --rate 200 --json[/bold]",
)
def bad_policy(  # noqa: PLR0913, PLR0917  one parameter an option
    how: Annotated[Poison, typer.Option(help="An origin that nobody answers at, or an App that dies.")] = Poison.ERRORS,
    instance: Annotated[str | None, typer.Option(help="Whose policy; left out, the first Instance's.")] = None,
    rate: Rate = 200,
    slowest: Slowest = SLOWEST_WITH_BAD_POLICY_SECONDS,
    stack: Stack = "local",
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Publish a policy that every checker accepts and that does harm, under load. Exit 1 when a GET failed, when more
    than the canary had it, or when the last good policy did not come back. It always ends with that one in force."""
    from hdinfra.operate import bad_policy as drill  # noqa: PLC0415
    from hdinfra.operate import show_policy  # noqa: PLC0415
    from hdinfra.operate.containers import open_containers  # noqa: PLC0415
    from hdinfra.operate.control import control_of  # noqa: PLC0415
    from hdinfra.operate.drill import Zone  # noqa: PLC0415
    from hdinfra.operate.engine import Engine  # noqa: PLC0415
    from hdinfra.operate.status import declared_of  # noqa: PLC0415

    deployed = Engine(open_workspace(directory, stack)).deployed_with_secrets()
    zone = Zone(declared_of(deployed, stack), open_containers())
    order = drill.order_for(zone, instance, how, rate, slowest)
    with control_of(deployed, stack) as control:
        report = drill.run(order, zone, control, progress().say)
    give(as_json, report.as_json(), lambda console: show_policy.show_bad_policy(report, console))
    if report.broken_promises:
        raise typer.Exit(1)


@drills.command(
    "edge-loss",
    epilog="Examples: [bold]hdinfra drill edge-loss[/bold], "
    "[bold]hdinfra drill edge-loss --place west --seconds 20 --html edge.html[/bold]",
)
def edge_loss(  # noqa: PLR0913, PLR0917  one parameter an option
    place: Annotated[str | None, typer.Option(help="The edge's place to lose; left out, the first.")] = None,
    rate: Rate = 200,
    seconds: Seconds = 10,
    slowest: Slowest = SLOWEST_SECONDS,
    stack: Stack = _STACK,
    directory: Directory = None,
    as_json: AsJson = False,
    html: Page = None,
) -> None:
    """Lose one of the edge's places under load, then bring it back. Exit 1 when users of another place noticed."""
    _run("edge-loss", (rate, seconds, place, {"slowest": slowest}), open_workspace(directory, stack), as_json, html)


@drills.command(
    "operator-loss",
    epilog="Example: [bold]hdinfra drill operator-loss --cluster a --html drill.html[/bold]",
)
def operator_loss(  # noqa: PLR0913, PLR0917  one parameter an option
    cluster: ACluster = None,
    rate: Rate = 200,
    seconds: Seconds = 10,
    slowest: Slowest = SLOWEST_SECONDS,
    capacity: Capacity = CAPACITY_SECONDS,
    stack: Stack = _STACK,
    directory: Directory = None,
    as_json: AsJson = False,
    html: Page = None,
) -> None:
    """Lose every Cluster of one operator under load, heal, and restore. Exit 1 when users noticed, or it took long."""
    limits = {"slowest": slowest, "capacity-back": capacity}
    _run("operator-loss", (rate, seconds, cluster, limits), open_workspace(directory, stack), as_json, html)


@drills.command("all", epilog="Example: [bold]hdinfra drill all --html drills.html[/bold]")
def all_drills(  # noqa: PLR0913, PLR0917  one parameter an option
    rate: Rate = 200,
    seconds: Seconds = 10,
    slowest: Slowest = SLOWEST_SECONDS,
    capacity: Capacity = CAPACITY_SECONDS,
    stack: Stack = _STACK,
    directory: Directory = None,
    as_json: AsJson = False,
    html: Page = None,
) -> None:
    """Every drill, one after the other, on one Zone that is up. Exit 1 when any promise was broken."""
    from hdinfra.operate.drills.show import show_findings  # noqa: PLC0415
    from hdinfra.operate.drills.stage import Order  # noqa: PLC0415
    from hdinfra.operate.drills.whole_set import whole_set  # noqa: PLC0415

    workspace = open_workspace(directory, stack)
    limits = {"slowest": slowest, "capacity-back": capacity}
    findings = whole_set(workspace, Order(rate, seconds, None, limits), progress())
    _keep_page(html, workspace, findings)
    well = all(finding.well for finding in findings)
    data = {"well": well, "drills": [finding.as_json() for finding in findings]}
    give(as_json, data, lambda console: show_findings(findings, console))
    if not well:
        raise typer.Exit(1)


def _of_a_cluster(name: str) -> None:
    """A drill that breaks one Cluster."""

    def command(  # noqa: PLR0913, PLR0917  one parameter an option
        cluster: ACluster = None,
        rate: Rate = 200,
        seconds: Seconds = 10,
        slowest: Slowest = SLOWEST_SECONDS,
        stack: Stack = _STACK,
        directory: Directory = None,
        as_json: AsJson = False,
        html: Page = None,
    ) -> None:
        _run(name, (rate, seconds, cluster, {"slowest": slowest}), open_workspace(directory, stack), as_json, html)

    _declare(name, command)


def _of_the_zone(name: str) -> None:
    """A drill that leaves nothing to choose."""

    def command(  # noqa: PLR0913, PLR0917  one parameter an option
        rate: Rate = 200,
        seconds: Seconds = 10,
        slowest: Slowest = SLOWEST_SECONDS,
        stack: Stack = _STACK,
        directory: Directory = None,
        as_json: AsJson = False,
        html: Page = None,
    ) -> None:
        _run(name, (rate, seconds, None, {"slowest": slowest}), open_workspace(directory, stack), as_json, html)

    _declare(name, command)


def _declare(name: str, command: Callable[..., None]) -> None:
    told = f"Breaks {DRILLS[name].breaks}. Under load; exit 1 when a promise was broken."
    example = f"Example: [bold]hdinfra drill {name} --seconds 20 --html drill.html[/bold]"
    drills.command(name, help=told, epilog=example)(command)


for _name in ("flap", "split-view", "site-failover", "slow", "return"):
    _of_a_cluster(_name)
for _name in ("entrance-loss", "control-plane-loss"):
    _of_the_zone(_name)


def _run(
    name: str,
    how: tuple[int, float, str | None, dict[str, float]],
    workspace: Workspace,
    as_json: bool,
    html: Path | None,
) -> None:
    from hdinfra.operate.drills.show import show_finding  # noqa: PLC0415
    from hdinfra.operate.drills.stage import Order  # noqa: PLC0415
    from hdinfra.operate.drills.whole_set import one  # noqa: PLC0415

    finding = one(name, workspace, Order(*how), progress())
    _keep_page(html, workspace, [finding])
    give(as_json, finding.as_json(), lambda console: show_finding(finding, console))
    if not finding.well:
        raise typer.Exit(1)


def _keep_page(path: Path | None, workspace: Workspace, findings: Sequence["Finding"]) -> None:
    if path is None:
        return
    from hdinfra.operate.drills.page import page  # noqa: PLC0415

    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    zones = {drawn.zone for finding in findings for drawn in finding.maps.values()}
    write_atomically(path, page(next(iter(zones), workspace.stack), when, findings))
    progress().say(f"the page: {path}")
