"""Docker's API, with commands in containers whose output arrives whole."""

from collections.abc import Iterator
from itertools import starmap
from typing import Any

import docker
import requests
from docker.errors import create_api_error_from_http_exception

_STDERR = 2
_HEADER_BYTES = 8  # stream, three zeros, length: docs.docker.com/reference/api/engine, "Attach to a container"
_CONNECT_SECONDS = 10


class Api(docker.APIClient):
    """docker-py's own, but for `exec_start`.

    docker-py asks for an upgrade of the connection and then reads the socket itself. What came in one packet with the
    answer's head lies in http.client's buffer by then and is lost, which is all that a short program says when the
    engine is quicker than we are. Without an upgrade the same stream is the answer's body, which ends with the program.
    """

    # docker-py's signature; its stubs tell by overloads which of its results belongs to which flags.
    def exec_start(  # type: ignore[override]  # noqa: PLR0913, PLR0917
        self,
        exec_id: str,
        detach: bool = False,
        tty: bool = False,
        stream: bool = False,
        socket: bool = False,
        demux: bool = False,
    ) -> Any:
        """As docker-py has it: bytes, a pair of them (`demux`), or an iterator of either (`stream`).

        Raises APIError. There is no deadline: the command must bring its own.
        """
        if detach or tty or socket:
            return super().exec_start(exec_id, detach, tty, stream, socket, demux)
        frames = _frames(self._body(exec_id))
        if stream:
            return starmap(_pair, frames) if demux else (data for _, data in frames)
        found = list(frames)
        return _parts(found) if demux else b"".join(data for _, data in found)

    def _body(self, exec_id: str) -> requests.Response:
        url = f"{self.base_url}/v{self.api_version}/exec/{exec_id}/start"
        orders = {"Detach": False, "Tty": False}
        answer = self.post(url, json=orders, stream=True, timeout=(_CONNECT_SECONDS, None))
        try:
            answer.raise_for_status()
        except requests.HTTPError as error:
            answer.close()
            raise create_api_error_from_http_exception(error) from error
        return answer


def _frames(answer: requests.Response) -> Iterator[tuple[int, bytes]]:
    """Which stream, and what was written to it, as it comes."""
    with answer:
        while len(header := answer.raw.read(_HEADER_BYTES)) == _HEADER_BYTES:
            yield header[0], answer.raw.read(int.from_bytes(header[4:]))


def _pair(stream: int, data: bytes) -> tuple[bytes | None, bytes | None]:
    return (None, data) if stream == _STDERR else (data, None)


def _parts(frames: list[tuple[int, bytes]]) -> tuple[bytes | None, bytes | None]:
    """Output and errors; None, as docker-py has it, where nothing was written."""
    out = b"".join(data for stream, data in frames if stream != _STDERR)
    err = b"".join(data for stream, data in frames if stream == _STDERR)
    return out or None, err or None
