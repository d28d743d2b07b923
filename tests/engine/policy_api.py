"""A stand-in for the management API and the fleet behind it: real TLS and HTTP, machines that are a few lines each."""

import hmac
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hdinfra.protocol import certificate, seal, token
from hdinfra.protocol.parcel import read_parcel
from hdinfra.protocol.release import Release, open_release, seal_release

ZONE = "test"
TOKEN = "a token of the tests, long enough".replace(" ", "-")


@dataclass(frozen=True)
class StackKeys:
    """What the Keys resource of a stack would hold."""

    signing: str = field(default_factory=seal.new_key)
    root_key: str = field(default_factory=certificate.new_key)
    root: str = ""
    token: str = TOKEN

    @classmethod
    def made(cls) -> "StackKeys":
        key = certificate.new_key()
        return cls(root_key=key, root=certificate.new_root(ZONE, key, time.time()))

    @property
    def signer(self) -> str:
        return seal.public_of(self.signing)


@dataclass
class StandInMachine:
    """Takes the highest release that names it, unless it `refuses` the document (gives a reason)."""

    refuses: Callable[[Mapping[str, Any]], str] = lambda _: ""
    serving: bool = True
    seen_seconds: float | None = 0.1
    number: int = 0
    failed: dict[str, Any] | None = None

    def sync(self, release: Release) -> None:
        if self.seen_seconds is None or release.number <= max(self.number, (self.failed or {}).get("number", 0)):
            return
        reason = self.refuses(release.document)
        if reason:
            self.failed = {"number": release.number, "settings": 0, "reason": reason}
        else:
            self.number, self.failed = release.number, None

    def open(self, name: str, parcels: Mapping[str, str], signer: str) -> None:
        """Machines that show no site."""

    def told(self, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "number": self.number,
            "serving": self.serving and self.number > 0,
            "failed": self.failed,
            "problems": [],
            "seen_seconds": self.seen_seconds,
        }


class StandInFleet:
    """What all API machines know together, and the machines that poll them."""

    def __init__(self, keys: StackKeys) -> None:
        self.keys = keys
        self.machines: dict[str, StandInMachine] = {}
        self.sealed: dict[str, dict[int, str]] = {}
        self.settings: list[dict[str, Any]] = []
        self.published: list[tuple[int, tuple[str, ...]]] = []
        self.asked: list[str] = []
        self.parcels: dict[str, str] = {}
        self.tells_seals = True
        self.frozen = False
        self.grew = threading.Condition()

    def machine(self, name: str, **how: Any) -> StandInMachine:
        self.machines[name] = StandInMachine(**how)
        return self.machines[name]

    def releases(self, scope: str) -> list[Release]:
        """Newest first."""
        sealed = self.sealed.get(scope, {})
        return [open_release(sealed[number], self.keys.signer, ZONE) for number in sorted(sealed, reverse=True)]

    def take(self, scope: str, text: str) -> tuple[int, dict[str, Any]]:
        release = open_release(text, self.keys.signer, ZONE)
        newest = next(iter(self.releases(scope)), None)
        if newest is not None and release.number < newest.number:
            return refusal(409, "release.older", f"release {newest.number} is known")
        if newest is not None and release.number == newest.number and release.document != newest.document:
            return refusal(409, "release.older", f"release {newest.number} says otherwise")
        with self.grew:
            self.sealed.setdefault(scope, {})[release.number] = text
            self.published.append((release.number, release.released))
            self.grew.notify_all()
        return 200, {"number": release.number}

    def told_machines(self) -> dict[str, Any]:
        with self.grew:  # two who ask at once would give a machine an older release after a newer one
            self._synced()
        for name, machine in self.machines.items():
            machine.open(name, self.parcels, self.keys.signer)
        return {"machines": [machine.told(name) for name, machine in sorted(self.machines.items())]}

    def _synced(self) -> None:
        for scope in self.sealed if not self.frozen else ():
            for release in reversed(self.releases(scope)):
                for name in release.released:
                    if name in self.machines:
                        self.machines[name].sync(release)

    def take_parcel(self, text: str) -> tuple[int, dict[str, Any]]:
        parcel = read_parcel(text, self.keys.signer, ZONE)
        self.parcels[parcel.label.host] = text
        return 200, {"number": parcel.label.number}

    def numbers(self) -> dict[str, int]:
        return {h: read_parcel(t, self.keys.signer, ZONE).label.number for h, t in self.parcels.items()}

    def told_scope(self, scope: str) -> tuple[int, dict[str, Any]]:
        newest = next(iter(self.releases(scope)), None)
        if newest is None:
            return refusal(404, "scope.unknown", scope)
        return 200, {"scope": scope, "release": self._told(newest), "document": {}, "settings": self.settings}

    def told_history(self, scope: str) -> tuple[int, dict[str, Any]]:
        return 200, {"history": [self._told(release) for release in self.releases(scope)]}

    def publish(self, scope: str, release: Release) -> None:
        """As a stack did before."""
        self.sealed.setdefault(scope, {})[release.number] = seal_release(release, self.keys.signing)

    def _told(self, release: Release) -> dict[str, Any]:
        told = {name: getattr(release, name) for name in Release.__slots__} | {"whole": release.whole}
        return told | ({"sealed": self.sealed[release.scope][release.number]} if self.tells_seals else {})


class StandInApi:
    """One API machine, on 127.0.0.1."""

    def __init__(self, fleet: StandInFleet, name: str, folder: Path) -> None:
        self.fleet, self.name, self.folder = fleet, name, folder
        self.key = certificate.new_key()
        self.bootstrap: dict[str, Any] | None = None
        self.enrolment = ""
        self.lies: dict[str, str] = {}
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server = _Server(("127.0.0.1", 0), _handler(self))
        self.server.tls = self.tls

    @property
    def endpoint(self) -> dict[str, Any]:
        return {"name": self.name, "address": "127.0.0.1", "port": self.server.server_port}

    def certified(self) -> None:
        """As after its first `up`."""
        keys = self.fleet.keys
        request = certificate.request(self.key, self.name)
        self.show(certificate.issue_authority(keys.root, keys.root_key, request, self.name, time.time()), self.key)

    def uncertified(self, *, age: float = 0, machine: str = "", forged: bool = False) -> None:
        """As at its first boot: a certificate of its own making, and a request that its token vouches for."""
        self.show(certificate.new_root("nobody", self.key, time.time()), self.key)
        named = token.Token(ZONE, machine or self.name, "control", int((time.time() - age) * 1000))
        self.enrolment = token.issue(named, seal.new_key() if forged else self.fleet.keys.signing)
        asked = {
            "csr": certificate.request(self.key, self.name),
            "key": seal.public_of(seal.new_key()),
        }
        proof = hmac.new(self.enrolment.encode(), seal.canonical(asked).encode(), sha256).hexdigest()
        claims = {"zone": ZONE, "machine": named.machine, "role": "control", "serial": named.serial}
        self.bootstrap = asked | {"token": claims, "proof": proof}

    def show(self, authority: str, key: str) -> None:
        """A leaf of that authority from now on."""
        named = certificate.Name(ZONE, "control", self.name, 1)
        own = certificate.new_key()
        leaf = certificate.issue_leaf(authority, key, certificate.request(own, self.name), named, time.time())
        path = self.folder / f"{self.name}.pem"
        path.write_text(own + leaf + authority)
        self.tls.load_cert_chain(path)

    def answer(self, method: str, path: str, body: Any, authorized: bool) -> tuple[int, dict[str, Any]]:
        self.fleet.asked.append(f"{method} {path}")
        if path == "/v1/bootstrap":
            return self._bootstrap(method, body)
        if not authorized:
            return refusal(401, "token.unknown", "who are you?")
        match (method, path.removeprefix("/v1/").split("/")):
            case "GET", ["machines"]:
                told = self.fleet.told_machines()["machines"]
                found = 200, {"machines": [{**one, **self._lie(one["name"])} for one in told]}
            case "GET", ["parcels"]:
                found = 200, {"numbers": self.fleet.numbers()}
            case "PUT", ["parcels"]:
                found = self.fleet.take_parcel(body["parcel"])
            case "GET", ["policies", scope]:
                found = self.fleet.told_scope(scope)
            case "GET", ["policies", scope, "history"]:
                found = self.fleet.told_history(scope)
            case "PUT", ["policies", scope]:
                found = self.fleet.take(scope, body["release"])
            case _:
                found = refusal(404, "path.unknown", path)
        return found

    def _lie(self, name: str) -> dict[str, str]:
        return {"key": self.lies[name]} if name in self.lies else {}

    def _bootstrap(self, method: str, body: Any) -> tuple[int, dict[str, Any]]:
        if method == "GET":
            return (200, self.bootstrap) if self.bootstrap else refusal(409, "bootstrap.done", "certified already")
        certificate.check_issued(body["certificate"], self.fleet.keys.root)
        self.bootstrap = None
        self.show(body["certificate"], self.key)
        return 200, {}


@contextmanager
def serving_api(fleet: StandInFleet, name: str, folder: Path) -> Iterator[StandInApi]:
    """A certified API machine; `down` is what an unopened port of its address is."""
    api = StandInApi(fleet, name, folder)
    api.certified()
    thread = threading.Thread(target=api.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield api
    finally:
        api.server.shutdown()
        thread.join()
        api.server.server_close()


def refusal(status: int, code: str, message: str) -> tuple[int, dict[str, Any]]:
    """As every error of the API looks."""
    return status, {"error": code, "message": message}


class _Server(ThreadingHTTPServer):
    tls: ssl.SSLContext
    daemon_threads = True
    block_on_close = False

    def get_request(self) -> tuple[Any, Any]:
        plain, address = self.socket.accept()
        plain.settimeout(30)
        return self.tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that turn away are nothing to write home about."""


def _handler(api: StandInApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            authorized = self.headers.get("Authorization") == f"Bearer {api.fleet.keys.token}"
            status, answer = api.answer(self.command, self.path, body, authorized)
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PUT = do_POST = do_DELETE = _serve

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    return Handler
