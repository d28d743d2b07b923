"""What this machine was told at its first boot: who it is, whom to trust, and where the API machines are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .durable import write_whole
from .link import Endpoint
from .paths import FIRST_BOOT, IDENTITY
from .versions import Trust


@dataclass(frozen=True, slots=True)
class FirstBoot:
    """`root`: the stack's root certificate, PEM. `policy`: a document to begin with, None to wait for one. `code`: the
    bundle that was fetched at first boot (its SHA-256), empty where there was none."""

    machine: str
    role: str
    trust: Trust
    root: str
    endpoints: tuple[Endpoint, ...]
    policy: bytes | None
    code: str


def read_first_boot(root: Path) -> FirstBoot | None:
    """None on a machine without a control plane; ValueError when the files are there and not readable as such."""
    path = root / FIRST_BOOT.lstrip("/")
    if not path.exists():
        return None
    try:
        identity = json.loads((root / IDENTITY.lstrip("/")).read_bytes())
        return _first_boot(identity, json.loads(path.read_bytes()))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{FIRST_BOOT}: {type(error).__name__} {error}") from error


def token_of(root: Path) -> str:
    """The enrolment token; empty once it was used."""
    return str(json.loads((root / FIRST_BOOT.lstrip("/")).read_bytes()).get("token") or "")


def drop_token(root: Path) -> None:
    """It was used, and shall lie nowhere."""
    path = root / FIRST_BOOT.lstrip("/")
    found = json.loads(path.read_bytes())
    if found.get("token"):
        write_whole(path, json.dumps({**found, "token": None}, sort_keys=True).encode(), 0o600)


def _first_boot(identity: Mapping[str, Any], told: Mapping[str, Any]) -> FirstBoot:
    policy = told.get("policy")
    return FirstBoot(
        machine=str(identity["name"]),
        role=str(identity["role"]),
        trust=Trust(str(told["signer"]), str(identity["zone"]), str(identity["name"])),
        root=str(told["root"]),
        endpoints=tuple(_endpoint(each) for each in told["endpoints"]),
        policy=json.dumps(policy, sort_keys=True, separators=(",", ":")).encode() if policy else None,
        code=str((told.get("code") or {}).get("sha256", "")),
    )


def _endpoint(told: Mapping[str, Any]) -> Endpoint:
    addresses = tuple(str(told[family]) for family in ("ipv6", "ipv4") if told.get(family))
    return Endpoint(str(told["name"]), addresses, int(told["port"]))
