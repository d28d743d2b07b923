"""When a machine may say that it serves, as policy has it."""

import re
from dataclasses import dataclass

from .fields import between, boolean, matching, record

_LOOPBACK = re.compile(
    r"(?=.{1,200}\Z)http://(?:127\.0\.0\.1|localhost)(?::[1-9][0-9]{0,4})?(?:/[A-Za-z0-9._~-]+)*/?\Z"
)


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """Bounds, and what keeps a machine from saying that it serves. `writes` and `rejoin` are addresses on the machine
    itself, None for none; `silence_seconds` is None where it does not matter who asks."""

    latch: bool = False
    outage_seconds: int = 3
    disk_free_percent: int = 3
    load_per_core: int = 50
    writes: str | None = None
    rejoin: str | None = None
    silence_seconds: int | None = None


_loopback = matching(_LOOPBACK, "an address on this machine (http://127.0.0.1:PORT/PATH)")
health_policy = record(
    HealthPolicy,
    {
        "latch": boolean,
        "outage_seconds": between(1, 3_600),
        "disk_free_percent": between(0, 90),
        "load_per_core": between(1, 1_000),
    },
    later={"writes": _loopback, "rejoin": _loopback, "silence_seconds": between(2, 86_400)},
)
