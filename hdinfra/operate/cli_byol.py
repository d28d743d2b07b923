"""`hdinfra byol`: for customers who run an App on machines of their own, under a licence."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hdinfra.operate.cli_frame import AsJson, give

if TYPE_CHECKING:
    from rich.console import Console

    from hdinfra.operate.byol import Code, Written

byol = typer.Typer(no_args_is_help=True, help="Bring your own licence: an Instance on machines of your own.")


@byol.command(
    "bundle",
    epilog="Examples: [bold]hdinfra byol bundle web.yaml --out bundles/[/bold], "
    "[bold]hdinfra byol bundle web.yaml --out bundles/ --iso[/bold]",
)
def bundle(
    spec: Annotated[Path, typer.Argument(help="The spec, a YAML file with `byol: NAME` and `install: true`.")],
    out: Annotated[Path, typer.Option(help="Where to write them, a folder a machine; made when missing.")],
    iso: Annotated[bool, typer.Option("--iso", help="Also a seed ISO for cloud-init; needs xorriso.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write what each machine is installed from: a script for a fresh Debian 13, and a seed for cloud-init. First the
    licence is checked, and a seat is taken for each machine in your own ledger: what is not covered is not written. No
    route to the vendor is needed, here or there."""
    from hdinfra.model.spec_file import load_byol  # noqa: PLC0415  --help stays fast
    from hdinfra.operate.byol import check_bundles, take_seats, write_bundles  # noqa: PLC0415
    from hdinfra.planning import planned_byol, read_licence, read_seen  # noqa: PLC0415

    found, now = load_byol(spec), time.time()
    licence = read_licence(found, spec.parent)
    plan = planned_byol(found, licence, now, read_seen(found, spec.parent))
    maker = check_bundles(plan, iso=iso)
    take_seats(plan, licence, spec, now)
    written = write_bundles(plan, out, maker)
    give(as_json, {"bundles": [one.as_json() for one in written]}, lambda console: _show(written, console))


@byol.command("code", epilog="Example: [bold]hdinfra byol code web.yaml --out upload/[/bold]")
def code(
    spec: Annotated[Path, typer.Argument(help="The spec, a YAML file with `byol: NAME`.")],
    out: Annotated[Path, typer.Option(help="The folder for the file; made when missing.")],
    as_json: AsJson = False,
) -> None:
    """Write the file that machines on a cloud fetch at their first boot, for you to upload to the folder that the spec
    names as `code_url`. It is named by its SHA-256, which the stack tells each machine. Another version of hdinfra has
    another file: upload it before the next `pulumi up`, and leave the former beside it."""
    from hdinfra.model.spec_file import load_byol  # noqa: PLC0415
    from hdinfra.operate.byol import write_code  # noqa: PLC0415

    written = write_code(load_byol(spec), out)
    give(as_json, {"code": written.as_json()}, lambda console: _show_code(written, console))


def _show_code(written: "Code", console: "Console") -> None:
    console.print(
        f"{written.file}   {written.bytes:,} bytes, SHA-256 {written.sha256}", soft_wrap=True, highlight=False
    )
    where = written.url or "a web server over HTTPS, and write its folder into the spec: `code_url: https://...`"
    console.print(f"upload it to {where}", soft_wrap=True, highlight=False)


def _show(written: "tuple[Written, ...]", console: "Console") -> None:
    for one in written:
        console.print(f"{one.folder}   SHA256SUMS has SHA-256 {one.sums}", soft_wrap=True)
    console.print("copy each folder to its machine and run `install.sh` there as root", soft_wrap=True)
