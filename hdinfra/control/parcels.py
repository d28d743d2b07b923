"""Sites' certificates as this API machine holds them: sealed for the edges, and not to be opened here."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from hdinfra.control.statements import Statements
from hdinfra.protocol.parcel import Parcel, read_parcel
from hdinfra.protocol.seal import ProtocolError, canonical

KIND = "parcel"
"""Of the entries in which API machines hand them on."""


@dataclass(frozen=True, slots=True)
class _Kept:
    text: str
    parcel: Parcel


class Parcels:
    """The newest of each site, out of what the API machines told one another; each is verified once."""

    def __init__(self, statements: Statements, signer: str, zone: str) -> None:
        self._statements = statements
        self._signer = signer
        self._zone = zone
        self._kept: dict[str, _Kept] = {}
        self._etags: dict[str, str] = {}

    def forget(self) -> None:
        """Statements have changed: look again."""
        found: dict[str, _Kept] = {}
        for kept in self._statements.entries(KIND):
            host, text = kept.entry.key, str(kept.entry.body["parcel"])
            known = self._kept.get(host)
            one = known if known is not None and known.text == text else self._read(host, text)
            if one is not None:
                found[host] = one
        if found != self._kept:
            self._etags.clear()
        self._kept = found

    def get(self, host: str) -> tuple[Parcel, str] | None:
        """The newest for that site, and its text."""
        kept = self._kept.get(host)
        return (kept.parcel, kept.text) if kept else None

    def numbers(self) -> dict[str, int]:
        """By site the newest one's number."""
        return {host: kept.parcel.label.number for host, kept in sorted(self._kept.items())}

    def told(self, machine: str) -> dict[str, int]:
        """The same, as far as they are for that machine."""
        return {
            host: kept.parcel.label.number for host, kept in sorted(self._kept.items()) if machine in kept.parcel.boxes
        }

    def etag(self, machine: str) -> str:
        """Equal while nothing changes for that machine; empty where there is nothing for it."""
        if machine not in self._etags:
            told: Mapping[str, int] = self.told(machine)
            self._etags[machine] = hashlib.sha256(canonical(told).encode()).hexdigest()[:20] if told else ""
        return self._etags[machine]

    def _read(self, host: str, text: str) -> _Kept | None:
        try:
            parcel = read_parcel(text, self._signer, self._zone)
        except ProtocolError:
            return None  # an API machine may say what it likes; the stack did not
        return _Kept(text, parcel) if parcel.label.host == host else None
