"""`pulumi-language-python` for machines that have no official one: it runs the program in its own interpreter.

Setup copies this file into the environment's `bin` with that environment's interpreter on the first line; so it imports
nothing of the project, and the option `virtualenv` of Pulumi.yaml, which the official host follows, is already met.
"""

import os
import runpy
import signal
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from types import FrameType

import grpc
from google.protobuf import empty_pb2
from pulumi.automation._server import LanguageServer
from pulumi.errors import RunError
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

VERSION = "0.1.0"
# The engine's own limit for one message (sdk/go/common/util/rpcutil): a plan of a large stack passes 4 MiB.
MESSAGE_BYTES = 400 * 1024 * 1024


class Host(LanguageServer):
    """The engine's questions about Python programs; `Run` is the one that matters."""

    def __init__(self, engine_address: str) -> None:
        super().__init__(lambda: None)
        self.engine_address = engine_address

    def Handshake(self, _request: object, _context: object) -> language_pb2.LanguageHandshakeResponse:
        """Nothing to agree on: the engine's address came on the command line."""
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, _request: object, _context: object) -> plugin_pb2.PluginInfo:
        """Shown by `pulumi about`."""
        return plugin_pb2.PluginInfo(version=VERSION)

    def InstallDependencies(
        self, _request: object, _context: object
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        """The environment is locked and installed by whoever installed this host."""
        yield language_pb2.InstallDependenciesResponse(stdout=b"dependencies are those of this environment\n")

    def RuntimeOptionsPrompts(self, _request: object, _context: object) -> language_pb2.RuntimeOptionsResponse:
        """No options to choose."""
        return language_pb2.RuntimeOptionsResponse()

    def Template(self, _request: object, _context: object) -> language_pb2.TemplateResponse:
        """No templates of our own."""
        return language_pb2.TemplateResponse()

    def GetProgramDependencies(self, _request: object, _context: object) -> language_pb2.GetProgramDependenciesResponse:
        """Every distribution of this environment."""
        found = sorted((dist.name, dist.version) for dist in metadata.distributions())
        dependencies = [language_pb2.DependencyInfo(name=name, version=version) for name, version in found]
        return language_pb2.GetProgramDependenciesResponse(dependencies=dependencies)

    def Cancel(self, _request: object, _context: object) -> empty_pb2.Empty:
        """The engine closes its monitor itself and then interrupts this process."""
        return empty_pb2.Empty()

    def Run(self, request: language_pb2.RunRequest, context: object) -> language_pb2.RunResponse:
        """Run the program once. What went wrong was already logged, so the engine is told to bail out quietly."""
        entry = enter(request)
        self.program = lambda: run_program(entry)
        # The base class reads the engine's address from there.
        request.args.insert(0, self.engine_address)
        result: language_pb2.RunResponse = super().Run(request, context)  # type: ignore[no-untyped-call]  # the SDK's own
        return language_pb2.RunResponse(bail=True) if result.error else result


def enter(request: language_pb2.RunRequest) -> Path:
    """Make this process look like the program's own: folder, import path and arguments."""
    folder = Path(request.info.program_directory or request.pwd)
    os.chdir(folder)
    entry = (folder / (request.info.entry_point or ".")).resolve()
    sys.path.insert(0, str(entry if entry.is_dir() else entry.parent))
    sys.argv = [str(entry), *request.args]
    return entry


def run_program(entry: Path) -> None:
    """Run it as `__main__`; anything it lets escape becomes one error that shows the program's own frames only."""
    try:
        runpy.run_path(str(entry), run_name="__main__")
    except RunError:
        raise
    except SystemExit as exit_:
        if exit_.code not in (None, 0):
            raise RunError(f"the program ended by sys.exit({exit_.code!r})") from exit_
    except BaseException as error:
        raise RunError(f"the program failed:\n{own_traceback(error)}") from error


def own_traceback(error: BaseException) -> str:
    """The traceback without this host's and runpy's frames, which say nothing about the program."""
    first = error.__traceback__
    while first and (first.tb_frame.f_code.co_filename in (__file__, runpy.__file__) or is_frozen(first.tb_frame)):
        first = first.tb_next
    return "".join(traceback.format_exception(type(error), error, first))


def is_frozen(frame: FrameType) -> bool:
    """Frames of runpy and importlib that the interpreter carries within itself."""
    return frame.f_code.co_filename.startswith("<frozen ")


def ending() -> int:
    """A descriptor that can be read as soon as we are told to end.

    A handler alone would not do: it runs on the main thread only, so a signal that comes just before that thread
    blocks waits with it. The interpreter writes to this pipe at once, whatever the threads are at.
    """
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    return told


def main() -> None:
    """Serve on a free loopback port and print it, as the engine expects."""
    told = ending()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # a text stream wherever the engine starts us
    options = [("grpc.max_send_message_length", MESSAGE_BYTES), ("grpc.max_receive_message_length", MESSAGE_BYTES)]
    server = grpc.server(ThreadPoolExecutor(max_workers=8), options=options)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Host(sys.argv[-1]), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port)
    os.read(told, 1)
    # The engine interrupts its plugins when it is done, also while a program hangs: no traceback, no wait for threads.
    os._exit(0)


if __name__ == "__main__":
    main()
