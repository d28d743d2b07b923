"""What an operator needs of Docker or Podman: look at machines and run a command inside, nothing more."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import docker
import requests
from docker.errors import APIError, NotFound
from docker.models.containers import Container, ExecResult

from hdinfra.operate.errors import ContainersError
from hdinfra.plugins.local.engine import Engine, EngineNotFound, find_engine


@dataclass(frozen=True)
class Containers:
    """The container engine, found as the plugin finds it."""

    engine: Engine

    @property
    def client(self) -> docker.DockerClient:
        """This thread's own connection."""
        return self.engine.client

    def get(self, name: str) -> Container | None:
        """The container of that name, or None when there is none."""
        try:
            return self.client.containers.get(name)
        except NotFound:
            return None

    def is_running(self, name: str) -> bool:
        """True for a container whose processes run (a paused one's do not)."""
        container = self.get(name)
        return container is not None and container.status == "running"

    def run(self, name: str, *command: str) -> None:
        """Run a command in that machine, whatever comes of it: it may just be stopping."""
        with suppress(APIError, NotFound, requests.RequestException):
            self.client.containers.get(name).exec_run(list(command))

    def hdctl_status(self, name: str) -> Mapping[str, Any] | None:
        """What the machine says of itself; None when it cannot say anything."""
        if not self.is_running(name):
            return None
        try:
            done = self.client.containers.get(name).exec_run(["hdctl", "status", "--json"], stderr=False)
            return _parsed(said(done))
        except (APIError, NotFound, requests.RequestException):
            return None  # it stopped between the two looks; the caller looks again


def said(done: ExecResult) -> str:
    """The output of a command that ran to its end."""
    return done.output.decode(errors="replace") if isinstance(done.output, bytes) else ""


def _parsed(output: str) -> Mapping[str, Any] | None:
    try:
        loaded = json.loads(output)
    except ValueError:
        return None
    return loaded if isinstance(loaded, dict) else None


def open_containers() -> Containers:
    """Connect; ContainersError says what to do when there is no engine."""
    try:
        return Containers(find_engine())
    except EngineNotFound as missing:
        raise ContainersError(str(missing)) from None
