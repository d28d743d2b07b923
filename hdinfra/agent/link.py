"""A connection to one API machine over TLS. Whatever comes back is bounded in size and time before it is read."""

import http.client
import json
import math
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from hdinfra.protocol.certificate import name_of

MAX_BYTES = 4_194_304
"""The longest answer that is read: four releases of the longest kind."""
_CONNECT_SECONDS = 3.0
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An API machine: `name` is whom its certificate must name, as a machine of that role."""

    name: str
    addresses: tuple[str, ...]
    port: int


class LinkError(Exception):
    """No answer that can be used; the text names the cause. `looks_wrong`: it did answer, but not as an API does."""

    def __init__(self, text: str, *, looks_wrong: bool = False) -> None:
        self.looks_wrong = looks_wrong
        super().__init__(text)


class RefusedError(Exception):
    """The API machine understood and said no; `code` is stable."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code = status, code
        super().__init__(f"{code}: {message}")


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON object; `clock` is the API machine's, in seconds since 1970, None when it did not say."""

    body: Mapping[str, Any]
    clock: float | None


class Link:
    """Asks one question at a time. `context` gives the TLS context to use for a new connection."""

    def __init__(self, endpoint: Endpoint, context: Callable[[], ssl.SSLContext]) -> None:
        self._endpoint = endpoint
        self._context = context
        self._connection: http.client.HTTPConnection | None = None
        self._addresses = list(endpoint.addresses)

    def get(self, path: str, seconds: float = 10) -> Answer:
        """LinkError without a usable answer within that time, RefusedError on a refusal."""
        return self._asked("GET", path, None, seconds)

    def post(self, path: str, body: Mapping[str, Any], seconds: float = 10) -> Answer:
        """The same with a body."""
        return self._asked("POST", path, json.dumps(body).encode(), seconds)

    def close(self) -> None:
        """Forget the connection; the next question makes a new one."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def _asked(self, method: str, path: str, body: bytes | None, seconds: float) -> Answer:
        kept = self._connection is not None
        try:
            return self._ask(method, path, body, seconds)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
            self.close()
            if not kept:
                raise LinkError(f"it hung up: {error}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise LinkError(cause(error)) from error
        except (LinkError, RefusedError):
            self.close()
            raise
        return self._asked(method, path, body, seconds)  # a kept connection may have been closed meanwhile

    def _ask(self, method: str, path: str, body: bytes | None, seconds: float) -> Answer:
        deadline = time.monotonic() + seconds
        connection = self._connection = self._connection or self._connected()
        if connection.sock:
            connection.sock.settimeout(seconds)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        raw = _read(response, deadline)
        if response.status != 200:
            raise _refusal(response.status, raw)
        found = _object(raw)
        return Answer(found, _clock(found, response))

    def _connected(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self._endpoint.name, self._endpoint.port)
        connection.sock = self._secured()
        return connection

    def _secured(self) -> ssl.SSLSocket:
        raw = self._reached()
        try:
            secured = self._context().wrap_socket(raw, server_hostname=self._endpoint.name)
        except BaseException:
            raw.close()
            raise
        try:
            _check_role(secured, self._endpoint.name)
        except BaseException:
            secured.close()
            raise
        return secured

    def _reached(self) -> socket.socket:
        """The address that answered last is tried first."""
        last: OSError = OSError("it has no address")
        for address in tuple(self._addresses):
            try:
                reached = socket.create_connection((address, self._endpoint.port), timeout=_CONNECT_SECONDS)
            except OSError as error:
                last = error
                continue
            self._addresses.sort(key=lambda each: each != address)
            return reached
        raise last


def _check_role(secured: ssl.SSLSocket, name: str) -> None:
    """Every machine has a certificate of this root, and whoever holds one may have been named to us."""
    found = name_of(ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True) or b""))
    if (found.role, found.machine) != ("control", name):
        raise LinkError(f"its certificate is that of `{found.machine}`, a {found.role}, and not an API machine's")


def cause(error: Exception) -> str:
    """Why there was no answer."""
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = "; look at this machine's clock" if "valid" in error.verify_message else ""
        return f"its certificate is not to be trusted: {error.verify_message}{hint}"
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    return str(error) or type(error).__name__


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    announced = response.length
    if announced is not None and announced > MAX_BYTES:
        raise LinkError(f"an answer of {announced:,} bytes; {MAX_BYTES:,} are the most that is read", looks_wrong=True)
    parts, size = [], 0
    while (announced is None or size < announced) and (part := response.read1(_CHUNK)):
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            raise LinkError(f"an answer of more than {MAX_BYTES:,} bytes was cut off", looks_wrong=True)
        if time.monotonic() > deadline:
            raise LinkError(f"its answer trickled: {size:,} bytes by the deadline", looks_wrong=True)
    if announced is not None and size < announced:
        raise LinkError(f"its answer was cut short: {size:,} of {announced:,} bytes", looks_wrong=True)
    response.close()  # all is read; Python up to 3.12 does not notice after read1
    return b"".join(parts)


def _refusal(status: int, raw: bytes) -> RefusedError:
    try:
        told = _object(raw)
    except LinkError:
        told = {}
    return RefusedError(status, str(told.get("error", "http"))[:80], str(told.get("message", f"status {status}"))[:400])


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise LinkError(f"its answer of {len(raw):,} bytes is not JSON, or cut short", looks_wrong=True) from None
    if not isinstance(found, dict):
        raise LinkError("its answer is no JSON object", looks_wrong=True)
    return found


def _clock(body: Mapping[str, Any], response: http.client.HTTPResponse) -> float | None:
    now = body.get("now")
    if isinstance(now, int | float) and math.isfinite(now):
        return float(now)
    try:
        return parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
    except (ValueError, TypeError):
        return None
