"""The stand-in for a customer's web server: what its clients do must not fill the journal."""

import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hdinfra.agent import lab_server

_RESET = struct.pack("ii", 1, 0)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[lab_server.Server]:
    (tmp_path / "hosts").write_text("a.test\n")
    with lab_server.Server(0, tmp_path / "hosts", tmp_path / "ledger") as started:
        started.daemon_threads = False  # closing waits for the connections, and with them for what they print
        thread = threading.Thread(target=started.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield started
        started.shutdown()
        thread.join()


def _ask_and_reset(server: lab_server.Server) -> bytes:
    """One request on a connection that then ends as HAProxy's health checks end theirs: with a reset."""
    with socket.create_connection(("::1", server.server_address[1])) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        client.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        return client.recv(65536)


def test_client_that_resets_its_connection_leaves_no_traceback(
    server: lab_server.Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _ask_and_reset(server).startswith(b"HTTP/1.1 200 ")
    server.shutdown()
    server.server_close()
    assert capsys.readouterr().err == ""


def test_any_other_error_is_still_told(server: lab_server.Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.hosts.unlink()
    assert _ask_and_reset(server) == b""
    server.shutdown()
    server.server_close()
    assert "FileNotFoundError" in capsys.readouterr().err
