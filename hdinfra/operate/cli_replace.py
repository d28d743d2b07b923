"""`hdinfra replace-host`: who a server is moves to a spare."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from hdinfra.operate.cli_frame import AsJson, Directory, give, progress
from hdinfra.operate.workspace import open_workspace

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from hdinfra.operate.control import Control
    from hdinfra.operate.replace_host import Json

EPILOG = (
    "Examples: [bold]hdinfra replace-host web-1 --with iron-5 --stack paris[/bold], "
    "[bold]hdinfra replace-host web-1 --with iron-5 --dry-run --json[/bold]"
)


def replace_host(  # noqa: PLR0913, PLR0917  one parameter an option
    host: Annotated[str, typer.Argument(help="The identity that moves, by its name under `hosts`.")],
    spare: Annotated[str, typer.Option("--with", help="The server that it moves to, by its name under `spares`.")],
    file: Annotated[Path, typer.Option("--file", help="The inventory of the racks.")] = Path("hardware.yaml"),
    stack: Annotated[
        str | None, typer.Option("--stack", "-s", help="Whose management API is told to refuse the old server's key.")
    ] = None,
    old_is_well: Annotated[
        bool, typer.Option("--old-is-well", help="The server that is left becomes a spare.")
    ] = False,
    in_spite_of: Annotated[
        list[str] | None, typer.Option(help="A rule that need not hold, as a refusal names it; repeat it for more.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be done, and do nothing.")] = False,
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """Move a host (addresses, role, policy, name) to a spare server: edits the inventory, withdraws the old key.

    Nothing is installed or switched off by it; what is left to do is told. The same order again is harmless.
    """
    from hdinfra.model.hardware.replacement import Wish  # noqa: PLC0415  --help stays fast
    from hdinfra.operate.replace_host import as_json as told_of  # noqa: PLC0415
    from hdinfra.operate.replace_host import carry_out, heard_now, ordered  # noqa: PLC0415

    wish, talk = Wish(host, spare, old_is_well, frozenset(in_spite_of or ())), progress()
    with _control(directory, stack) as control:
        order = ordered(file, heard_now(wish, control))
        if not dry_run:
            carry_out(order, control, talk.say)
    told = told_of(order, stack)
    give(as_json, told, lambda console: _show(told, console))


def _control(directory: Path | None, stack: str | None) -> "AbstractContextManager[Control | None]":
    if stack is None:
        return nullcontext()
    from hdinfra.operate.control import open_control  # noqa: PLC0415
    from hdinfra.operate.engine import Engine  # noqa: PLC0415

    return open_control(Engine(open_workspace(directory, stack)))


def _show(told: "Json", console: Console) -> None:
    console.print(escape(f"{told['host']} ({told['role']}): {told['from']} -> {told['to']}"), soft_wrap=True)
    console.print(
        escape(f"  addresses {told['ipv4']} and {told['ipv6']} stay; disks {', '.join(told['disks'])}"), soft_wrap=True
    )
    console.print(
        escape(f"  ports {', '.join(told['macs'])}; spares left: {', '.join(told['spares']) or 'none'}"), soft_wrap=True
    )
    for line in told["changes"]:
        console.print(escape(f"  {line}"), soft_wrap=True)
    for number, step in enumerate(told["next"], start=1):
        console.print(escape(f"{number}. {step}"), soft_wrap=True)
