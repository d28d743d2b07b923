"""What commands in containers say arrives whole, however quickly the engine answers."""

import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest
from docker.errors import APIError

from hdinfra.plugins.local.commands import Api

SAID = ((1, b"all of it\n"), (2, b"a warning\n"), (1, b"x" * 70_000))


def framed(stream: int, data: bytes) -> bytes:
    """As Docker's API multiplexes it."""
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4) + data


class Handler(BaseHTTPRequestHandler):
    """An engine that is quicker than its client: the answer's head and the whole output leave at once."""

    protocol_version = "HTTP/1.1"
    orders: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        """`/exec/<id>/start`."""
        self.orders.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        if "/exec/gone/" in self.path:
            self.send_error(409, "the container has stopped")
            return
        upgraded = self.headers.get("Upgrade") == "tcp"
        head = b"HTTP/1.1 101 UPGRADED\r\n" if upgraded else b"HTTP/1.1 200 OK\r\n"
        head += b"Content-Type: application/vnd.docker.raw-stream\r\n\r\n"
        self.wfile.write(head + b"".join(framed(*each) for each in SAID))
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with socketserver.ThreadingUnixStreamServer(str(tmp_path / "engine.sock"), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        client = Api(f"unix://{tmp_path}/engine.sock", "1.41")
        yield client
        client.close()
        server.shutdown()
        thread.join()


OUT, ERR = b"all of it\n" + b"x" * 70_000, b"a warning\n"


def test_everything_arrives(api: Api) -> None:
    assert api.exec_start("1") == b"".join(data for _, data in SAID)
    assert api.exec_start("1", demux=True) == (OUT, ERR)
    assert Handler.orders[-1] == {"Detach": False, "Tty": False}


def test_it_arrives_as_it_comes(api: Api) -> None:
    assert list(api.exec_start("1", stream=True)) == [data for _, data in SAID]
    assert list(api.exec_start("1", stream=True, demux=True))[1] == (None, ERR)


def test_a_container_that_has_stopped_is_an_error(api: Api) -> None:
    with pytest.raises(APIError) as stopped:
        api.exec_start("gone")
    assert stopped.value.status_code == 409
