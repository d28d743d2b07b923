"""Finds the container engine: Docker's or Podman's socket, else Podman's own service started by us."""

import fcntl
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import requests
from docker.errors import DockerException

from hdinfra.plugins.kind import PluginError
from hdinfra.plugins.local.commands import Api

WORLD_FAILURES: tuple[type[BaseException], ...] = (DockerException, requests.RequestException, OSError)
CALL_SECONDS = 120  # longest single answer: a start on a busy machine; exec and builds have deadlines of their own
_PING_SECONDS = 5
_OLDEST_API = "1.41"  # Docker 20.10, and what Podman 4 speaks
_CGROUPS = Path("/sys/fs/cgroup")
_CONNECTIONS = 64  # as many as the frame has threads
_IDLE_SECONDS = 600
_START_SECONDS = 20


@dataclass(frozen=True, slots=True)
class _Pong:
    api_version: str
    podman: bool


class EngineNotFound(PluginError):
    """No container engine answers; the message says what to do."""


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What differs between engines: Podman prepares systemd containers by itself, cgroup v1 needs systemd's leave."""

    podman: bool
    cgroup_v1: bool


class Engine:
    """One container engine, found once. Its client's connection pool serves all threads."""

    def __init__(self, url: str, service: int | None = None) -> None:
        self.url = url
        self.service = service  # process id of the Podman that we started, which ends by itself when idle
        pong = _ping(url)
        if pong is None:
            raise EngineNotFound(f"the container engine `{url}` does not answer.\nfix: start it")
        settings: dict[str, Any] = {"timeout": CALL_SECONDS, "max_pool_size": _CONNECTIONS}
        self.client = docker.DockerClient(base_url=url, version=pong.api_version, **settings)
        self.client.api.close()
        self.client.api = Api(url, pong.api_version, **settings)
        self._podman = pong.podman
        self._facts: EngineFacts | None = None

    def close(self) -> None:
        """Lets go of all connections."""
        self.client.close()

    @property
    def facts(self) -> EngineFacts:
        """Asked once."""
        if self._facts is None:
            self._facts = EngineFacts(podman=self._podman, cgroup_v1=self._cgroup_version() == "1")
        return self._facts

    def _cgroup_version(self) -> str:
        # A local engine shares our kernel; to be asked costs Podman a seventh of a second, and every plugin asks.
        if self.url.startswith("unix://") and _CGROUPS.is_dir():
            return _host_cgroup_version()
        return str(self.client.info().get("CgroupVersion") or "2")


def find_engine() -> Engine:
    """The engine that DOCKER_HOST or CONTAINER_HOST names, else the first socket that answers, else a Podman of ours.

    EngineNotFound when there is none, or when the one named does not answer.
    """
    for variable in ("DOCKER_HOST", "CONTAINER_HOST"):
        named = os.environ.get(variable)
        if named:
            return _named(variable, named)
    for path in _sockets():
        if _answers(f"unix://{path}"):
            return Engine(f"unix://{path}")
    return _own_podman()


def _named(variable: str, url: str) -> Engine:
    if _answers(url):
        return Engine(url)
    raise EngineNotFound(
        f"{variable} names the container engine `{url}`, which does not answer.\n"
        f"fix: start it, or unset {variable} so that another engine is looked for"
    )


def _sockets() -> Iterator[Path]:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    yield Path("/var/run/docker.sock")
    yield Path.home() / ".docker/run/docker.sock"  # Docker Desktop
    yield Path("/run/podman/podman.sock")
    if runtime:
        yield Path(runtime) / "podman/podman.sock"
    yield _own_socket()


def _answers(url: str) -> bool:
    return _ping(url) is not None


def _ping(url: str) -> _Pong | None:
    """The cheapest question there is; its headers tell what `version` would take Podman a quarter of a second."""
    if url.startswith("unix://") and not _listens(url.removeprefix("unix://")):
        return None
    try:
        client = docker.APIClient(base_url=url, timeout=_PING_SECONDS, version=_OLDEST_API)
    except DockerException:
        return None
    try:
        answer = client.get(f"{client.base_url}/_ping", timeout=_PING_SECONDS)
        answer.raise_for_status()
    except WORLD_FAILURES:
        return None
    finally:
        client.close()
    return _Pong(answer.headers.get("Api-Version", _OLDEST_API), "Libpod-API-Version" in answer.headers)


def _listens(path: str) -> bool:
    # Asked apart, because docker-py leaks the socket of an attempt that fails.
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(_PING_SECONDS)
        return peer.connect_ex(path) == 0


def _own_socket() -> Path:
    if os.geteuid() == 0:
        return Path("/run/hdinfra/podman.sock")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    home = Path(runtime) / "hdinfra" if runtime else Path(tempfile.gettempdir()) / f"hdinfra-{os.geteuid()}"
    return home / "podman.sock"


def _own_podman() -> Engine:
    podman = shutil.which("podman")
    if podman is None:
        raise EngineNotFound(
            "no container engine answers: neither Docker's nor Podman's socket is there, and `podman` is not on PATH.\n"
            "fix: install one (Debian, Ubuntu: `sudo apt-get install podman`; others: https://podman.io) and run "
            "again, or set DOCKER_HOST to the engine to use"
        )
    path = _own_socket()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    url = f"unix://{path}"
    with file_lock(path.with_suffix(".lock")):
        service = None if _answers(url) else _started_podman(podman, url, path.with_suffix(".log"))
    return Engine(url, service)


def _started_podman(podman: str, url: str, log: Path) -> int:
    # crun refuses hybrid cgroup hosts; runc takes them.
    runtime = ["--runtime", "runc"] if _host_cgroup_version() == "1" and shutil.which("runc") else []
    # It outlives us and the folder that we stand in, and without a folder it can start nothing.
    argv = ["env", "--chdir=/", podman, *runtime, "system", "service", f"--time={_IDLE_SECONDS}", url]
    with log.open("wb") as talk:
        # No Popen: one that is let go of while its process runs is a ResourceWarning.
        pid = os.posix_spawnp(
            argv[0],
            argv,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, talk.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, talk.fileno(), 2),
            ],
            setsid=True,
        )
    deadline, ended = time.monotonic() + _START_SECONDS, False
    while time.monotonic() < deadline and not ended:
        if _answers(url):
            return pid
        time.sleep(0.1)
        ended = os.waitpid(pid, os.WNOHANG)[0] == pid
    if not ended:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    raise EngineNotFound(
        f"`{' '.join(argv)}` did not answer within {_START_SECONDS} s; it said:\n"
        f"{log.read_text(errors='replace')[-2000:]}\n"
        "fix: mend Podman (`podman info` shows its state), or set DOCKER_HOST to another engine"
    )


def _host_cgroup_version() -> str:
    return "2" if (_CGROUPS / "cgroup.controllers").exists() else "1"


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Holds a lock between processes and threads; the kernel frees it when its holder dies."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("wb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
