"""Whom we speak with: a BMC proves itself by its pinned certificate, by an authority of the user's or a public one.

BMCs come with a certificate that they signed themselves; without a pin, whoever answers at the address would be
told the password.
"""

import hashlib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter
from sushy.connector import Connector

CONNECT_SECONDS = 10
ANSWER_SECONDS = 180  # some BMCs fetch a whole image before they say that it is inserted


@dataclass(frozen=True, slots=True)
class Access:
    """A resource's input `bmc`. `fingerprint` and `ca` are empty where a public authority vouches."""

    address: str
    username: str
    password: str = field(repr=False)
    fingerprint: str = ""
    ca: str = ""
    system: str = ""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """From a resource's input or a stack's state."""
        fingerprint = str(values.get("fingerprint") or "").replace(":", "").lower()
        address, ca = str(values["address"]).rstrip("/"), str(values.get("ca") or "")
        return cls(
            address,
            str(values["username"]),
            str(values["password"]),
            fingerprint,
            ca,
            str(values.get("systemId") or ""),
        )

    def tls(self) -> ssl.SSLContext:
        """What the connection must satisfy beside the fingerprint. A pinned certificate needs neither issuer nor name;
        ValueError when `ca` is no certificate."""
        if self.fingerprint:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        try:
            return ssl.create_default_context(cadata=self.ca or None)
        except ssl.SSLError as error:
            raise ValueError(f"no certificate: {error}") from error


class PinnedConnector(Connector):  # type: ignore[misc]  # sushy ships no types
    """Sushy's connection, to nobody but whom `access` names: no proxy, no plain HTTP, no other authority."""

    def __init__(self, access: Access) -> None:
        super().__init__(
            access.address,
            server_side_retries=1,  # who calls knows how long to be patient, and is told to stop
            server_side_retries_delay=1,
            default_request_timeout=ANSWER_SECONDS,
            connect_timeout=CONNECT_SECONDS,
        )
        self._session.trust_env = False  # proxies and .netrc of the environment
        self._session.adapters.clear()
        self._session.mount("https://", _Pinned(access))


class _Pinned(HTTPAdapter):
    """Requests would lay its own authorities over ours, by `verify`: here `access` alone decides."""

    def __init__(self, access: Access) -> None:
        self._access = access
        super().__init__()

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        options["ssl_context"] = self._access.tls()
        if self._access.fingerprint:
            options |= {"assert_fingerprint": self._access.fingerprint, "assert_hostname": False}
        super().init_poolmanager(connections, maxsize, block, **options)

    def get_connection_with_tls_context(self, request: Any, *_: Any, **__: Any) -> Any:
        return self.poolmanager.connection_from_url(request.url)

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Nothing to add: the pool's own context verifies."""


def shown_fingerprint(address: str) -> str:
    """SHA-256 of the certificate that is shown there, in hex; empty when none is. Who shows it is told nothing."""
    place = urlsplit(address)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((place.hostname or "", place.port or 443), CONNECT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=place.hostname) as shown,
        ):
            return hashlib.sha256(shown.getpeercert(binary_form=True) or b"").hexdigest()
    except OSError:
        return ""
