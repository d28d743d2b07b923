"""A stack's keys, a machine whose programs are stand-ins, and a stand-in for the management API over real TLS."""

import json
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hdinfra.agent import applier as applier_module
from hdinfra.agent.applier import Applier, Rendered
from hdinfra.agent.commands import ApplyError, Result, Run
from hdinfra.agent.eyes import Eyes
from hdinfra.agent.hdsync import Daemon
from hdinfra.agent.keeper import Keeper
from hdinfra.agent.local import Local
from hdinfra.agent.paths import FIRST_BOOT, IDENTITY, POLICY
from hdinfra.agent.policy import Document, WafPolicy
from hdinfra.agent.problems import Problems
from hdinfra.agent.state import Memory
from hdinfra.agent.versions import Trust
from hdinfra.protocol import certificate, entry, seal, token
from hdinfra.protocol.entry import Entry, SealedEntry
from hdinfra.protocol.release import Release, seal_release

ME = "c1-shop-1"
ZONE = "india"
SCOPE = "instance-shop"
API = "c1-control-1"


def eventually(condition: Callable[[], Any], within: float = 10, because: Callable[[], object] = str) -> None:
    """Wait for a condition; the evidence is shown when it does not come."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, because()
        time.sleep(0.01)


def waf(*hosts: str, mode: str = "MITIGATION") -> dict[str, Any]:
    """A document with these sites."""
    site = {
        "tenant": "acme",
        "mode": mode,
        "paranoia": 1,
        "exclusions": [],
        "lowest_mode": "BYPASS",
        "highest_paranoia": 4,
        "most_exclusions": 4,
        "origins": [{"address": "192.0.2.9", "port": 80}],
        "health_path": "/health",
        "response_timeout_seconds": 2,
    }
    return {"app": "waf", "schema_version": 1, "edges": [], "sites": [{"host": host, **site} for host in hosts]}


@dataclass
class Stack:
    """All keys, and what is signed with them."""

    key: str = field(default_factory=seal.new_key)
    api_key: str = field(default_factory=seal.new_key)
    root_key: str = field(default_factory=certificate.new_key)
    authority_key: str = field(default_factory=certificate.new_key)
    root: str = ""
    authority: str = ""

    def __post_init__(self) -> None:
        now = time.time()
        self.root = certificate.new_root(ZONE, self.root_key, now)
        csr = certificate.request(self.authority_key, API)
        self.authority = certificate.issue_authority(self.root, self.root_key, csr, API, now)

    @property
    def trust(self) -> Trust:
        """What a machine of this stack trusts."""
        return Trust(seal.public_of(self.key), ZONE, ME)

    def release(self, number: int, document: Mapping[str, Any], **changes: Any) -> str:
        """A sealed release for this machine."""
        made = Release(ZONE, SCOPE, number, int(time.time()), {ME: "c1"}, (ME,), document)
        return seal_release(replace(made, **changes), self.key)

    def setting(self, number: int, host: str, api: str = API, **body: Any) -> SealedEntry:
        """A sealed setting of the API's."""
        made = Entry(ZONE, "setting", f"{SCOPE}/{host}", number, api, 1, "ada", body)
        public = seal.public_of(self.api_key)
        return entry.seal_entry(made, self.api_key, entry.endorse(ZONE, api, public, self.key))

    def leaf(self, name: str, role: str, serial: int = 1, ago_hours: float = 0) -> tuple[str, str]:
        """Key and certificate (with the authority's) of a machine."""
        key = certificate.new_key()
        return key, self.certified(certificate.request(key, name), name, role, serial, ago_hours)

    def certified(self, csr: str, name: str, role: str, serial: int = 1, ago_hours: float = 0) -> str:
        """A certificate with its authority's, issued some hours ago."""
        who, now = certificate.Name(ZONE, role, name, serial), time.time() - ago_hours * 3600
        return certificate.issue_leaf(self.authority, self.authority_key, csr, who, now) + self.authority

    def token(self) -> str:
        """This machine's enrolment token."""
        return token.issue(token.Token(ZONE, ME, "waf", int(time.time() * 1000)), self.key)


def offer(releases: Iterable[str] = (), settings: Iterable[SealedEntry] = ()) -> dict[str, Any]:
    """The lists of an answer to /v1/sync."""
    return {
        "releases": list(releases),
        "settings": [{"entry": each.entry, "endorsement": each.endorsement} for each in settings],
    }


class Program:
    """A stand-in for nginx: it takes what lies on the disk. Hosts in `refused` its checker refuses, those in `broken`
    it cannot take, with those in `ill` their site answers 500, and with those in `fatal` it dies."""

    unit = "stand-in.service"

    def __init__(self, root: Path) -> None:
        self.root = root
        self._taken = root / "taken.json"  # a program lives on when the daemon dies
        self.refused: set[str] = set()
        self.broken: set[str] = set()
        self.ill: set[str] = set()
        self.fatal: set[str] = set()
        self.restarts = 0

    @property
    def serves(self) -> dict[str, str]:
        """What it took at its last activation."""
        found: dict[str, str] = json.loads(self._taken.read_text()) if self._taken.exists() else {}
        return found

    def reads(self, path: str, /) -> bool:
        return path.startswith(POLICY)

    def check(self, stage: str) -> tuple[str, ...]:
        return ("check", stage)

    def activate(self, _run: Run, _files: Iterable[str], /) -> None:
        found = on_disk(self.root)
        if self.broken & found.keys():
            raise ApplyError("the program kept its old workers")
        half = self._taken.with_suffix(".half")
        half.write_text(json.dumps(found))
        half.replace(self._taken)

    def serving(self, files: Iterable[str], /) -> bool:
        return self.serves.keys() == {path.rpartition("/")[2] for path in files}

    def run(self, argv: Sequence[str]) -> Result:
        if argv[0] == "systemctl":
            self.restarts += bool(self.fatal & self.serves.keys())
            return Result(0, f"{self.restarts}\n100")
        staged = {path.name for path in Path(argv[1]).iterdir()} if argv[0] == "check" else set()
        return Result(1, "line 7: unexpected end") if self.refused & staged else Result(0, "")

    def status(self, host: str) -> int:
        """What a visitor of a site gets."""
        if host not in self.serves:
            return 421
        return 500 if host in self.ill else 200


def on_disk(root: Path) -> dict[str, str]:
    """The policy's files by name."""
    folder, found = root / POLICY.lstrip("/"), {}
    for path in folder.iterdir() if folder.exists() else ():
        with suppress(FileNotFoundError):  # the daemon may take it away meanwhile
            found[path.name] = path.read_text()
    return found


def render_stand_in(program: Any) -> Callable[[Document, Local], Rendered]:
    """One file a site, which holds its mode."""

    def rendered(document: Document, local: Local) -> Rendered:
        policy = local.over(document.policy)
        assert isinstance(policy, WafPolicy)
        files = {f"{POLICY}/{site.host}": site.mode for site in policy.sites}
        return Rendered({**files, f"{POLICY}/drained": ""} if local.drained else files, (program,))

    return rendered


class _Visited(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        program: Program = self.server.program  # type: ignore[attr-defined]
        self.send_response(program.status(self.headers["Host"]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def served(server: ThreadingHTTPServer) -> Iterator[int]:
    """Answers in a thread until the end; gives its port."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Place:
    """A machine under `root`; `port` is where its sites answer."""

    root: Path
    stack: Stack
    program: Program
    port: int
    problems: Problems = field(default_factory=Problems)

    def keeper(self) -> Keeper:
        """As after a start of the daemon."""
        applier = Applier(self.program.run, self.root)
        eyes = Eyes(applier, self.program.run, self.port)
        return Keeper(applier, Memory(self.root, self.stack.trust), eyes, self.problems, wait_seconds=0.2)

    def told(self, *endpoints: Mapping[str, Any], **more: Any) -> None:
        """What its first boot tells it."""
        boot = {
            "token": self.stack.token(),
            "root": self.stack.root,
            "signer": self.stack.trust.signer,
            "endpoints": list(endpoints),
            "code": {"url": "http://127.0.0.1:1/x", "sha256": "0" * 64, "signature": ""},
            "policy": None,
            "admin": None,
            **more,
        }
        identity = {"name": ME, "zone": ZONE, "place": "c1", "role": "waf"}
        for path, content in ((FIRST_BOOT, boot), (IDENTITY, identity)):
            (self.root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path.lstrip("/")).write_text(json.dumps(content))


@pytest.fixture
def stack() -> Stack:
    """A new one."""
    return Stack()


@pytest.fixture
def place(tmp_path: Path, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A machine whose one program is a stand-in."""
    program = Program(tmp_path)
    monkeypatch.setattr(applier_module, "rendered", render_stand_in(program))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Visited)
    server.program = program  # type: ignore[attr-defined]
    with served(server) as port:
        yield Place(tmp_path, stack, program, port)


class StandInApi(ThreadingHTTPServer):
    """As much of the management API as a machine meets. `spoil` answers instead of it when set."""

    daemon_threads = True

    def __init__(self, stack: Stack, name: str = API) -> None:
        super().__init__(("127.0.0.1", 0), _Asked)
        self.stack = stack
        self.name = name
        self.reports: list[dict[str, Any]] = []
        self.enrolled: list[str] = []
        self.renewed: list[str] = []
        self.refuses: dict[str, tuple[int, str]] = {}
        self.spoil: Callable[[BaseHTTPRequestHandler], None] | None = None
        self.clock = 0.0
        self.issued_ago_hours = 0.0
        self.sent = 0
        self._offer: dict[str, Any] = offer()
        self._etag = 0
        self._changed = threading.Condition()
        self._context = self._secured(stack)

    def _secured(self, stack: Stack) -> ssl.SSLContext:
        key, chain = stack.leaf(self.name, "control")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(key + chain)
            file.flush()
            context.load_cert_chain(file.name)
        context.load_verify_locations(cadata=stack.root)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def get_request(self) -> tuple[Any, Any]:
        """TLS, but the handshake is the handler thread's."""
        connection, address = super().get_request()
        connection.settimeout(20)
        return self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, _request: Any, _address: Any) -> None:
        """Machines that hang up are expected."""

    @property
    def endpoint(self) -> dict[str, Any]:
        """As the first boot names it."""
        return {"name": self.name, "ipv4": "127.0.0.1", "ipv6": "::1", "port": self.server_address[1]}

    def offers(self, *releases: str, settings: Iterable[SealedEntry] = ()) -> None:
        """From now on."""
        with self._changed:
            self._offer, self._etag = offer(releases, settings), self._etag + 1
            self._changed.notify_all()

    def sync(self, seen: str, seconds: float) -> dict[str, Any]:
        """The answer to /v1/sync."""
        with self._changed:
            news = self._changed.wait_for(lambda: str(self._etag) != seen, seconds)
            return {"now": self.now, "etag": str(self._etag), **(self._offer if news else {})}

    @property
    def now(self) -> float:
        """By its own clock."""
        return time.time() + self.clock


class _Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandInApi

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, raw: bytes) -> None:
        asked = urlsplit(self.path)
        if asked.path in self.server.refuses:
            status, code = self.server.refuses[asked.path]
            return self._send(status, {"error": code, "message": "no"})
        if self.server.spoil and asked.path == "/v1/sync":
            return self.server.spoil(self)
        return self._send(200, self._told(asked.path, parse_qs(asked.query), json.loads(raw or b"{}")))

    def _told(self, path: str, query: Mapping[str, list[str]], body: dict[str, Any]) -> dict[str, Any]:
        api, peer = self.server, self.connection.getpeercert()  # type: ignore[attr-defined]
        match path:
            case "/v1/enrol":
                found = token.read(body["token"], api.stack.trust.signer, ZONE, api.now)
                api.enrolled.append(certificate.key_id(body["csr"]))
                return {"certificate": self._issued(body["csr"], found.machine)}
            case "/v1/renew":
                assert peer
                api.renewed.append(certificate.key_id(body["csr"]))
                api.issued_ago_hours = 0
                return {"certificate": self._issued(body["csr"], ME)}
            case "/v1/sync":
                assert peer
                return api.sync(query["seen"][0] if "seen" in query else "", float(query["wait"][0]))
            case "/v1/report":
                assert peer
                api.reports.append(body)
                return {"now": api.now}
        raise AssertionError(path)

    def _issued(self, csr: str, machine: str) -> str:
        return self.server.stack.certified(csr, machine, "waf", ago_hours=self.server.issued_ago_hours)

    def _send(self, status: int, body: Mapping[str, Any]) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def api(stack: Stack) -> Iterator[StandInApi]:
    """One stand-in API machine."""
    with standing_in(stack) as server:
        yield server


@contextmanager
def standing_in(stack: Stack, name: str = API) -> Iterator[StandInApi]:
    """One of that name."""
    server = StandInApi(stack, name)
    with served(server):
        yield server
        server.offers()  # whoever hangs is let go


@contextmanager
def running(place: Place) -> Iterator[Daemon]:
    """The daemon on this machine; at its end all of its threads have ended."""
    daemon = Daemon(place.root, place.program.run, place.port)
    before = set(threading.enumerate())
    thread = threading.Thread(target=daemon.serve)
    thread.start()
    try:
        yield daemon
    finally:
        daemon.stop()
        daemon.reports.put({"end": True})
        thread.join(10)
        left = [each for each in threading.enumerate() if each not in before and each.name.startswith("report ")]
        for each in left:
            each.join(10)
