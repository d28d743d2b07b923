"""Licences for people, as tables, and as plain data for `--json`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console

from hdinfra.licence.licence import Licence, moment
from hdinfra.operate.tables import table

if TYPE_CHECKING:
    from hdinfra.operate.licence import Verdict


def licence_json(licence: Licence) -> dict[str, Any]:
    """Its fields; times in seconds since 1970."""
    return {"licence": asdict(licence)}


def verdict_json(verdict: "Verdict") -> dict[str, Any]:
    """Whether it holds, and why not."""
    return {
        "verified": not verdict.refusals,
        "licence": asdict(verdict.licence) if verdict.licence else None,
        "refusals": [{"code": one.code, "message": one.message, "fix": one.fix} for one in verdict.refusals],
    }


def show_licence(licence: Licence, console: Console) -> None:
    """Print what it says."""
    rows = [
        ("tenant", licence.tenant),
        ("apps", ", ".join(licence.apps)),
        ("machines", f"{licence.machines:,}"),
        ("holds from", moment(licence.not_before)),
        ("holds until", moment(licence.expires)),
        ("features", ", ".join(licence.features) or "none"),
        ("issued", moment(licence.issued)),
    ]
    console.print(table(("licence", licence.id), rows))


def show_claim(licence: Licence, console: Console) -> None:
    """Print what it says, and that nobody has verified it."""
    show_licence(licence, console)
    console.print("not verified: `hdinfra licence verify` does that, with the vendor's public key")


def show_verdict(verdict: "Verdict", console: Console) -> None:
    """Print what was verified; the reasons against it are talk."""
    if verdict.licence:
        show_licence(verdict.licence, console)
    if not verdict.refusals:
        console.print("the vendor issued it, and it holds now")
