"""`hdinfra policy`: what the management API serves, and the way back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hdinfra.operate.cli_frame import AsJson, Directory, Stack, give, progress
from hdinfra.operate.workspace import open_workspace

if TYPE_CHECKING:
    from hdinfra.operate.control import Control
    from hdinfra.plugins.policy.rollout import Outcome

policies = typer.Typer(no_args_is_help=True, help="Look at what is served, and take a policy back or let it go on.")

Scope = Annotated[str, typer.Argument(help="Whose policy, such as instance-web, edge or control.")]


@policies.command(
    "show",
    epilog="Examples: [bold]hdinfra policy show[/bold], [bold]hdinfra policy show instance-web --json[/bold]",
)
def show(
    scope: Annotated[str | None, typer.Argument(help="Whose policy; left out, all of them in short.")] = None,
    stack: Stack = "local",
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Show which releases are out, or one scope's policy with what was set through the API."""
    from hdinfra.operate import policy, show_policy  # noqa: PLC0415  --help stays fast

    with _control(directory, stack) as control:
        if scope is None:
            releases = policy.list_releases(control)
            give(as_json, {"policies": releases}, lambda console: show_policy.show_releases(releases, console))
        else:
            told = policy.show_scope(control, scope)
            give(as_json, told, lambda console: show_policy.show_scope(told, console))


@policies.command("diff", epilog="Examples: [bold]hdinfra policy diff[/bold], [bold]hdinfra policy diff --json[/bold]")
def diff(stack: Stack = "local", directory: Directory = None, as_json: AsJson = False) -> None:
    """Show what `up` would change of each scope's policy, and which settings it would keep as the API has them."""
    from hdinfra.operate import policy, show_policy  # noqa: PLC0415
    from hdinfra.operate.control import control_of  # noqa: PLC0415
    from hdinfra.operate.decide import decide  # noqa: PLC0415
    from hdinfra.operate.documents import planned_documents  # noqa: PLC0415
    from hdinfra.operate.engine import Engine  # noqa: PLC0415

    workspace = open_workspace(directory, stack)
    deployed = Engine(workspace).deployed_with_secrets()
    thumbprints = deployed.named("thumbprint") if deployed else frozenset()
    planned = planned_documents(decide(workspace, deployed).plan, next(iter(thumbprints), ""))
    with control_of(deployed, stack) as control:
        found = policy.diff_scopes(control, planned)
    data = {"scopes": [one.as_json() for one in found]}
    give(as_json, data, lambda console: show_policy.show_diff(found, console))


@policies.command("history", epilog="Example: [bold]hdinfra policy history instance-web[/bold]")
def history(scope: Scope, stack: Stack = "local", directory: Directory = None, as_json: AsJson = False) -> None:
    """List a scope's releases, newest first, with what each changed."""
    from hdinfra.operate import policy, show_policy  # noqa: PLC0415

    with _control(directory, stack) as control:
        found = policy.history(control, scope)
    give(as_json, {"scope": scope, "history": found}, lambda console: show_policy.show_history(found, console))


@policies.command(
    "rollback",
    epilog="Examples: [bold]hdinfra policy rollback instance-web[/bold], "
    "[bold]hdinfra policy rollback edge --to 3[/bold]",
)
def rollback(
    scope: Scope,
    to: Annotated[int | None, typer.Option(min=1, help="Which release; left out, the last good one.")] = None,
    stack: Stack = "local",
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Give a scope an older release's policy again, one machine first. The next `up` brings the spec's again."""
    from hdinfra.operate import policy  # noqa: PLC0415

    with _control(directory, stack) as control:
        outcome = policy.roll_back(control, scope, to, progress().say)
    _give_outcome(scope, outcome, as_json)


@policies.command("release", epilog="Example: [bold]hdinfra policy release instance-web[/bold]")
def release(scope: Scope, stack: Stack = "local", directory: Directory = None, as_json: AsJson = False) -> None:
    """Let a roll-out go on that a killed `up` left at its canary."""
    from hdinfra.operate import policy  # noqa: PLC0415

    with _control(directory, stack) as control:
        outcome = policy.resume(control, scope, progress().say)
    _give_outcome(scope, outcome, as_json)


def _control(directory: Path | None, stack: str) -> "Control":
    from hdinfra.operate.control import open_control  # noqa: PLC0415
    from hdinfra.operate.engine import Engine  # noqa: PLC0415

    return open_control(Engine(open_workspace(directory, stack)))


def _give_outcome(scope: str, outcome: "Outcome", as_json: bool) -> None:
    from hdinfra.operate import show_policy  # noqa: PLC0415

    data = {"scope": scope, **show_policy.outcome_json(outcome)}
    give(as_json, data, lambda console: show_policy.show_outcome(scope, outcome, console))
    if not outcome.serving:
        raise typer.Exit(1)
