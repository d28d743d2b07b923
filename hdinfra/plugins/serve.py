"""Runs a provider plugin as the engine expects it: print the port, serve, and end quietly when told to."""

import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from hdinfra.plugins.engine_log import EngineLog
from hdinfra.plugins.frame import Frame
from hdinfra.plugins.kind import Package

_THREADS = 64  # work mostly waits for machines to boot; the engine starts one request per resource at once
_MESSAGE_BYTES = 400 * 1024 * 1024  # the engine's own limit
_UNDO_SECONDS = 8  # the engine kills a plugin 10 s after SIGINT


def serve(package: Package) -> int:
    """Serves until SIGINT, SIGTERM or the death of the engine that started us; work under way is undone first."""
    engine = os.getppid()  # asked before the engine learns our port: from then on it may be killed at any time
    address = sys.argv[1] if len(sys.argv) > 1 else None
    log = EngineLog(address)
    frame = Frame(package, log)
    options = [("grpc.max_receive_message_length", _MESSAGE_BYTES), ("grpc.max_send_message_length", _MESSAGE_BYTES)]
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(frame, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    print(port, flush=True)
    _wait_for_end(stop, engine)
    frame.cancelled.set()
    server.stop(_UNDO_SECONDS).wait()
    log.close()
    return 0


def _wait_for_end(stop: threading.Event, engine: int) -> None:
    # An engine that was killed sends no signal, but leaves us to another parent.
    while not stop.wait(1):
        if os.getppid() != engine:
            return
