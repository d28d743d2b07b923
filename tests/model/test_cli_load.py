"""The load is open-loop: a slow server is seen as slow by every request that was due meanwhile."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hdinfra.operate.load import Load, Shape, Target, read_ledger


class Origin(ThreadingHTTPServer):
    """A server that keeps a ledger and can be told to stall."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ledger: Counter[str] = Counter()
        self.hosts: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.status = 200
        self.closes_unanswered = 0

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """GET answers, POST writes its number down."""

    protocol_version = "HTTP/1.1"
    server: Origin
    answered = False

    def do_GET(self) -> None:
        """A page, or the ledger."""
        self.server.gate.wait()
        self.server.hosts.add(self.headers["Host"])
        entries = ",".join(f'"{number}":{count}' for number, count in self.server.ledger.items())
        self.answer(f"{{{entries}}}" if self.path == "/ledger" else "page")

    def do_POST(self) -> None:
        """One more line in the ledger."""
        self.server.ledger[self.path.rpartition("/")[2]] += 1
        self.answer("written")

    def answer(self, text: str) -> None:
        """Status and body; or a connection that was used before is closed."""
        if self.answered and self.server.closes_unanswered:
            self.server.closes_unanswered -= 1
            self.close_connection = True
            return
        self.answered = True
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def origin() -> Iterator[Origin]:
    """A server that runs, and is gone afterwards."""
    server = Origin()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()


def test_sends_exactly_what_was_ordered() -> None:
    with origin() as server, Load([Target(server.url, "shop.acme.test")], Shape(100, 2, first_number=500)) as load:
        load.join()
        ledger = read_ledger([Target(server.url, "shop.acme.test")])
    assert len(load.answers) == 200
    assert sorted(a.number for a in load.answers if a.number is not None) == list(range(500, 510))
    assert ledger == {"shop.acme.test": dict.fromkeys(range(500, 510), 1)}
    assert [a for a in load.answers if a.failure] == []


def test_every_target_is_loaded_alike() -> None:
    with origin() as one, origin() as two:
        targets = [Target(server.url, host) for server in (one, two) for host in ("shop.acme.test", "blog.globex.test")]
        with Load(targets, Shape(80, 1, warm_up_seconds=0)) as load:
            load.join()
    gets = Counter((a.edge, a.host) for a in load.answers if a.number is None)
    assert one.hosts == two.hosts == {"shop.acme.test", "blog.globex.test"}
    assert set(gets.values()) == {19}


def test_a_stall_is_charged_to_every_request_that_was_due_meanwhile() -> None:
    shape = Shape(50, 1, post_every=1000, warm_up_seconds=0)
    with origin() as server:
        server.gate.clear()
        with Load([Target(server.url, "shop.acme.test")], shape) as load:
            begin = time.monotonic()
            threading.Timer(0.8, server.gate.set).start()
            load.join()
            assert time.monotonic() - begin >= 0.8
    # Requests were due every 20 ms; about 40 of them waited, the first longest and each later one less.
    waited = [a.seconds for a in load.answers if a.seconds > 0.1]
    assert len(waited) >= 20
    assert max(waited) > 0.6


def test_failures_are_kept_with_their_kind() -> None:
    with origin() as server:
        server.status = 503
        with Load([Target(server.url, "shop.acme.test")], Shape(20, 0.5, warm_up_seconds=0)) as load:
            load.join()
    assert Counter(a.failure for a in load.answers) == {"status 503": 10}
    with Load([Target("http://127.0.0.1:1", "shop.acme.test")], Shape(20, 0.5, warm_up_seconds=0)) as refused:
        refused.join()
    (said,) = {a.failure for a in refused.answers}
    assert said and said.startswith("ClientConnectorError: Cannot connect to host 127.0.0.1:1"), said
    assert len(refused.answers) == 10


@pytest.mark.parametrize(("post_every", "failed"), [(1000, 0), (1, 1)], ids=["GET", "POST"])
def test_who_reads_on_a_connection_that_was_closed_asks_once_more_and_who_writes_does_not(
    post_every: int, failed: int
) -> None:
    with origin() as server:
        server.closes_unanswered = 1
        shape = Shape(20, 1, post_every=post_every, warm_up_seconds=0)
        with Load([Target(server.url, "shop.acme.test")], shape) as load:
            load.join()
        assert server.closes_unanswered == 0
    assert [a.failure for a in load.answers if a.failure] == ["ServerDisconnectedError: Server disconnected"] * failed


def test_leaving_early_stops_the_load() -> None:
    begin = time.monotonic()
    with origin() as server, Load([Target(server.url, "shop.acme.test")], Shape(20, 600, warm_up_seconds=0)) as load:
        pass
    assert time.monotonic() - begin < 10
    assert len(load.answers) < 200
