"""A real ACME server (pebble) for tests. Only the DNS is played here: a test says where a host's servers are."""

import json
import os
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from hdinfra.protocol import certificate
from hdinfra.protocol.certificate import Name
from tests.local.hdlocal_fixtures import eventually
from toolchain.acme_server import ensure_pebble

Resolve = Callable[[str], str]
"""The one address of a host, of either family."""
_TYPES = {b"\0\1": (4, 1), b"\0\x1c": (6, 28)}  # A and AAAA (RFC 1035, RFC 3596)


@dataclass(frozen=True)
class Pebble:
    """One that runs. `root` is the file with which its own HTTPS is believed, `log` all that it said."""

    directory: str
    management: str
    root: Path
    log: Path

    def believed(self) -> str:
        """The root (PEM) that visitors of what it certifies have to believe."""
        context = ssl.create_default_context(cafile=str(self.root))
        with urllib.request.urlopen(f"{self.management}/roots/0", timeout=10, context=context) as answer:
            found: bytes = answer.read()
        return found.decode()


@contextmanager
def pebble_serving(folder: Path, http_port: int, resolve: Resolve) -> Iterator[Pebble]:
    """One whose hosts answer challenges on that port, at the addresses that `resolve` gives when it asks."""
    port, management = free_port(), free_port()
    made = Pebble(
        f"https://localhost:{port}/dir", f"https://localhost:{management}", _own_certificate(folder), folder / "log"
    )
    with _dns_serving(resolve) as dns_port:
        settings = {
            "listenAddress": f"127.0.0.1:{port}",
            "managementListenAddress": f"127.0.0.1:{management}",
            "certificate": str(folder / "server.pem"),
            "privateKey": str(folder / "server.key"),
            "httpPort": http_port,
            "tlsPort": free_port(),
            "retryAfter": {"authz": 1, "order": 1},
            "keyAlgorithm": "ecdsa",
        }
        (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
        with _running(folder, dns_port):
            eventually(lambda: _listens(port) and _listens(management), within=20, because=made.log.read_text)
            yield made


def free_port() -> int:
    """One of the loopback's on which nobody listens now."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def _answer(packet: bytes, resolve: Resolve) -> bytes:
    """A record where the question is for the host's family, none for any other type."""
    end = packet.index(b"\0", 12) + 5
    family, number = _TYPES.get(packet[end - 4 : end - 2], (0, 0))
    address = ip_address(resolve(_host(packet[12 : end - 4])))
    records = b""
    if address.version == family:
        packed = address.packed
        records = b"\xc0\x0c" + struct.pack(">HHIH", number, 1, 0, len(packed)) + packed
    return packet[:2] + struct.pack(">HHHHH", 0x8180, 1, int(bool(records)), 0, 0) + packet[12:end] + records


def _host(labels: bytes) -> str:
    found = []
    while labels[0]:
        found.append(labels[1 : labels[0] + 1].decode())
        labels = labels[labels[0] + 1 :]
    return ".".join(found)


@contextmanager
def _dns_serving(resolve: Resolve) -> Iterator[int]:
    """Over TCP, as pebble asks."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while head := self.rfile.read(2):
                answer = _answer(self.rfile.read(int.from_bytes(head)), resolve)
                self.wfile.write(len(answer).to_bytes(2) + answer)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _own_certificate(folder: Path) -> Path:
    key, root_key, now = certificate.new_key(), certificate.new_key(), time.time()
    root = certificate.new_root("pebble", root_key, now)
    named = Name("pebble", "server", "pebble", 1)
    leaf = certificate.issue_leaf(root, root_key, certificate.request(key, "pebble"), named, now)
    (folder / "server.pem").write_text(leaf + root)
    (folder / "server.key").write_text(key)
    (folder / "root.pem").write_text(root)
    return folder / "root.pem"


@contextmanager
def _running(folder: Path, dns_port: int) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        started = subprocess.Popen(
            [ensure_pebble(os.environ), "-config", str(folder / "pebble.json"), "-dnsserver", f"127.0.0.1:{dns_port}"],
            env={**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"},
            stdout=log,
            stderr=log,
        )
        try:
            yield
        finally:
            started.terminate()
            started.wait(10)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
