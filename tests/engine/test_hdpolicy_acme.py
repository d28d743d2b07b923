"""Certificates over ACME, from a real server (pebble). Only the way to the hosts, the DNS, is played here."""

import json
import os
import socket
import socketserver
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hdinfra.plugins.kind import PluginError
from hdinfra.plugins.policy.acme_client import Account, certified
from hdinfra.plugins.policy.issuing import Issuing, SiteCertificate
from hdinfra.plugins.policy.site_keys import thumbprint
from hdinfra.protocol import certificate
from hdinfra.protocol.certificate import Name
from hdinfra.protocol.site_certificate import facts, flaws
from tests.local.hdlocal_fixtures import eventually
from toolchain.acme_server import ensure_pebble

SHOP = "shop.acme.test"


@dataclass
class Edges:
    """Answers any challenge as the edges do: with the account's thumbprint, and nothing has to be told for an order."""

    thumbprint: str
    asked: list[str] = field(default_factory=list)


def _answering(edges: Edges) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            edges.asked.append(str(self.headers["Host"]).partition(":")[0])
            body = f"{self.path.rpartition('/')[2]}.{edges.thumbprint}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    return Handler


@contextmanager
def edges_serving(edges: Edges) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _answering(edges))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Dns(socketserver.BaseRequestHandler):
    """Every host is on this computer: an A record for each question, nothing for any other type (RFC 1035)."""

    def handle(self) -> None:
        stream = self.request.makefile("rb")
        while head := stream.read(2):
            packet = stream.read(int.from_bytes(head))
            end = packet.index(b"\0", 12) + 5
            is_a = packet[end - 4 : end - 2] == b"\0\1"
            record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton("127.0.0.1") if is_a else b""
            answer = packet[:2] + struct.pack(">HHHHH", 0x8180, 1, int(is_a), 0, 0) + packet[12:end] + record
            self.request.sendall(len(answer).to_bytes(2) + answer)
        stream.close()


@contextmanager
def dns_serving() -> Iterator[int]:
    """Over TCP, as pebble asks."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Dns)
    server.daemon_threads, server.block_on_close = True, False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@dataclass(frozen=True)
class Pebble:
    directory: str
    edges: Edges


@pytest.fixture(scope="module")
def account_key() -> str:
    return certificate.new_key()


@pytest.fixture(scope="module")
def pebble(tmp_path_factory: pytest.TempPathFactory, account_key: str) -> Iterator[Pebble]:
    folder, edges = tmp_path_factory.mktemp("pebble"), Edges(thumbprint(account_key))
    port, management = free_port(), free_port()
    root = _own_certificate(folder)
    with edges_serving(edges) as http_port, dns_serving() as dns_port, pytest.MonkeyPatch.context() as patch:
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
        # A server's own trust is what `requests` takes from its surroundings.
        patch.setenv("REQUESTS_CA_BUNDLE", str(root))
        with _running(folder, dns_port):
            eventually(lambda: _listens(port), within=20)
            yield Pebble(f"https://localhost:{port}/dir", edges)


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
    log = (folder / "log").open("wb")
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
        log.close()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_a_host_is_proven_and_certified_for_our_own_key(pebble: Pebble, account_key: str) -> None:
    key, account = certificate.new_key(), Account(pebble.directory, "ops@acme.test", account_key, seconds=60)
    chain = certified(account, SHOP, key)
    assert flaws(chain, key, SHOP, time.time()) == ()
    assert "Pebble" in facts(chain).issuer
    assert SHOP in pebble.edges.asked
    again = certified(account, "blog.acme.test", key)  # the account is there by now
    assert facts(again).hosts == ("blog.acme.test",)


def test_a_resource_renews_over_acme_when_it_is_due_and_not_before(pebble: Pebble, account_key: str) -> None:
    inputs = {
        "hosts": ["www.acme.test"], "supplied": {}, "issuer": "acme", "days": 90, "issuerCertificate": "",
        "issuerKey": account_key, "directory": pebble.directory, "contact": "ops@acme.test",
    }  # fmt: skip
    issuing = Issuing(inputs)
    first = issuing.made("www.acme.test")
    assert issuing.due("www.acme.test", first) == ""
    own = facts(first.certificate)
    late = Issuing(inputs, lambda: own.ends_at - (own.ends_at - own.begins_at) / 4)
    assert "days of it are left" in late.due("www.acme.test", first)
    renewed = issuing.made("www.acme.test")
    assert (renewed.source, renewed.key != first.key) == (first.source, True)
    assert issuing.due("www.acme.test", SiteCertificate(first.certificate, first.key, "local x 90"))


def test_whose_edges_do_not_answer_for_the_account_gets_nothing(pebble: Pebble) -> None:
    stranger = Account(pebble.directory, "ops@acme.test", certificate.new_key(), seconds=60)
    with pytest.raises(PluginError, match=r"could not prove `strange.acme.test`: .*unauthorized"):
        certified(stranger, "strange.acme.test", certificate.new_key())


def test_a_server_that_is_not_trusted_is_named(
    pebble: Pebble, account_key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = certificate.new_root("other", certificate.new_key(), time.time())
    (tmp_path / "other.pem").write_text(other)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "other.pem"))
    with pytest.raises(PluginError, match=r"does not certify `shop.acme.test`: .*certificate verify failed"):
        certified(Account(pebble.directory, "ops@acme.test", account_key), SHOP, certificate.new_key())
