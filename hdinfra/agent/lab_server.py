"""The stand-in for a customer's web server: a page, and a ledger that shows how often each number was posted."""

import json
import os
import re
import socket
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .paths import LAB_HOSTS, LEDGER

_NUMBER = re.compile(r"/ledger/([0-9]{1,18})\Z")
_LONGEST_BODY = 1 << 20


class Ledger:
    """Numbers in the order they ran; a number is answered for only once it is on the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def append(self, number: int) -> None:
        """Write one number and wait for the disk."""
        with self._lock, self._path.open("a") as file:
            file.write(f"{number}\n")
            file.flush()
            os.fsync(file.fileno())

    def counts(self) -> dict[str, int]:
        """How often each number ran."""
        with self._lock:
            return dict(Counter(self._path.read_text().split() if self._path.exists() else ()))


class Server(ThreadingHTTPServer):
    """Answers in both families on one socket."""

    address_family = socket.AF_INET6
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, hosts: Path, ledger: Path) -> None:
        self.hosts = hosts
        self.ledger = Ledger(ledger)
        super().__init__(("::", port), Handler)

    def server_bind(self) -> None:
        """IPv4 comes as mapped addresses."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up (every health check does, with a reset) is no error worth a traceback."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection; kept open between requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    server: Server

    def do_GET(self) -> None:
        """The page, or the ledger's counts."""
        self._read_body()
        host = self.headers.get("Host", "").partition(":")[0].lower()
        if host not in self.server.hosts.read_text().split():
            return self._answer(421, "text/plain", "misdirected\n")
        if self.path == "/ledger":
            return self._answer(200, "application/json", json.dumps(self.server.ledger.counts()))
        return self._answer(200, "text/html", f"<!doctype html><title>{host}</title><h1>{host}</h1>\n")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Append a number to the ledger."""
        self._read_body()
        if not (found := _NUMBER.match(self.path)):
            return self._answer(404, "text/plain", "only /ledger/<number> takes a POST\n")
        self.server.ledger.append(int(found[1]))
        return self._answer(200, "text/plain", f"{int(found[1])}\n")

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: the ledger is the record."""

    def _read_body(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if length.isdigit() and int(length) <= _LONGEST_BODY:
            self.rfile.read(int(length))
            self.close_connection = self.close_connection or "Transfer-Encoding" in self.headers
        else:
            self.close_connection = True

    def _answer(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def main() -> None:
    """Serve on port 80 until stopped."""
    Server(80, Path(LAB_HOSTS), Path(LEDGER)).serve_forever()
