"""What the policy path takes of a machine: hdsync's memory, an API machine's memory, and its CPU under 100 pollers."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPSConnection
from json import dumps, loads
from pathlib import Path
from ssl import SSLContext, create_default_context
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from bench.figure import Figure
from bench.fleet import BARE, CPU, RESIDENT, containers_of, control_plane, run_json
from bench.project import Project
from bench.talk import say
from hdinfra.operate.containers import open_containers
from hdinfra.operate.control import Control
from hdinfra.plugins.policy.api import Endpoint
from hdinfra.protocol import certificate, token

_KIB = 1024
_POLLERS = 100
_SECONDS = 30.0
_SETTLE_SECONDS = 5.0  # enrolment is not what is measured
_WAIT_SECONDS = 10
_REPORT_SECONDS = 10.0
_REPORT = {"number": 0, "settings": 0, "digest": "", "serving": True, "failed": None, "drained": False}


def measure_footprint(zone: Project) -> Iterable[Figure]:
    """Resident memory of a WAF machine's hdsync, and of everything on an API machine."""
    containers = open_containers()
    waf, control = containers_of(zone, "waf")[0], containers_of(zone, "control")[0]
    titles = run_json(containers, waf, RESIDENT).values()
    resident = max(rss for title, rss, _ in titles if "hdsync" in title and "python" in title) / _KIB
    bare = run_json(containers, waf, BARE) / _KIB
    yield Figure("hdsync-resident", round(resident, 1), "MiB", 40, round(bare, 1))
    used = sum(pss for *_, pss in run_json(containers, control, RESIDENT).values()) / _KIB
    yield Figure("api-machine-resident", round(used, 1), "MiB", 150)


def measure_polling(zone: Project) -> Iterable[Figure]:
    """Share of a core that nginx and the API use while 100 enrolled machines hang on one API machine."""
    containers = open_containers()
    with control_plane(zone) as control:
        endpoint = control.endpoints[0]
        name = next(one for one in containers_of(zone, "control") if one.endswith(f"-{endpoint.name}"))
        idle = _share(lambda: run_json(containers, name, CPU))
        with _polling(control, endpoint) as pollers:
            time.sleep(_SETTLE_SECONDS)
            share = _share(lambda: run_json(containers, name, CPU))
            answered = sum(one.answers for one in pollers)
    say(f"{_POLLERS} machines: {share:.1%} of a core ({idle:.1%} idle), {answered} answers")
    if any(one.answers == 0 for one in pollers):
        raise AssertionError("not every made-up machine was answered, which proves nothing")
    yield Figure("api-polled-by-100", round(100 * share, 1), "% of a core", 20, round(100 * idle, 1))


def _share(used: Any) -> float:
    begin, before = time.monotonic(), float(used())
    time.sleep(_SECONDS)
    return (float(used()) - before) / (time.monotonic() - begin)


@dataclass(slots=True)
class Poller:
    """A made-up machine with a real certificate: hangs on `sync`, and reports each 10 s, as hdsync does."""

    endpoint: Endpoint
    tls: SSLContext
    over: threading.Event
    answers: int = 0
    _connection: HTTPSConnection | None = field(default=None)

    def run(self) -> None:
        """Until it is over."""
        seen, reported = "", 0.0
        while not self.over.is_set():
            try:
                told = self._ask("GET", f"/v1/sync?seen={quote(seen)}&wait={_WAIT_SECONDS}")
                seen = str(told["etag"])
                self.answers += 1
                if time.monotonic() - reported > _REPORT_SECONDS:
                    self._ask("POST", "/v1/report", {**_REPORT, "overrides": {}, "code": "", "problems": []})
                    reported = time.monotonic()
            except (OSError, HTTPException):
                self._close()
                self.over.wait(1)
        self._close()

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        if self._connection is None:
            self._connection = _connection(self.endpoint, self.tls)
        text = None if body is None else dumps(body)
        self._connection.request(method, path, text, {"Content-Type": "application/json"} if text else {})
        answer = self._connection.getresponse()
        told = loads(answer.read())
        if answer.status != 200:
            raise HTTPException(told)
        return told

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


@contextmanager
def _polling(control: Control, endpoint: Endpoint) -> Iterator[list[Poller]]:
    over = threading.Event()
    with TemporaryDirectory() as folder:
        pollers = [
            Poller(endpoint, _enrolled(control, endpoint, number, Path(folder)), over) for number in range(_POLLERS)
        ]
        threads = [threading.Thread(target=poller.run, daemon=True) for poller in pollers]
        for thread in threads:
            thread.start()
        try:
            yield pollers
        finally:
            over.set()
            for thread in threads:
                thread.join(2 * _WAIT_SECONDS)


def _enrolled(control: Control, endpoint: Endpoint, number: int, folder: Path) -> SSLContext:
    """Enrols `bench-N` with a token that the stack's key sealed; the TLS of a client that is that machine."""
    name = f"bench-{number}"
    key = certificate.new_key()
    own = token.Token(control.plane.zone, name, "waf", int(time.time() * 1000))
    tls = create_default_context(cadata=control.keys.root)
    connection = _connection(endpoint, tls)
    try:
        body = {"token": token.issue(own, control.keys.signing), "csr": certificate.request(key, name)}
        connection.request("POST", "/v1/enrol", dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        told = loads(answer.read())
    finally:
        connection.close()
    if answer.status != 200:
        raise AssertionError(f"{name} cannot enrol: {told}")
    path = folder / f"{name}.pem"
    path.write_text(key + told["certificate"])
    tls.load_cert_chain(path)
    return tls


class _Named(HTTPSConnection):
    """Goes to an address and expects the certificate of a name."""

    def __init__(self, endpoint: Endpoint, tls: SSLContext) -> None:
        super().__init__(endpoint.address, endpoint.port, timeout=3 * _WAIT_SECONDS)
        self._named, self._own = endpoint.name, tls

    def connect(self) -> None:
        """Plain first, then TLS."""
        super(HTTPSConnection, self).connect()
        self.sock = self._own.wrap_socket(self.sock, server_hostname=self._named)


def _connection(endpoint: Endpoint, tls: SSLContext) -> HTTPSConnection:
    return _Named(endpoint, tls)
