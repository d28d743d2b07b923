"""Where BMCs fetch their images while they need them: each at a path that nobody guesses, at one port for all of them.

Over HTTPS by a certificate made for this process, which a BMC is told to believe where it can be; one that cannot
checks nothing by default, so the order in the image is at least hidden from who only listens. `http` is for BMCs that
take nothing else: whoever listens on the management network then reads the order.
"""

import ipaddress
import os
import re
import secrets
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hdinfra.plugins.kind import PluginError
from hdinfra.plugins.metal.medium import Medium
from hdinfra.plugins.metal.self_signed import self_signed

_IDLE_SECONDS = 60
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where to serve: an address of this computer that the BMC reaches, and a port (0: any)."""

    address: str
    port: int
    scheme: str


@dataclass(frozen=True, slots=True)
class Offer:
    """Where the image is, and who its server proves to be (PEM; empty over plain HTTP or with a server of others)."""

    url: str
    certificate: str = ""


class Shelf:
    """All images that this process serves. A place is listened at while anything is on offer there."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._servers: dict[Place, _Server] = {}

    @contextmanager
    def offered(self, medium: Medium, place: Place, name: str) -> Iterator[Offer]:
        """On offer while the context is open."""
        path = f"/{secrets.token_urlsafe(24)}/{name}.iso"
        with self._turn:
            server = self._servers.get(place) or _Server(place)
            self._servers[place] = server
            server.media[path] = medium
        try:
            yield Offer(server.url(path), server.certificate)
        finally:
            with self._turn:
                del server.media[path]
                if not server.media:
                    del self._servers[place]
                    server.end()


@contextmanager
def published(medium: Medium, folder: Path, url: str, name: str) -> Iterator[Offer]:
    """A copy in a folder that others publish, under a name that nobody guesses; what a killed run left is removed."""
    # Whose name begins alike is another server's: the mark and its length are fixed.
    left = re.compile(rf"{re.escape(name)}-[A-Za-z0-9_-]{{32}}\.iso")
    target = folder / f"{name}-{secrets.token_urlsafe(24)}.iso"
    try:
        for stale in [file for file in folder.iterdir() if left.fullmatch(file.name)]:
            stale.unlink(missing_ok=True)
        with target.open("wb") as copy:
            for chunk in medium.read(0, medium.size):
                copy.write(chunk)
        target.chmod(0o644)  # the web server is somebody else
        yield Offer(f"{url.rstrip('/')}/{target.name}")
    except OSError as error:
        raise PluginError(
            f"The image cannot be published in {folder}: {error}\nfix: name a folder that you may write to as "
            "`media.folder`"
        ) from error
    finally:
        with suppress(OSError):
            target.unlink(missing_ok=True)


class _Server:
    def __init__(self, place: Place) -> None:
        self.media: dict[str, Medium] = {}
        self.certificate = ""
        self._place = place
        family = ipaddress.ip_address(place.address)
        kind = _Http6 if family.version == 6 else _Http
        try:
            self._http = kind((place.address, place.port), _handler(self.media))
        except OSError as error:
            raise PluginError(
                f"The image cannot be served at {place.address}, port {place.port}: {error.strerror or error}.\n"
                "fix: write an address of this computer that the BMC reaches as `media.serve.address`, and a free port"
            ) from error
        if place.scheme == "https":
            self.certificate = self._secured()
        threading.Thread(target=self._http.serve_forever, args=(0.2,), daemon=True).start()

    def url(self, path: str) -> str:
        host = f"[{self._place.address}]" if ":" in self._place.address else self._place.address
        return f"{self._place.scheme}://{host}:{self._http.server_address[1]}{path}"

    def end(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _secured(self) -> str:
        key, certificate = self_signed(self._place.address, "hdinfra")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        handle, path = tempfile.mkstemp()  # 0600; Python's ssl takes a key from a file alone
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(key + certificate)
            context.load_cert_chain(path)
        finally:
            Path(path).unlink()
        # The handshake is the connection's own thread's, so that one who stays silent holds nobody up.
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True, do_handshake_on_connect=False)
        return certificate.decode()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """BMCs break off as they like, and no line of it is for the engine's screen."""


class _Http6(_Http):
    address_family = socket.AF_INET6


def _handler(media: dict[str, Medium]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "hdinfra"
        sys_version = ""
        timeout = _IDLE_SECONDS

        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def _answer(self, *, body: bool) -> None:
            medium = media.get(self.path)
            if medium is None:
                self.send_error(404)
                return
            part = _part(self.headers.get("Range", ""), medium.size)
            if part is None:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{medium.size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start, end = part
            self.send_response(206 if "Range" in self.headers else 200)
            if "Range" in self.headers:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{medium.size}")
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(end - start))
            self.end_headers()
            for chunk in medium.read(start, end) if body else ():
                self.wfile.write(chunk)

        def log_message(self, format: str, *args: Any) -> None:
            """Paths are as good as passwords here."""

    return Handler


def _part(asked: str, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; None when none of what is asked is there."""
    if not asked:
        return 0, size
    found = _RANGE.fullmatch(asked.strip())
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size
    start, end = int(first), min(size, int(last) + 1) if last else size
    return (start, end) if start < end else None
