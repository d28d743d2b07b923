"""`hdinfra failover`: what a failover promises, and what an outage would come to."""

from pathlib import Path
from typing import Annotated

import typer

from hdinfra.operate.cli_frame import AsJson, give

failover = typer.Typer(no_args_is_help=True, help="One service behind several sites: who takes over, and how soon.")

File = Annotated[Path, typer.Argument(help="The failover, a YAML file with `host` and `pools`.")]
LONGEST_SECONDS = 86_400


@failover.command(
    "check",
    epilog="Examples: [bold]hdinfra failover check failover.yaml[/bold], "
    "[bold]hdinfra failover check failover.yaml --json | jq .seconds.recover[/bold]",
)
def check(file: File, as_json: AsJson = False) -> None:
    """Check that a failover can do what it promises, and show how long an outage lasts for users at worst. Exit 2 with
    every refusal when a rule is broken. Looks at the file alone."""
    from hdinfra.model.spec_file import load_failover  # noqa: PLC0415  --help stays fast
    from hdinfra.operate.failover import promise, promise_json, show_promise  # noqa: PLC0415

    found = promise(load_failover(file))
    give(as_json, promise_json(found), lambda console: show_promise(found, console))


@failover.command(
    "simulate",
    epilog="Examples: [bold]hdinfra failover simulate failover.yaml --outage on-prem[/bold], "
    "[bold]hdinfra failover simulate failover.yaml --outage on-prem:600 --outage hetzner:30 --json[/bold]",
)
def simulate(
    file: File,
    outage: Annotated[
        list[str], typer.Option("--outage", metavar="POOL[:SECONDS]", help="Which pool is silent, and how long.")
    ],
    at: Annotated[
        float | None,
        typer.Option(min=0, max=LONGEST_SECONDS, help="When, in seconds after the first probe; left out, the worst."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Play outages through on a clock of their own, with the state machine of the edge that we run: each probe that
    tells something, each switch, and how long users waited. Touches nothing."""
    from hdinfra.model.spec_file import load_failover  # noqa: PLC0415  --help stays fast
    from hdinfra.operate.failover import outage_of, show_simulation, simulated, simulation_json  # noqa: PLC0415

    spec = load_failover(file)
    done = simulated(spec, [outage_of(spec, *_pool_and_seconds(text), at) for text in outage])
    give(as_json, simulation_json(done), lambda console: show_simulation(done, console))


def _pool_and_seconds(text: str) -> tuple[str, float | None]:
    pool, colon, length = text.partition(":")
    if not colon:
        return pool, None
    try:
        seconds = float(length)
    except ValueError:
        seconds = 0.0
    if not 0.001 <= seconds <= LONGEST_SECONDS:
        raise typer.BadParameter(f"`{length}` is no number of seconds up to {LONGEST_SECONDS:,}, as in on-prem:600")
    return pool, seconds
