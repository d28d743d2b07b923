"""Where things lie on an API machine, and what it was told at its first boot."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hdinfra.protocol.endpoint import Endpoint
from hdinfra.protocol.token import Token

HOME = Path("/var/lib/hdinfra-control")
USER = "hdinfra-control"


@dataclass(frozen=True, slots=True)
class Settings:
    """Who this API machine is. `endpoints`: of all API machines, as they were at its first boot. `admin`: SHA-256 (hex)
    of the stack's own token. `front`: what nginx must say."""

    home: Path
    name: str
    zone: str
    root: str
    signer: str
    endpoints: tuple[Endpoint, ...]
    token: str = field(repr=False)
    admin: str = field(repr=False)
    front: str = field(repr=False)

    @property
    def enrolment(self) -> Token:
        """What the token says; the stack compares, we need the serial."""
        body = json.loads(json.loads(self.token)["body"])
        return Token(body["zone"], body["machine"], body["role"], body["serial"])

    @property
    def server(self) -> Path:
        """What nginx shows: certificate, its authority's, and the key."""
        return self.home / "tls" / "server.pem"


def named_endpoints(document: Mapping[str, Any]) -> tuple[Endpoint, ...]:
    """The API machines that a `control` policy names; none when they are not told as they should be."""
    told = document.get("apis")
    if not isinstance(told, list) or not all(map(_is_endpoint, told)):
        return ()
    return tuple(Endpoint(**api) for api in told)


def _is_endpoint(told: object) -> bool:
    texts = ("name", "ipv4", "ipv6")
    return (
        isinstance(told, dict)
        and told.keys() == {*texts, "port"}
        and all(isinstance(told[name], str) for name in texts)
        and isinstance(told["port"], int)
    )


def boot_facts(first_boot: Mapping[str, Any], identity: Mapping[str, Any]) -> dict[str, Any]:
    """What the API keeps of its machine's first boot."""
    kept = {name: first_boot[name] for name in ("token", "root", "signer", "endpoints", "admin")}
    return {**kept, "name": identity["name"], "zone": identity["zone"]}


def read_settings(home: Path = HOME) -> Settings:
    """As `setup` left them; FileNotFoundError before it ran."""
    facts = json.loads((home / "boot.json").read_text())
    endpoints = tuple(Endpoint(**endpoint) for endpoint in facts.pop("endpoints"))
    return Settings(home=home, front=(home / "front").read_text().strip(), endpoints=endpoints, **facts)
