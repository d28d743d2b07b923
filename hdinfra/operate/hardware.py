"""`hdinfra hardware check`: an inventory's rules, what its parts may take along, and its picture."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from hdinfra.model.hardware.checked import Remark, checked, remarks
from hdinfra.model.hardware.inventory import Inventory, Kind
from hdinfra.model.hardware.picture import picture
from hdinfra.model.hardware.spec import HardwareSpec
from hdinfra.model.hardware.weakest import Assessment, Loss, assess
from hdinfra.model.hardware.what_if import Standing, WhatIf
from hdinfra.operate.errors import OperateError
from hdinfra.operate.tables import table

Json = dict[str, Any]
_SHOWN = 10
"""So many weak points are shown; `--json` has them all."""
_EFFECT = ("hosts lost", "services down", "tightest service then")
Checked = tuple[Inventory, Assessment, tuple[Remark, ...]]


def check(spec: HardwareSpec) -> Checked:
    """Everything about an inventory. Raises RefusedError with every refusal."""
    inventory = checked(spec)
    return inventory, assess(WhatIf(inventory)), remarks(inventory)


def write_picture(inventory: Inventory, path: Path) -> None:
    """The picture into that file. OperateError when it cannot be written."""
    try:
        path.write_text(picture(inventory), encoding="utf-8")
    except OSError as error:
        raise OperateError(f"`{path}` cannot be written.", retry="another path with --svg") from error


def hardware_json(found: Checked) -> Json:
    """All of it as plain data."""
    inventory, assessment, told = found
    return {
        "hardware": inventory.spec.hardware,
        "services": [_standing_json(one) for one in WhatIf(inventory).without()],
        "losses": [_loss_json(loss) for loss in assessment.singles],
        "pairs": [_loss_json(loss) for loss in assessment.pairs],
        "pairs_tried": assessment.pairs_tried,
        "remarks": [asdict(remark) for remark in told],
    }


def _loss_json(loss: Loss) -> Json:
    return {
        "parts": [{"kind": str(part.kind), "name": part.name} for part in loss.parts],
        "hosts_lost": loss.hosts_lost,
        "down": [one.service for one in loss.down],
        "tightest": _standing_json(loss.tightest) if loss.tightest else None,
    }


def _standing_json(standing: Standing) -> Json:
    return {**asdict(standing), "headroom": standing.headroom}


def show_hardware(found: Checked, console: Console) -> None:
    """Print what was counted, then the weakest points, then what is worth knowing besides."""
    inventory, assessment, told = found
    console.print(f"[bold]{escape(inventory.spec.hardware)}[/bold]: {_count(inventory)}; every rule is kept")
    console.print(table(("service", "hosts", "needs", "outlives any"), _service_rows(inventory)))
    console.print(table(("what if one is lost", "of", *_EFFECT), _kind_rows(assessment)))
    weak = [loss for loss in assessment.singles if loss.hosts_lost]
    console.print(table(("weakest points", *_EFFECT), _loss_rows(weak)))
    _more(len(weak), "single losses", console)
    if assessment.pairs_tried is None:
        console.print("pairs were not tried: there are too many")
    else:
        title = f"worst of {assessment.pairs_tried:,} pairs"
        console.print(table((title, *_EFFECT), _loss_rows(assessment.pairs)))
        _more(len(assessment.pairs), "pairs", console)
    for remark in told:
        console.print(f"[yellow]{escape(remark.path)}:[/yellow] {escape(remark.message)}", soft_wrap=True)


def _more(found: int, what: str, console: Console) -> None:
    if found > _SHOWN:
        console.print(f"and {found - _SHOWN:,} more {what}; --json has them all")


def _count(inventory: Inventory) -> str:
    spec = inventory.spec
    counts = {
        "site": len(spec.sites),
        "rack": len(inventory.sites),
        "server": len(spec.servers),
        "spare": len(spec.spares),
        "host": len(spec.hosts),
        "service": len(spec.services),
    }
    return ", ".join(f"{count:,} {name}{'' if count == 1 else 's'}" for name, count in counts.items())


def _service_rows(inventory: Inventory) -> Iterator[tuple[str, ...]]:
    for service in inventory.spec.services:
        yield (service.name, str(len(set(service.hosts))), str(service.needs), str(service.spread))


def _kind_rows(assessment: Assessment) -> Iterator[tuple[str | Text, ...]]:
    for kind in Kind:
        if worst := assessment.worst_of(kind):
            yield (str(kind), f"{len(list(assessment.of(kind))):,}", *_effect(worst))


def _loss_rows(losses: Sequence[Loss]) -> Iterator[tuple[str | Text, ...]]:
    for loss in losses[:_SHOWN]:
        yield (" + ".join(str(part) for part in loss.parts), *_effect(loss))


def _effect(loss: Loss) -> tuple[str | Text, ...]:
    down = Text(", ".join(one.service for one in loss.down), "red") if loss.down else Text("none", "green")
    tight = loss.tightest
    left = f"{tight.service}: {tight.serving} serve, {tight.needs} needed" if tight else "none"
    return (f"{loss.hosts_lost:,}" if loss.hosts_lost else "none", down, left)
