"""Certificates over ACME, from a real server (pebble). Only the way to the hosts, the DNS, is played here."""

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
from hdinfra.protocol.site_certificate import facts, flaws
from tests.pebble import pebble_serving

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


@dataclass(frozen=True)
class Authority:
    """Pebble's directory, and the edges that it asks."""

    directory: str
    edges: Edges


@pytest.fixture(scope="module")
def account_key() -> str:
    return certificate.new_key()


@pytest.fixture(scope="module")
def pebble(tmp_path_factory: pytest.TempPathFactory, account_key: str) -> Iterator[Authority]:
    folder, edges = tmp_path_factory.mktemp("pebble"), Edges(thumbprint(account_key))
    with (
        edges_serving(edges) as http_port,
        pebble_serving(folder, http_port, lambda _: "127.0.0.1") as served,
        pytest.MonkeyPatch.context() as patch,
    ):
        # A server's own trust is what `requests` takes from its surroundings.
        patch.setenv("REQUESTS_CA_BUNDLE", str(served.root))
        yield Authority(served.directory, edges)


def test_a_host_is_proven_and_certified_for_our_own_key(pebble: Authority, account_key: str) -> None:
    key, account = certificate.new_key(), Account(pebble.directory, "ops@acme.test", account_key, seconds=60)
    chain = certified(account, SHOP, key)
    assert flaws(chain, key, SHOP, time.time()) == ()
    assert "Pebble" in facts(chain).issuer
    assert SHOP in pebble.edges.asked
    again = certified(account, "blog.acme.test", key)  # the account is there by now
    assert facts(again).hosts == ("blog.acme.test",)


def test_a_resource_renews_over_acme_when_it_is_due_and_not_before(pebble: Authority, account_key: str) -> None:
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


def test_whose_edges_do_not_answer_for_the_account_gets_nothing(pebble: Authority) -> None:
    stranger = Account(pebble.directory, "ops@acme.test", certificate.new_key(), seconds=60)
    with pytest.raises(PluginError, match=r"could not prove `strange.acme.test`: .*unauthorized"):
        certified(stranger, "strange.acme.test", certificate.new_key())


def test_a_server_that_is_not_trusted_is_named(
    pebble: Authority, account_key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = certificate.new_root("other", certificate.new_key(), time.time())
    (tmp_path / "other.pem").write_text(other)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "other.pem"))
    with pytest.raises(PluginError, match=r"does not certify `shop.acme.test`: .*certificate verify failed"):
        certified(Account(pebble.directory, "ops@acme.test", account_key), SHOP, certificate.new_key())
