"""What this host does when its site's batteries are low, and before its services start again: `/usr/lib/hdinfra/power`.

`down` stops services wave by wave and switches off; `wait SERVICE` holds a service back after an ordered shutdown until
it may start; `up` ends that; `event NAME` notes what NUT says of a battery; `papers` hands NUT the machine's
certificate.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .commands import run
from .paths import BASE, STATE

PLAN = f"{BASE}/power.json"
MARK = f"{STATE}/power-down"
"""There from the beginning of an ordered shutdown until all services were let start again."""


@dataclass(frozen=True, slots=True)
class Stop:
    """One service: stopped `at` seconds after giving up, killed `seconds` later."""

    service: str
    at: float
    seconds: float
    units: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """A service, and where those answer that it waits for: port and addresses, of which one is enough."""

    service: str
    answers: tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Supply:
    """A battery, the host that knows it, and how full it has to be."""

    ups: str
    server: str
    addresses: tuple[str, ...]
    percent: float


@dataclass(frozen=True, slots=True)
class Plan:
    """This host's part of its site's plan. `off_at` in seconds after giving up."""

    stops: tuple[Stop, ...]
    off_at: float
    turns: tuple[Turn, ...]
    supplies: tuple[Supply, ...]
    patience: float


def read_plan(root: Path = Path("/")) -> Plan:
    """From PLAN. OSError or ValueError when there is none that can be read."""
    try:
        told: dict[str, Any] = json.loads((root / PLAN.lstrip("/")).read_bytes())
        return _plan(told)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{PLAN}: {type(error).__name__} {error}") from error


def _plan(told: dict[str, Any]) -> Plan:
    return Plan(
        stops=tuple(
            Stop(str(one["service"]), float(one["at"]), float(one["seconds"]), tuple(map(str, one["units"])))
            for one in told["stops"]
        ),
        off_at=float(told["off_at"]),
        turns=tuple(
            Turn(str(one["service"]), tuple((int(each["port"]), tuple(each["addresses"])) for each in one["answers"]))
            for one in told["turns"]
        ),
        supplies=tuple(
            Supply(str(one["ups"]), str(one["server"]), tuple(one["addresses"]), float(one["percent"]))
            for one in told["supplies"]
        ),
        patience=float(told["patience_seconds"]),
    )


def main(arguments: Sequence[str], root: Path = Path("/")) -> int:
    """One deed; 0 well, 1 not, 2 wrong use."""
    from . import power_down, power_events, power_papers, power_turn  # noqa: PLC0415  they need what is above

    match arguments:
        case ["down"]:
            power_down.go_down(read_plan(root), root)
        case ["wait", service]:
            power_turn.wait_turn(read_plan(root), service, root)
        case ["up"]:
            (root / MARK.lstrip("/")).unlink(missing_ok=True)
        case ["event", name]:
            power_events.note(name, root)
        case ["papers"]:
            return power_papers.main(root, run)
        case _:
            print("usage: power down|up|papers|wait SERVICE|event NAME", file=sys.stderr)
            return 2
    return 0
