"""What `hdinfra status` gives besides a look at a Zone: the document of status pages, and an edge by itself."""

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from hdinfra.operate.cli_frame import give
from hdinfra.operate.edge_status import ask_over_https, look_at_edge
from hdinfra.operate.status_document import StatusDocument, edge_document, zone_document


def give_zone_document(zone: Mapping[str, Any], uncertified: Sequence[str], out: Path | None) -> None:
    """The document of a look at a Zone, into that file or on standard output."""
    _give(zone_document(zone, uncertified, time.time()), out)


def edge_status(output: Mapping[str, Any], *, as_json: bool, document: bool, out: Path | None) -> bool:
    """Ask an edge's hosts and show what they say; whether the host, and every site that is not drained, serves."""
    seen = look_at_edge(output, ask_over_https)
    if document:
        _give(edge_document(seen, time.time()), out)
    else:
        give(as_json, seen, lambda console: _show(seen, console))
    return bool(seen["serves"]) and not any(pool["serves"] is False and not pool["drained"] for pool in seen["pools"])


def _give(document: StatusDocument, out: Path | None) -> None:
    text = document.model_dump_json(indent=2) + "\n"
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_whole(out, text)


def write_whole(path: Path, text: str) -> None:
    """Whole or not at all: whoever serves the file never serves half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _show(seen: Mapping[str, Any], console: Console) -> None:
    state = "serves" if seen["serves"] else seen["said"]
    console.print(f"{seen['host']}: {state}; a switch takes {seen['recover_seconds']:g} s at worst")
    table = Table("pool", "state", "connectors")
    connectors = {tunnel["name"]: ", ".join(tunnel["connectors"]) for tunnel in seen["tunnels"]}
    for pool in seen["pools"]:
        words = "drained" if pool["drained"] else _words(pool)
        table.add_row(pool["name"], words, connectors.get(pool["name"], ""))
    console.print(table)


def _words(pool: Mapping[str, Any]) -> str:
    if pool["serves"] is None:
        return "not asked: no direct name"
    return "serves" if pool["serves"] else str(pool["said"])
