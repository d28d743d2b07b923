"""What the API owns: numbered entries that converge in whatever order they arrive. Signed by the API machine that
took them, whose key the stack has endorsed."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hdinfra.protocol.seal import ProtocolError, read_unverified, seal, unseal

_ENTRY = "entry"
_ENDORSEMENT = "api-key"


@dataclass(frozen=True, slots=True)
class Entry:
    """The last word on `key` of its kind. `kind`: `setting` (key `<scope>/<host>`) or `token` (key: the token's id).

    Of two entries on one key the higher (`number`, `api`) holds; an empty `body` withdraws what was said.
    `at` in seconds since 1970, `author` is the name of the admin token.
    """

    zone: str
    kind: str
    key: str
    number: int
    api: str
    at: int
    author: str
    body: Mapping[str, Any]

    @property
    def order(self) -> tuple[int, str]:
        """Later is higher; never equal for two different entries."""
        return self.number, self.api


@dataclass(frozen=True, slots=True)
class SealedEntry:
    """An entry with what is needed to believe it; both are texts as they travel."""

    entry: str
    endorsement: str


def endorse(zone: str, api: str, public: str, key: str) -> str:
    """The stack says: this is the key of that API machine."""
    return seal(_ENDORSEMENT, {"api": api, "public": public, "zone": zone}, key)


def seal_entry(entry: Entry, api_key: str, endorsement: str) -> SealedEntry:
    """Signed by an API machine."""
    return SealedEntry(seal(_ENTRY, asdict(entry), api_key), endorsement)


def open_entry(sealed: SealedEntry, signer: str, zone: str) -> Entry:
    """The entry, believed because the stack (`signer`, its public key) endorsed the API machine; else ProtocolError."""
    endorsed = unseal(_ENDORSEMENT, sealed.endorsement, signer)
    claimed = read_unverified(_ENTRY, sealed.entry)
    if endorsed.get("zone") != zone or claimed.get("zone") != zone or claimed.get("api") != endorsed.get("api"):
        raise ProtocolError("entry.foreign", "this entry and its endorsement are not of one API machine of this zone")
    return _entry(unseal(_ENTRY, sealed.entry, str(endorsed.get("public"))))


def latest(entries: Iterable[Entry]) -> dict[tuple[str, str], Entry]:
    """The entry that holds on each (kind, key)."""
    found: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        before = found.get((entry.kind, entry.key))
        if before is None or before.order < entry.order:
            found[entry.kind, entry.key] = entry
    return found


def _entry(body: dict[str, Any]) -> Entry:
    kinds = {
        "zone": str,
        "kind": str,
        "key": str,
        "number": int,
        "api": str,
        "at": int,
        "author": str,
        "body": dict,
    }
    if body.keys() != kinds.keys() or any(not isinstance(body[name], kind) for name, kind in kinds.items()):
        raise ProtocolError("entry.shape", f"not an entry: {sorted(body)}")
    return Entry(**body)
