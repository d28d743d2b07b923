"""What a watcher takes of its computer: memory, and CPU, with a played API of twenty Clusters before it."""

import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.figure import Figure
from hdinfra.protocol import certificate

CLUSTERS, MACHINES_EACH, EDGES, APIS = 20, 12, 4, 3
SECONDS = 60.0
WARM_UP_SECONDS = 10.0
GOAL_MIB, GOAL_PERCENT = 60.0, 1.0
_TICKS = 100  # clock ticks a second, as /proc/<pid>/stat counts (man 5 proc)
_TIME_FIELDS = (13, 14)

# The watcher as `hdinfra watch` runs it, but for what is deployed, which it is told instead of reading a state.
PROGRAM = """
import json, sys, threading
from pathlib import Path
from hdinfra.operate.watch import Watch, heal_apart
from hdinfra.operate.watch_eyes import Eyes, Facts
from hdinfra.operate.watcher import journal_of
from hdinfra.operate.workspace import Workspace
from hdinfra.plugins.policy.api import Endpoint
told = json.loads(sys.stdin.readline())
workspace = Workspace(Path(told["folder"]), "played", {})
facts = Facts("played", tuple(told["clusters"]), (), {}, tuple(map(Endpoint.of, told["endpoints"])), told["root"], "t")
Watch(Eyes(workspace, lambda _: facts), heal_apart(workspace), journal_of(workspace)).run(threading.Event())
"""


def measure_watch(seconds: float = SECONDS) -> Iterable[Figure]:
    """One watcher of a Zone of 240 Machines and four edges, a look every two seconds."""
    with TemporaryDirectory(prefix="hdinfra-bench-") as name, ExitStack() as stack:
        folder, root_key = Path(name), certificate.new_key()
        root = certificate.new_root("played", root_key, time.time())
        apis = [stack.enter_context(played_api(folder, f"c{n}-control-1", root, root_key)) for n in range(APIS)]
        clusters = [f"c{number}" for number in range(CLUSTERS)]
        (folder / "Pulumi.yaml").write_text("name: played\n")
        watcher = stack.enter_context(_watcher())
        told = {"folder": name, "clusters": clusters, "endpoints": apis, "root": root}
        _tell(watcher, told)
        time.sleep(WARM_UP_SECONDS)
        before, begin = _cpu_seconds(watcher.pid), time.monotonic()
        time.sleep(seconds)
        used, took = _cpu_seconds(watcher.pid) - before, time.monotonic() - begin
        memory = _mib(watcher.pid, "VmHWM")
        log = (folder / ".state" / "watch" / "played.jsonl").read_text()
    if "every Cluster that is seen is well" not in log:
        raise AssertionError(f"the watcher did not see what it should: {log}")
    yield Figure("watch-memory", round(memory, 1), "MiB", GOAL_MIB)
    yield Figure("watch-cpu", round(100 * used / took, 2), "% of a core", GOAL_PERCENT)


@contextmanager
def _watcher() -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(  # noqa: S603  our own arguments, no shell
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _tell(watcher: "subprocess.Popen[str]", told: dict[str, Any]) -> None:
    if watcher.stdin is None:
        raise AssertionError("the watcher has no standard input")
    watcher.stdin.write(json.dumps(told) + "\n")
    watcher.stdin.flush()


def rows() -> list[dict[str, Any]]:
    """What `/v1/machines` says, as an API machine writes it."""
    usual = {
        "scope": "instance-web",
        "number": 12,
        "settings": 3,
        "digest": "0" * 64,
        "serving": True,
        "failed": None,
        "drained": False,
        "overrides": {},
        "code": "0" * 16,
        "problems": [],
        "certificates": "",
        "profile": "",
        "mesh": None,
        "key": "0" * 64,
        "seen_seconds": 2.345,
        "serial": 1_800_000_000_000,
        "revoked": False,
    }
    seen = {f"c{number}": {"up": 2 * MACHINES_EACH, "all": 2 * MACHINES_EACH} for number in range(CLUSTERS)}
    machines = [
        {"name": f"c{cluster}-web-{number}", "cluster": f"c{cluster}", "role": "waf", "clusters": {}, **usual}
        for cluster in range(CLUSTERS)
        for number in range(1, MACHINES_EACH + 1)
    ]
    edges = [
        {"name": f"e{n}-edge", "cluster": f"e{n}", "role": "load-balancer", "clusters": seen, **usual}
        for n in range(EDGES)
    ]
    apis = [
        {"name": f"c{n}-control-1", "cluster": f"c{n}", "role": "control", "clusters": {}, **usual} for n in range(APIS)
    ]
    return [*machines, *edges, *apis]


@contextmanager
def played_api(folder: Path, name: str, root: str, root_key: str) -> Iterator[dict[str, Any]]:
    """An API machine that always says the same, over TLS as machines have it; its endpoint."""
    body = json.dumps({"machines": rows()}, separators=(",", ":")).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = _context(folder, name, root, root_key).wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield {"name": name, "address": "127.0.0.1", "port": server.server_port}
    finally:
        server.shutdown()
        server.server_close()


def _context(folder: Path, name: str, root: str, root_key: str) -> ssl.SSLContext:
    key, own = certificate.new_key(), certificate.new_key()
    now = time.time()
    authority = certificate.issue_authority(root, root_key, certificate.request(key, name), name, now)
    leaf = certificate.issue_leaf(
        authority, key, certificate.request(own, name), certificate.Name("played", "control", name, 1), now
    )
    files = folder / f"{name}.crt", folder / f"{name}.key"
    files[0].write_text(leaf + authority)
    files[1].write_text(own)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


def _cpu_seconds(pid: int) -> float:
    """Its own, all threads of it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(fields[index - 2]) for index in _TIME_FIELDS) / _TICKS


def _mib(pid: int, field: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{field}:")) / 1024
