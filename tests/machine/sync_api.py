"""A stand-in for the management API over real TLS."""

import json
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hdinfra.protocol import certificate, token
from hdinfra.protocol.entry import SealedEntry
from tests.machine.sync_stack import API, ME, ZONE, Stack, offer


@contextmanager
def served(server: TCPServer) -> Iterator[int]:
    """Answers in a thread until the end; gives its port."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class StandInApi(ThreadingHTTPServer):
    """As much of the management API as a machine meets. `spoil` answers instead of it when set."""

    daemon_threads = True

    def __init__(self, stack: Stack, name: str = API) -> None:
        super().__init__(("127.0.0.1", 0), _Asked)
        self.stack = stack
        self.name = name
        self.reports: list[dict[str, Any]] = []
        self.enrolled: list[str] = []
        self.renewed: list[str] = []
        self.refuses: dict[str, tuple[int, str]] = {}
        self.spoil: Callable[[BaseHTTPRequestHandler], None] | None = None
        self.clock = 0.0
        self.issued_ago_hours = 0.0
        self.sent = 0
        self._offer: dict[str, Any] = offer()
        self._etag = 0
        self._changed = threading.Condition()
        self._context = self._secured(stack)

    def _secured(self, stack: Stack) -> ssl.SSLContext:
        key, chain = stack.leaf(self.name, "control")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(key + chain)
            file.flush()
            context.load_cert_chain(file.name)
        context.load_verify_locations(cadata=stack.root)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def get_request(self) -> tuple[Any, Any]:
        """TLS, but the handshake is the handler thread's."""
        connection, address = super().get_request()
        connection.settimeout(20)
        return self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, _request: Any, _address: Any) -> None:
        """Machines that hang up are expected."""

    @property
    def endpoint(self) -> dict[str, Any]:
        """As the first boot names it."""
        return {"name": self.name, "ipv4": "127.0.0.1", "ipv6": "::1", "port": self.server_address[1]}

    def offers(self, *releases: str, settings: Iterable[SealedEntry] = ()) -> None:
        """From now on."""
        with self._changed:
            self._offer, self._etag = offer(releases, settings), self._etag + 1
            self._changed.notify_all()

    def sync(self, seen: str, seconds: float) -> dict[str, Any]:
        """The answer to /v1/sync."""
        with self._changed:
            news = self._changed.wait_for(lambda: str(self._etag) != seen, seconds)
            return {"now": self.now, "etag": str(self._etag), **(self._offer if news else {})}

    @property
    def now(self) -> float:
        """By its own clock."""
        return time.time() + self.clock


class _Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandInApi

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, raw: bytes) -> None:
        asked = urlsplit(self.path)
        if asked.path in self.server.refuses:
            status, code = self.server.refuses[asked.path]
            return self._send(status, {"error": code, "message": "no"})
        if self.server.spoil and asked.path == "/v1/sync":
            return self.server.spoil(self)
        return self._send(200, self._told(asked.path, parse_qs(asked.query), json.loads(raw or b"{}")))

    def _told(self, path: str, query: Mapping[str, list[str]], body: dict[str, Any]) -> dict[str, Any]:
        api, peer = self.server, self.connection.getpeercert()  # type: ignore[attr-defined]
        match path:
            case "/v1/enrol":
                found = token.read(body["token"], api.stack.trust.signer, ZONE, api.now)
                api.enrolled.append(certificate.key_id(body["csr"]))
                return {"certificate": self._issued(body["csr"], found.machine)}
            case "/v1/renew":
                assert peer
                api.renewed.append(certificate.key_id(body["csr"]))
                api.issued_ago_hours = 0
                return {"certificate": self._issued(body["csr"], ME)}
            case "/v1/sync":
                assert peer
                return api.sync(query["seen"][0] if "seen" in query else "", float(query["wait"][0]))
            case "/v1/report":
                assert peer
                api.reports.append(body)
                return {"now": api.now}
        raise AssertionError(path)

    def _issued(self, csr: str, machine: str) -> str:
        return self.server.stack.certified(csr, machine, "waf", ago_hours=self.server.issued_ago_hours)

    def _send(self, status: int, body: Mapping[str, Any]) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def stand_in(stack: Stack) -> Iterator[StandInApi]:
    """One stand-in API machine."""
    with standing_in(stack) as server:
        yield server


@contextmanager
def standing_in(stack: Stack, name: str = API) -> Iterator[StandInApi]:
    """One of that name."""
    server = StandInApi(stack, name)
    with served(server):
        yield server
        server.offers()  # whoever hangs is let go
