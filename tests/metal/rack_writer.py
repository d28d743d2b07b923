"""Somebody who writes all the while, and knows afterwards whether every byte is there."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.metal.guest import Guest

_PROGRAM = Path(__file__).with_name("steady_writer.py")
_AT, _FILE, _STOP, _TOLD = "/root/steady_writer.py", "/var/lib/steady", "/run/steady-stop", "/run/steady-told"
_UNIT = "steady-writer"


@dataclass
class Written:
    """Filled in when the writer has ended: blocks written, refused by the kernel, not read back as written, and the
    seconds that the slowest took."""

    written: int = 0
    refused: int = 0
    lost: int = 0
    slowest: float = 0.0


@contextmanager
def writing(place: Guest) -> Iterator[Written]:
    """Begins at once, ends with the context; what was found is in the object then."""
    place.put({_AT: _PROGRAM.read_text()})
    place.must("rm", "-f", _STOP)
    output = f"--property=StandardOutput=truncate:{_TOLD}"
    place.must("systemd-run", "--collect", f"--unit={_UNIT}", output, "/usr/bin/python3", "-IB", _AT, _FILE, _STOP)
    place.must("sh", "-c", f"until [ -s {_FILE} ]; do sleep 0.2; done", seconds=120)
    told = Written()
    yield told
    place.must("touch", _STOP)
    place.must("sh", "-c", f"while systemctl -q is-active {_UNIT}; do sleep 0.2; done", seconds=300)
    for name, value in json.loads(place.must("cat", _TOLD)).items():
        setattr(told, name, value)
