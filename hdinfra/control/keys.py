"""One machine, one key: a second key under the same enrolment revokes both, a newer enrolment ends the older one."""

from hdinfra.control.refusal import RefusedError
from hdinfra.control.statements import Statements
from hdinfra.protocol.certificate import Name

TWO_KEYS = "machine.two-keys"
WITHDRAWN = "withdrawn"
"""Instead of a key's id: an enrolment that nobody has, which ends those before it."""


class Keys:
    """Which keys were seen for each machine, here or at another API machine."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def serial(self, machine: str) -> int:
        """Of its newest enrolment; 0 for a machine that never came."""
        return max(self._seen(machine), default=0)

    def revoked(self, machine: str) -> bool:
        """Whether two keys were seen under its newest enrolment."""
        seen = self._seen(machine)
        return bool(seen) and len(seen[max(seen)]) > 1

    def role(self, machine: str) -> str:
        """What it is; empty for a machine that never came."""
        seen = self._statements.group("key", machine)
        return str(seen[-1].entry.body["role"]) if seen else ""

    def known(self, name: Name, key_id: str) -> bool:
        """Whether this very key was seen."""
        return key_id in self._seen(name.machine).get(name.serial, set())

    def machines(self) -> list[str]:
        """All that ever came."""
        return self._statements.groups("key")

    def check(self, name: Name) -> None:
        """RefusedError `certificate.superseded` or `machine.revoked`."""
        newest = self.serial(name.machine)
        if name.serial < newest:
            raise RefusedError(
                403, "certificate.superseded", f"`{name.machine}` was enrolled again; this is its predecessor's"
            )
        if name.serial == newest and self.revoked(name.machine):
            raise RefusedError(
                403, "machine.revoked", f"`{name.machine}` came with two keys, so neither is believed: make it anew"
            )

    def _seen(self, machine: str) -> dict[int, set[str]]:
        found: dict[int, set[str]] = {}
        for kept in self._statements.group("key", machine):
            _, serial, key_id = kept.entry.key.split("/")
            found.setdefault(int(serial), set()).add(key_id)
        return found


def sighting(name: Name, key_id: str) -> str:
    """The key of the entry that says so."""
    return f"{name.machine}/{name.serial}/{key_id}"
