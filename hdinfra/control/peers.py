"""API machines pull from one another what each has taken; whatever comes twice or late changes nothing."""

import asyncio
import json
import logging
import ssl
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Query

from hdinfra.control.callers import NodeOf, PeerOf
from hdinfra.control.node import Node
from hdinfra.control.shapes import LARGEST, StatementsAnswer
from hdinfra.protocol.endpoint import Endpoint
from hdinfra.protocol.entry import SealedEntry
from hdinfra.protocol.seal import ProtocolError

_BATCH_CHARACTERS = 1_500_000
_ANSWER_BYTES = 4_194_304
_WAIT_SECONDS = 10
_RETRY_SECONDS = 2
_CONNECT_SECONDS = 3
_LOG = logging.getLogger("hdinfra.control")
router = APIRouter(tags=["peers"])


@router.get("/v1/peer/statements", response_model=StatementsAnswer)
async def statements(
    _: PeerOf,
    node: NodeOf,
    after: Annotated[int, Query(ge=0, le=LARGEST)] = 0,
    wait: Annotated[float, Query(ge=0, le=30)] = 0,
) -> dict[str, Any]:
    """What this API machine took after its own row of that number, some at a time; held while there is nothing."""
    until = node.clock() + wait
    found = node.store.statements(after, _BATCH_CHARACTERS)
    while not found and (left := until - node.clock()) > 0:
        await node.stated.wait(left)
        found = node.store.statements(after, _BATCH_CHARACTERS)
    return {
        "ledger": node.store.ledger,
        "last": found[-1].row if found else after,
        "releases": [one.text for one in found if one.kind == "release"],
        "entries": [{"entry": one.text, "endorsement": one.endorsement} for one in found if one.kind == "entry"],
    }


@dataclass(slots=True)
class _Cursor:
    """How far one peer was read. Not kept: after a restart everything is read again and changes nothing."""

    ledger: str = ""
    after: int = 0
    trouble: str = field(default="", repr=False)


async def follow_all(node: Node) -> None:
    """Pull for ever from all other API machines, whichever these are by now."""
    async with asyncio.TaskGroup() as group:
        running: dict[Endpoint, asyncio.Task[None]] = {}
        while True:
            peers = set(node.peers)
            for gone in running.keys() - peers:
                running.pop(gone).cancel()
            for new in peers - running.keys():
                running[new] = group.create_task(follow(node, new))
            await node.moved.wait()
            node.moved.clear()


async def follow(node: Node, endpoint: Endpoint) -> None:
    """Pull from that API machine for ever."""
    cursor = _Cursor()
    while True:
        try:
            await _pull(node, endpoint, cursor)
        except (OSError, ValueError, KeyError, TypeError) as error:
            _complain(endpoint, cursor, error)
            node.unheard.discard(endpoint.name)  # who does not answer holds nobody up
            await asyncio.sleep(_RETRY_SECONDS)
        except Exception as error:  # a full disk, say: the other pulls go on
            _complain(endpoint, cursor, error)
            await asyncio.sleep(_RETRY_SECONDS)


def take(node: Node, told: dict[str, Any]) -> None:
    """Believe what proves itself; the rest is logged and passed over."""
    for text in told["releases"]:
        _believe(node, text, None)
    for one in told["entries"]:
        _believe(node, str(one["entry"]), SealedEntry(str(one["entry"]), str(one["endorsement"])))


def _believe(node: Node, text: str, sealed: SealedEntry | None) -> None:
    try:
        if sealed is None:
            node.statements.take_release(text)
        else:
            node.statements.take_entry(sealed)
    except ProtocolError as refused:
        _LOG.warning("a peer's statement is not believed: %s: %s", refused.code, refused)


async def _pull(node: Node, endpoint: Endpoint, cursor: _Cursor) -> None:
    if not node.authority.certified:
        await asyncio.sleep(_RETRY_SECONDS / 10)
        return
    wait = 0 if endpoint.name in node.unheard else _WAIT_SECONDS
    told = await _asked(node, endpoint, f"/v1/peer/statements?after={cursor.after}&wait={wait}")
    if cursor.ledger not in ("", told["ledger"]):
        cursor.ledger, cursor.after = "", 0
        return
    take(node, told)
    caught_up = int(told["last"]) == cursor.after
    cursor.ledger, cursor.after, cursor.trouble = str(told["ledger"]), int(told["last"]), ""
    if caught_up:
        node.unheard.discard(endpoint.name)


def _complain(endpoint: Endpoint, cursor: _Cursor, error: Exception) -> None:
    said = f"{type(error).__name__}: {error}"
    if said != cursor.trouble:
        _LOG.warning("%s does not tell what it knows: %s", endpoint.name, said)
    cursor.trouble = said


async def _asked(node: Node, endpoint: Endpoint, path: str) -> dict[str, Any]:
    """The JSON object at that path. A connection a question: HTTP/1.0 needs no more than this."""
    reader, writer = await _connected(node, endpoint)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: {endpoint.name}\r\n\r\n".encode())
        async with asyncio.timeout(_WAIT_SECONDS + _CONNECT_SECONDS):
            answer = await _all(reader)
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if status != [b"200"]:
        raise ValueError(f"answered {head[:40]!r}: {body[:300]!r}")
    found: dict[str, Any] = json.loads(body)
    return found


async def _all(reader: asyncio.StreamReader) -> bytes:
    parts, size = [], 0
    while part := await reader.read(65_536):
        size += len(part)
        if size > _ANSWER_BYTES:
            raise ValueError(f"an answer of more than {_ANSWER_BYTES:,} bytes")
        parts.append(part)
    return b"".join(parts)


async def _connected(node: Node, endpoint: Endpoint) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    context = ssl.create_default_context(cadata=node.settings.root)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(node.settings.server)
    failed: Exception = OSError("no address")
    for address in filter(None, (endpoint.ipv6, endpoint.ipv4)):
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                return await asyncio.open_connection(address, endpoint.port, ssl=context, server_hostname=endpoint.name)
        except OSError as error:
            failed = error
    raise failed
