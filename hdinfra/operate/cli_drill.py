"""`hdinfra drill`: break something under load, measure what users saw, and heal it."""

from typing import Annotated

import typer

from hdinfra.operate.cli_frame import AsJson, Directory, Stack, give, progress
from hdinfra.operate.how import How, Poison
from hdinfra.operate.report import SLOWEST_SECONDS, SLOWEST_WITH_BAD_POLICY_SECONDS
from hdinfra.operate.workspace import open_workspace

drills = typer.Typer(no_args_is_help=True, help="Break something under load, measure, and heal it.")

Rate = Annotated[int, typer.Option(min=1, max=2000, help="Requests per second.")]
Slowest = Annotated[float, typer.Option(min=0.1, help="The slowest answer allowed, in seconds.")]


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
) -> None:
    """Lose a whole Cluster under load, then bring it back. Exit 1 when a GET failed or a POST ran twice."""
    from hdinfra.operate import drill, show  # noqa: PLC0415  --help stays fast
    from hdinfra.operate.containers import open_containers  # noqa: PLC0415
    from hdinfra.operate.engine import Engine  # noqa: PLC0415
    from hdinfra.operate.status import declared  # noqa: PLC0415

    known = declared(Engine(open_workspace(directory, stack)))
    order = drill.ClusterLoss(cluster, rate, seconds, how, slowest)
    report = drill.run(order, drill.Zone(known, open_containers()), progress().say)
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
