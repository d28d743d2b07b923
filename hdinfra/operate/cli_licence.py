"""`hdinfra licence`: the vendor's side of bring-your-own-licence, and a look at what a customer was given."""

from pathlib import Path
from typing import Annotated

import typer

from hdinfra.operate.cli_frame import AsJson, give, progress

licences = typer.Typer(no_args_is_help=True, help="Make a vendor's key, issue licences, look at them and verify them.")

File = Annotated[Path, typer.Argument(help="The licence file.")]
KeyFile = Annotated[Path, typer.Option("--key", help="The file of the private key, mode 0600.")]


@licences.command("keygen", epilog="Example: [bold]hdinfra licence keygen --key vendor.key > vendor.pub[/bold]")
def keygen(key: KeyFile, as_json: AsJson = False) -> None:
    """Write a new private key that never leaves its file, and print the public key, which customers get."""
    from hdinfra.operate.licence import make_key  # noqa: PLC0415  --help stays fast

    public = make_key(key)
    progress().say(f"wrote {key}: keep a copy in a safe place, and never give it to a stack")
    give(as_json, {"key": str(key), "public_key": public}, lambda console: console.print(public, highlight=False))


@licences.command(
    "issue",
    epilog="Example: [bold]hdinfra licence issue --key vendor.key --tenant acme --app waf --machines 4 "
    "--expires 2027-11-21 --out acme.licence[/bold]",
)
def issue(  # noqa: PLR0913, PLR0917  one parameter an option
    key: KeyFile,
    tenant: Annotated[str, typer.Option(help="Which customer it is for.")],
    app: Annotated[list[str], typer.Option(help="An App that it covers; repeat it for more.")],
    machines: Annotated[int, typer.Option(help="How many machines may run at a time, all Apps together.")],
    expires: Annotated[str, typer.Option(help="Its last day (UTC), such as 2027-11-21.")],
    out: Annotated[Path, typer.Option(help="Where to write it.")],
    not_before: Annotated[str | None, typer.Option(help="Its first day (UTC); left out, today.")] = None,
    feature: Annotated[list[str] | None, typer.Option(help="A feature that it names; repeat it for more.")] = None,
    as_json: AsJson = False,
) -> None:
    """Sign a licence and write its file. To renew one, issue another: nothing that was issued can be called back."""
    from hdinfra.operate.licence import Grant, issue_licence  # noqa: PLC0415
    from hdinfra.operate.show_licence import licence_json, show_licence  # noqa: PLC0415

    grant = Grant(tenant, app, machines, expires, not_before, feature or ())
    try:
        licence = issue_licence(grant, key, out)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong)) from None
    progress().say(f"wrote {out}")
    give(as_json, {"file": str(out), **licence_json(licence)}, lambda console: show_licence(licence, console))


@licences.command("show", epilog="Example: [bold]hdinfra licence show acme.licence --json[/bold]")
def show(file: File, as_json: AsJson = False) -> None:
    """Show what a licence file claims. Not verified: without the public key anybody could have written it."""
    from hdinfra.operate.licence import look_at  # noqa: PLC0415
    from hdinfra.operate.show_licence import licence_json, show_claim  # noqa: PLC0415

    licence = look_at(file)
    give(as_json, {"verified": False, **licence_json(licence)}, lambda console: show_claim(licence, console))


@licences.command(
    "verify",
    epilog='Example: [bold]hdinfra licence verify acme.licence --public-key "$(cat vendor.pub)" --app waf '
    "--machines 4[/bold]",
)
def verify(  # noqa: PLR0913, PLR0917
    file: File,
    public_key: Annotated[str, typer.Option(help="The vendor's public key, as `keygen` printed it.")],
    app: Annotated[str | None, typer.Option(help="An App to run; left out, any that it covers.")] = None,
    machines: Annotated[int, typer.Option(min=1, help="How many machines to run.")] = 1,
    tenant: Annotated[str | None, typer.Option(help="Whose it must be.")] = None,
    ledger: Annotated[Path | None, typer.Option(help="A ledger of seats, which remembers the latest time.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether the vendor issued this file and it holds now; exit 1 with every reason when not."""
    from hdinfra.operate.licence import verify_file  # noqa: PLC0415
    from hdinfra.operate.show_licence import show_verdict, verdict_json  # noqa: PLC0415

    verdict = verify_file(file, public_key, app=app, machines=machines, tenant=tenant, ledger=ledger)
    give(as_json, verdict_json(verdict), lambda console: show_verdict(verdict, console))
    if verdict.refusals:
        for refusal in verdict.refusals:
            typer.echo(str(refusal), err=True)
        raise typer.Exit(1)
