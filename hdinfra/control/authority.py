"""The keys of one API machine: its authority over machines' certificates, its signature under entries, its own TLS."""

import hashlib
import hmac
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm

from hdinfra.control.durable import write_whole
from hdinfra.control.refusal import RefusedError
from hdinfra.control.settings import Settings
from hdinfra.protocol import certificate
from hdinfra.protocol.entry import Entry, SealedEntry, seal_entry
from hdinfra.protocol.seal import ProtocolError, canonical, public_of, unseal

AUTHORITY_KEY = "authority-key.pem"
ENTRY_KEY = "entry-key"
_AUTHORITY = "authority.pem"
_ENDORSEMENT = "endorsement"


class Authority:
    """Certified once the stack has signed its keys; until then it can issue and say nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._key = (settings.home / AUTHORITY_KEY).read_text()
        self._entry_key = (settings.home / ENTRY_KEY).read_text().strip()
        self._request = certificate.request(self._key, settings.name)
        self._certificate = self._kept(_AUTHORITY)
        self._endorsement = self._kept(_ENDORSEMENT)

    @property
    def certified(self) -> bool:
        """Whether the stack has signed both keys."""
        return bool(self._certificate and self._endorsement)

    def bootstrap(self) -> dict[str, Any]:
        """The keys to be signed, proven to come from the machine that was told the enrolment token."""
        if self.certified:
            raise RefusedError(409, "bootstrap.done", f"`{self._settings.name}` is certified already")
        body = {"csr": self._request, "key": public_of(self._entry_key)}
        proof = hmac.new(self._settings.token.encode(), canonical(body).encode(), hashlib.sha256).hexdigest()
        token = self._settings.enrolment
        told = {"zone": token.zone, "machine": token.machine, "role": token.role, "serial": token.serial}
        return {**body, "token": told, "proof": proof}

    def take(self, authority: str, endorsement: str) -> None:
        """Keep what the stack signed; ProtocolError or RefusedError when it is for others. Of two, the later holds."""
        certificate.check_issued(authority, self._settings.root)
        if certificate.key_id(authority) != certificate.key_id(self._request):
            raise RefusedError(403, "certificate.other-key", "this certificate is for another key than this machine's")
        said = unseal("api-key", endorsement, self._settings.signer)
        own = {"api": self._settings.name, "public": public_of(self._entry_key), "zone": self._settings.zone}
        if said != own:
            raise RefusedError(403, "entry.foreign", "this endorsement is for another API machine or another key")
        if self.certified and certificate.ends_at(authority) <= certificate.ends_at(self._certificate):
            return
        write_whole(self._settings.home / _ENDORSEMENT, endorsement)
        write_whole(self._settings.home / _AUTHORITY, authority)
        self._certificate, self._endorsement = authority, endorsement

    def issue(self, csr: str, name: certificate.Name, now: float) -> str:
        """A machine's certificate followed by ours, PEM."""
        self._check_certified()
        try:
            return certificate.issue_leaf(self._certificate, self._key, csr, name, now) + self._certificate
        except (ValueError, UnsupportedAlgorithm) as error:
            raise _unusable(error) from error

    def sign(self, entry: Entry) -> SealedEntry:
        """The entry in this machine's name."""
        self._check_certified()
        return seal_entry(entry, self._entry_key, self._endorsement)

    def keep_server_certificate(self, now: float) -> bool:
        """Make nginx's certificate anew when it is not ours, or near its end; whether that was needed."""
        if not self.certified or not self._server_is_due(now):
            return False
        key, serial = certificate.new_key(), self._settings.enrolment.serial
        name = certificate.Name(self._settings.zone, "control", self._settings.name, serial)
        chain = self.issue(certificate.request(key, self._settings.name), name, now)
        write_whole(self._settings.server, chain + key)
        return True

    def _server_is_due(self, now: float) -> bool:
        try:
            served = self._settings.server.read_text()
            certificate.check_issued(served, self._certificate)
            return certificate.ends_at(served) - now < certificate.RENEW_HOURS * 3600
        except (OSError, ProtocolError):
            return True

    def _check_certified(self) -> None:
        if not self.certified:
            raise RefusedError(409, "bootstrap.pending", f"the stack has not certified `{self._settings.name}` yet")

    def _kept(self, name: str) -> str:
        path = self._settings.home / name
        return path.read_text() if path.exists() else ""


def requested_key(csr: str) -> str:
    """The id of the key in a request; ProtocolError `certificate.*` for one that cannot be certified."""
    try:
        return certificate.key_id(csr)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unusable(error) from error


def _unusable(error: Exception) -> ProtocolError:
    if isinstance(error, ProtocolError):
        return error
    return ProtocolError("certificate.key", f"this request cannot be certified: {error!s:.200}")
