"""Drives a provider plugin over its real gRPC frame, without the engine; and what local cloud tests share."""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from google.rpc import status_pb2
from pulumi.runtime.proto import provider_pb2 as messages
from pulumi.runtime.proto import provider_pb2_grpc

from hdinfra.plugins.engine_log import EngineLog
from hdinfra.plugins.frame import Frame
from hdinfra.plugins.kind import Package
from hdinfra.plugins.values import unwrap, wrap

CHECKOUT = Path(__file__).parents[2]
HOME = f"{CHECKOUT}:{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
_HASH = hashlib.sha256(HOME.encode()).digest()
NAMESPACE = f"hdl-{_HASH.hex()[:8]}"
_POOL = f"10.{96 + _HASH[0] % 7 * 16 + _HASH[1] % 16}"
_POOL6 = f"fd{_HASH.hex()[:2]}:{_HASH.hex()[2:6]}:{_HASH.hex()[6:10]}"
PORT = 20_000 + int.from_bytes(_HASH[2:4], "big") % 20_000


def prefixes(number: int) -> dict[str, str]:
    """The inputs of this checkout's network of that number."""
    return {"ipv4": f"{_POOL}.{number}.0/24", "ipv6": f"{_POOL6}:{number:x}::/64"}


def place(network: str, number: int, host: int) -> dict[str, str]:
    """A machine's place in it."""
    return {"network": network, "ipv4": f"{_POOL}.{number}.{host}", "ipv6": f"{_POOL6}:{number:x}::{host:x}"}


def eventually(condition: Callable[[], bool], *, within: float, because: Callable[[], object] = str) -> None:
    """Waits until the condition holds; shows the evidence when it does not in time."""
    deadline = time.monotonic() + within
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not within {within} s: {because()}"
        pause.wait(0.05)


@dataclass
class Fault(Exception):
    """A gRPC error as the engine sees it."""

    code: str
    message: str
    failed: Any = None

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


@dataclass
class Driver:
    """The engine's side of one plugin."""

    stub: Any
    frame: Frame

    def configure(self, **config: str) -> list[tuple[str, str]]:
        """CheckConfig and, when that is well, Configure."""
        checked = self._do("CheckConfig", messages.CheckRequest(news=wrap(config)))
        if not checked.failures:
            self._do("Configure", messages.ConfigureRequest(args=wrap(config), acceptSecrets=True))
        return [(failure.property, failure.reason) for failure in checked.failures]

    def check(self, kind: str, inputs: Mapping[str, Any]) -> list[tuple[str, str]]:
        """The failures of Check."""
        checked = self._do("Check", messages.CheckRequest(urn=_urn(kind, "x"), news=wrap(inputs)))
        return [(failure.property, failure.reason) for failure in checked.failures]

    def create(self, kind: str, name: str, inputs: Mapping[str, Any], secrets: tuple[str, ...] = ()) -> Any:
        """Check, then Create; gives id, state and which properties are secret."""
        assert self.check(kind, inputs) == []
        request = messages.CreateRequest(urn=_urn(kind, name), properties=wrap(inputs, secrets))
        answer = self._do("Create", request)
        return (answer.id, *unwrap(answer.properties))

    def preview(self, kind: str, name: str, inputs: Mapping[str, Any], secrets: tuple[str, ...] = ()) -> Any:
        """Create in a preview; gives the state and which properties are secret."""
        request = messages.CreateRequest(urn=_urn(kind, name), properties=wrap(inputs, secrets), preview=True)
        answer = self._do("Create", request)
        assert answer.id == ""
        return unwrap(answer.properties)

    def read(self, kind: str, name: str, resource_id: str, state: Mapping[str, Any]) -> dict[str, Any] | None:
        """The state as the world has it, None when it is gone."""
        request = messages.ReadRequest(id=resource_id, urn=_urn(kind, name), properties=wrap(state), inputs=wrap({}))
        answer = self._do("Read", request)
        return unwrap(answer.properties)[0] if answer.id else None

    def diff(
        self, kind: str, state: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]
    ) -> tuple[set[str], set[str], bool]:
        """What changes in place, what replaces, and whether the old one goes first."""
        request = messages.DiffRequest(
            id="x", urn=_urn(kind, "x"), olds=wrap(state), old_inputs=wrap(old), news=wrap(new)
        )
        answer = self._do("Diff", request)
        return set(answer.diffs) - set(answer.replaces), set(answer.replaces), answer.deleteBeforeReplace

    def update(
        self, kind: str, name: str, resource_id: str, state: Mapping[str, Any], inputs: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Update; gives the new state."""
        request = messages.UpdateRequest(id=resource_id, urn=_urn(kind, name), olds=wrap(state), news=wrap(inputs))
        return unwrap(self._do("Update", request).properties)[0]

    def delete(self, kind: str, name: str, resource_id: str, state: Mapping[str, Any]) -> None:
        """Delete."""
        self._do("Delete", messages.DeleteRequest(id=resource_id, urn=_urn(kind, name), properties=wrap(state)))

    def cancel(self) -> None:
        """Cancel."""
        self._do("Cancel", empty_pb2.Empty())

    def schema(self) -> str:
        """GetSchema."""
        return str(self._do("GetSchema", messages.GetSchemaRequest()).schema)

    def _do(self, method: str, request: Any) -> Any:
        try:
            return getattr(self.stub, method)(request, timeout=300)
        except grpc.RpcError as error:
            raise _fault(error) from error


@contextmanager
def driven(package: Package) -> Iterator[Driver]:
    """Serves the package in this process and gives the engine's side of it."""
    frame = Frame(package, EngineLog())
    server = grpc.server(ThreadPoolExecutor(8))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(frame, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Driver(provider_pb2_grpc.ResourceProviderStub(channel), frame)
    server.stop(0).wait()


def _urn(kind: str, name: str) -> str:
    token = kind if ":" in kind else f"hdlocal:index:{kind}"
    return f"urn:pulumi:stack::project::{token}::{name}"


def _fault(error: Any) -> Fault:
    trailing = dict(error.trailing_metadata() or ())
    failed = None
    if "grpc-status-details-bin" in trailing:
        status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
        failed = messages.ErrorResourceInitFailed()
        assert status.details[0].Unpack(failed)
    return Fault(error.code().name, error.details(), failed)
