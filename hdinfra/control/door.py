"""In front of every request: it came through nginx, its body has an end, and every write is noted."""

import hmac
import json
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hdinfra.control.node import Node
from hdinfra.control.store import AuditRow

BODY_BYTES = 1_048_576
RELEASE_BYTES = 2_097_152
"""A release of 1 MiB, once more quoted as it travels inside JSON."""
_OPEN = ("/v1/ready", "/v1/version")  # what the machine itself asks, past nginx
_UNNOTED = ("/v1/report",)  # each machine, each 10 s: that is what GET /v1/machines shows
_WRITES = ("PUT", "POST", "DELETE", "PATCH")


class Door:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, node: Node) -> None:
        self._app = app
        self._node = node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        noted = _Noted(send)
        await self._let_in(scope, receive, noted)
        if scope["method"] in _WRITES and scope["path"] not in _UNNOTED:
            self._note(scope, state, noted.status)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        front = headers.get(b"x-hdinfra-front", b"")
        through_nginx = hmac.compare_digest(front, self._node.settings.front.encode())
        if not through_nginx and scope["path"] not in _OPEN:
            await _refuse(scope, send, 403, "front.missing", "this port is nginx's alone: ask on port 9000")
            return
        most = RELEASE_BYTES if scope["path"].startswith("/v1/policies/") else BODY_BYTES
        body = await _read(headers, receive, most)
        if body is None:
            await _refuse(scope, send, 413, "body.too-long", f"bodies end after {most:,} bytes here")
            return
        await self._app(scope, _Replayed(body, receive), send)

    def _note(self, scope: Scope, state: dict[str, Any], status: int) -> None:
        outcome = "ok" if status < 300 else str(state.get("outcome", status))
        author, tenant = str(state.get("author", "")), str(state.get("tenant", ""))
        action = str(state.get("action", f"{scope['method']} {scope['path']:.100}"))
        row = AuditRow(self._node.clock(), author, tenant, action, scope["path"][:300], outcome)
        self._node.note(row)


class _Noted:
    """Passes an answer on and remembers its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 500

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


class _Replayed:
    """A body that was read already, then whatever the connection says."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


async def _read(headers: dict[bytes, bytes], receive: Receive, most: int) -> bytes | None:
    """The whole body; None when it is longer than that, without reading on."""
    announced = headers.get(b"content-length", b"0")
    if not announced.isdigit() or int(announced[:20]) > most:
        return None
    parts, size = [], 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            return None
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def _refuse(scope: Scope, send: Send, status: int, code: str, message: str) -> None:
    scope["state"]["outcome"] = code
    body = json.dumps({"error": code, "message": message}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
