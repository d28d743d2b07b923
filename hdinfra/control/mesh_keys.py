"""Public keys of the mesh: each machine says its own with its reports, and hears those of the planes it speaks with."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from hdinfra.control.keys import Keys
from hdinfra.control.statements import KeptEntry, Statements

SPEAK: Mapping[str, str] = {"load-balancer": "waf", "waf": "load-balancer"}
"""Role to the role whose keys it is told; the machine's policy says with which of them it has a tunnel."""


class MeshKeys:
    """`entry` says whether a report holds news; `told` and `etag` are what a machine of a role may know."""

    def __init__(self, statements: Statements, keys: Keys) -> None:
        self._statements = statements
        self._keys = keys
        self.forget()

    def forget(self) -> None:
        """Statements have changed."""
        self._told: dict[str, list[dict[str, str]]] = {}
        self._etags: dict[str, str] = {}

    def entry(self, machine: str, said: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
        """Key and body of the entry that a machine's word asks for; None where it is known."""
        key = f"{machine}/{said['version']}"
        body = {"public": said["public"], "switched": said["switched"]}
        known = self._latest(machine).get(key)
        return None if known and dict(known.entry.body) == body else (key, body)

    def etag(self, role: str) -> str:
        """Another one whenever `told` is another; empty where there is nothing to tell."""
        if role not in self._etags:
            text = json.dumps(self.told(role))
            self._etags[role] = hashlib.sha256(text.encode()).hexdigest()[:12] if self.told(role) else ""
        return self._etags[role]

    def told(self, role: str) -> list[dict[str, str]]:
        """Entries as they travel, each with what proves it."""
        if role not in self._told:
            machines = [one for one in self._statements.groups("mesh") if self._keys.role(one) == SPEAK.get(role)]
            kept = [one for machine in machines for one in self._latest(machine).values()]
            self._told[role] = [{"entry": one.sealed.entry, "endorsement": one.sealed.endorsement} for one in kept]
        return self._told[role]

    def _latest(self, machine: str) -> dict[str, KeptEntry]:
        """By key the last word on it; groups are oldest first."""
        return {kept.entry.key: kept for kept in self._statements.group("mesh", machine)}
