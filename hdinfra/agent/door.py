"""The socket by which `hdctl` speaks to `hdsync`: one line of JSON there, one back. Who may open it, may command."""

import contextlib
import grp
import json
import os
import socketserver
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .problems import log
from .wishes import CommandError

_GROUP = "hdinfra-operators"
_LONGEST = 4096
_PATIENCE_SECONDS = 10

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""From a request (`command` and what it needs) to its result; CommandError when it cannot be done."""


class Door(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Listens until it is shut."""

    daemon_threads = True
    request_queue_size = 16

    def __init__(self, path: Path, answer: Answer) -> None:
        self.answer = answer
        path.parent.mkdir(parents=True, exist_ok=True)
        # Whoever sees the socket may knock at once: it gets its name when somebody listens.
        early = path.with_name(f".{path.name}.new")
        early.unlink(missing_ok=True)
        super().__init__(str(early), _Visit)
        early.rename(path)

    def server_bind(self) -> None:
        """Open to root and the operators' group alone, from the first moment."""
        before = os.umask(0o117)
        try:
            super().server_bind()
        finally:
            os.umask(before)
        with contextlib.suppress(KeyError, PermissionError):  # a machine without that group: root alone
            os.chown(str(self.server_address), -1, grp.getgrnam(_GROUP).gr_gid)

    def open(self) -> None:
        """Answer in a thread of its own."""
        threading.Thread(target=self.serve_forever, name="door", daemon=True).start()


class _Visit(socketserver.StreamRequestHandler):
    timeout = _PATIENCE_SECONDS
    server: Door

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # who hangs up early gets no answer
            self.wfile.write(json.dumps(self._told(self.rfile.readline(_LONGEST))).encode() + b"\n")

    def _told(self, line: bytes) -> Mapping[str, Any]:
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise CommandError("a request is a JSON object")
            return {"ok": True, "result": self.server.answer(request)}
        except CommandError as error:
            return {"ok": False, "message": str(error)}
        except ValueError:
            return {"ok": False, "message": "a request is one line of JSON"}
        except Exception as error:
            log(f"door: {type(error).__name__} {error}")
            return {"ok": False, "message": f"{type(error).__name__}: {error}"}
