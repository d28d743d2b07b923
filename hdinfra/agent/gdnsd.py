"""gdnsd, the program of a name server: how it takes its configuration and its zone, and what it knows."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hdinfra.protocol.dns_query import DnsError, Server, ask

from .commands import Run, must
from .commands import run as run_program
from .dns_policy import DnsPolicy
from .paths import POLICY

FOLDER = f"{POLICY}/gdnsd"
CONFIG = f"{FOLDER}/config"
ZONES = f"{FOLDER}/zones/"
HERE = Server("127.0.0.1")
_CONTROL = ("/usr/bin/gdnsdctl", "-c", FOLDER)
_SERIAL = re.compile(r" SOA \S+ \S+ \( ([0-9]+) ")


class GdnsdService:
    """Its configuration: a new daemon takes the sockets over from the old one, so that every question is answered."""

    unit = "gdnsd.service"

    def reads(self, path: str) -> bool:
        """All but zones."""
        return path == CONFIG

    def check(self, stage: str) -> tuple[str, ...]:
        """Configuration and zone together."""
        return ("/usr/sbin/gdnsd", "-c", f"{stage}/gdnsd", "checkconf")

    def activate(self, run: Run, _files: Iterable[str], /) -> None:
        """Start it, or have it replaced; ready when each address was asked for its health once."""
        must(run, "systemctl", "reload-or-restart", "gdnsd.service")

    def serving(self, files: Iterable[str], /) -> bool:
        """It answers for our domain."""
        return all(_serial_of(path) for path in files if path.startswith(ZONES))


class ZoneService:
    """Its zone, which the running daemon reads anew in milliseconds."""

    unit = None

    def reads(self, path: str) -> bool:
        """Zones."""
        return path.startswith(ZONES)

    def check(self, stage: str) -> None:
        """The daemon's own check reads zones too."""

    def activate(self, run: Run, _files: Iterable[str], /) -> None:
        """It answers when the new zone is in force, or says why it keeps the old one."""
        must(run, *_CONTROL, "reload-zones")

    def serving(self, files: Iterable[str], /) -> bool:
        """What it answers is what lies on the disk."""
        return all(_serial_of(path) == _written(path) for path in files if path.startswith(ZONES))


def answers(policy: DnsPolicy) -> dict[str, Any]:
    """What users are answered now, and the health of every address as this server sees it."""
    states = _states()
    return {
        "name": policy.name,
        "entrance": policy.entrance,
        "serial": _serial_of(f"{ZONES}{policy.name}"),
        "entrances": {one.name: _led_to(f"{one.name}.{policy.name}") for one in policy.entrances},
        "places": [
            {"name": place.name, "address": str(address), "up": states.get(str(address))}
            for place in policy.places
            for address in place.addresses
        ],
    }


def _led_to(name: str) -> list[str]:
    """Both families' addresses, or the name elsewhere; nothing where nobody answers."""
    found: list[str] = []
    for kind in ("A", "AAAA"):
        try:
            found += [record.value for record in ask(HERE, name, kind).records]
        except DnsError:
            continue
    return list(dict.fromkeys(found))


def _states() -> Mapping[str, bool]:
    """By address whether its checks are good; nothing where the daemon does not say. Its other states are of no
    address."""
    told = run_program((*_CONTROL, "states"), 5)
    try:
        found = json.loads(told.words[told.words.index("{") :])
    except ValueError:
        return {}
    return {
        thing.rpartition("/")[0]: state["state"] == "UP"
        for thing, state in found.items()
        if thing.endswith("/healthz") and thing.count("/") == 1
    }


def _serial_of(path: str) -> str:
    """The serial that is answered for that file's zone; empty where there is no answer."""
    try:
        return "".join(ask(HERE, path.removeprefix(ZONES), "SOA").values("SOA"))
    except DnsError:
        return ""


def _written(path: str) -> str:
    try:
        found = _SERIAL.search(Path(path).read_text())
    except OSError:
        return "none"  # which is no serial: nothing serves a file that is not there
    return found[1] if found else "none"


GDNSD = GdnsdService()
ZONE = ZoneService()
