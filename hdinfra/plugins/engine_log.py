"""Progress to whoever runs the engine: long work shows what it does."""

import threading
from typing import Any

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc


class EngineLog:
    """The engine's log. Without an address (a plugin started by hand) messages go nowhere."""

    def __init__(self, address: str | None = None) -> None:
        self.closing = threading.Event()
        self._channel: grpc.Channel | None = None
        self._stub: Any = None
        if address:
            self.connect(address)

    def connect(self, address: str) -> None:
        """Talks to the engine at this address from now on."""
        self._channel = grpc.insecure_channel(address)
        self._stub = engine_pb2_grpc.EngineStub(self._channel)

    def info(self, urn: str, message: str) -> None:
        """Shows a line beside the resource while it is worked on."""
        self._log(engine_pb2.LogRequest(severity=engine_pb2.INFO, message=message, urn=urn, ephemeral=True))

    def remark(self, urn: str, message: str) -> None:
        """Shows a line that stays in the run's output, in previews as well."""
        self._log(engine_pb2.LogRequest(severity=engine_pb2.INFO, message=message, urn=urn))

    def warn(self, urn: str, message: str) -> None:
        """Shows a warning that stays in the run's output."""
        self._log(engine_pb2.LogRequest(severity=engine_pb2.WARNING, message=message, urn=urn))

    def _log(self, request: Any) -> None:
        # An engine that has gone away is no failure of the work.
        if self._stub is None or self.closing.is_set():
            return
        try:
            self._stub.Log(request, timeout=5)
        except grpc.RpcError:
            self.closing.wait(0)

    def close(self) -> None:
        """Lets go of the connection."""
        if self._channel is not None:
            self._channel.close()
