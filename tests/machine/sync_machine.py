"""A machine whose programs are stand-ins, and the daemon on it."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

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
from tests.machine.sync_api import served
from tests.machine.sync_stack import ME, ZONE, Stack


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
def place(tmp_path: Path, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A machine whose one program is a stand-in."""
    program = Program(tmp_path)
    monkeypatch.setattr(applier_module, "rendered", render_stand_in(program))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Visited)
    server.program = program  # type: ignore[attr-defined]
    with served(server) as port:
        yield Place(tmp_path, stack, program, port)


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
