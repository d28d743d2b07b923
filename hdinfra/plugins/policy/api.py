"""One API machine as a client sees it: JSON over TLS that is verified against the stack's own root."""

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from hdinfra.plugins.kind import PluginError

_MAX_BYTES = 64 * 1024 * 1024  # 20 versions of a policy of 2,000 sites in one history, sealed and plain
_UNPROCESSED = 500


class ApiRefusedError(PluginError):
    """The API understood and said no (4xx). `code` is the contract's, such as `release.older`."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message
        super().__init__(f"{code}: {message}")


class ApiUnreachableError(PluginError):
    """No usable answer: nobody there, not ready yet, or somebody whom the stack's root does not vouch for."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one API machine listens; `name` is what its certificate must name."""

    name: str
    address: str
    port: int

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """From a resource's input or a stack's output."""
        return cls(str(values["name"]), str(values["address"]), int(values["port"]))


class Api:
    """Keeps its connection between requests; one request at a time. `timeout` in seconds for each answer.

    Every verb gives the answer's JSON object or ends with ApiRefusedError or ApiUnreachableError.
    """

    def __init__(self, endpoint: Endpoint, root: str, token: str, timeout: float = 5) -> None:
        self._connection: http.client.HTTPSConnection | None = None
        self.endpoint = endpoint
        self.timeout = timeout
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._tls = self._context(root)
        self._turn = threading.Lock()

    def __del__(self) -> None:
        self._close()

    def get(self, path: str) -> dict[str, Any]:
        """Reads."""
        return self._ask("GET", path, None)

    def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Sets; the same again changes nothing."""
        return self._ask("PUT", path, body)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Adds; never sent twice."""
        return self._ask("POST", path, body)

    def delete(self, path: str) -> dict[str, Any]:
        """Removes."""
        return self._ask("DELETE", path, None)

    def authority(self) -> str:
        """PEM of the certificate that vouches for this machine's, from a verified connection."""
        with self._turn:
            self._close()
            try:
                return _issuer(self._connected().sock)
            except (OSError, http.client.HTTPException) as error:
                raise self._unreachable(error) from error

    def close(self) -> None:
        """Lets go of the connection; the next request makes another."""
        with self._turn:
            self._close()

    def _context(self, root: str) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cadata=root)
        except (ssl.SSLError, ValueError) as error:
            raise PluginError(f"the stack's root is no certificate (PEM): {error}") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        with self._turn:
            if method == "POST":
                self._close()
            try:
                status, text = self._exchanged(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                self._close()
                raise self._unreachable(error) from error
        return self._judged(status, text)

    def _exchanged(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[int, bytes]:
        reused = self._connection is not None
        try:
            return self._exchange(method, path, body)
        except ConnectionError:
            # A server may drop an idle connection at any time; that says nothing about the next one.
            if not reused:
                raise
        self._close()
        return self._exchange(method, path, body)

    def _exchange(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[int, bytes]:
        connection = self._connected()
        data = None if body is None else json.dumps(body).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        connection.request(method, path, data, self._headers | kind)
        answer = connection.getresponse()
        text = answer.read(_MAX_BYTES + 1)
        if len(text) > _MAX_BYTES:
            raise http.client.HTTPException(f"an answer of more than {_MAX_BYTES:,} bytes")
        return answer.status, text

    def _connected(self) -> http.client.HTTPSConnection:
        if self._connection is None:
            self._connection = _Connection(self.endpoint, self._tls, self.timeout)
            self._connection.connect()
        return self._connection

    def _judged(self, status: int, text: bytes) -> dict[str, Any]:
        found = _json(text)
        if status < 300 and found is not None:
            return found
        if 400 <= status < _UNPROCESSED:
            said = found or {}
            code = str(said.get("error") or f"http.{status}")
            raise ApiRefusedError(status, code, str(said.get("message") or f"{self.endpoint.name} answered {status}"))
        raise ApiUnreachableError(f"{self.endpoint.name}: answered {status} without an answer to the question")

    def _unreachable(self, error: Exception) -> ApiUnreachableError:
        place = f"{self.endpoint.name} ({self.endpoint.address}, port {self.endpoint.port})"
        return ApiUnreachableError(f"{place}: {str(error) or type(error).__name__}")

    def _close(self) -> None:
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
        self._connection = None


class UnverifiedApi(Api):
    """An API machine that has no certificate of ours yet: believe only what is proven otherwise, tell no secret."""

    def __init__(self, endpoint: Endpoint, timeout: float = 5) -> None:
        super().__init__(endpoint, "", "", timeout)

    def _context(self, root: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context


class _Connection(http.client.HTTPSConnection):
    """Goes to an address and expects there a certificate for a name."""

    def __init__(self, endpoint: Endpoint, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(endpoint.address, endpoint.port, timeout=timeout, context=context)
        self._own = (endpoint, context)

    def connect(self) -> None:
        endpoint, context = self._own
        plain = socket.create_connection((endpoint.address, endpoint.port), self.timeout)
        try:
            self.sock = context.wrap_socket(plain, server_hostname=endpoint.name)
        except BaseException:
            plain.close()
            raise


def _json(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _issuer(connected: Any) -> str:
    # Public from Python 3.13 on; before, the same call of the same object has a private home and other types.
    if hasattr(connected, "get_verified_chain"):
        return ssl.DER_cert_to_PEM_cert(connected.get_verified_chain()[1])
    return str(connected._sslobj.get_verified_chain()[1].public_bytes())
