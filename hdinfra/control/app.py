"""The application: routes, who may pass, and what runs beside the requests."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI

from hdinfra.control import bootstrap, machines, parcel_routes, peers, policies, records, sites, tokens
from hdinfra.control.callers import Certificates
from hdinfra.control.door import Door
from hdinfra.control.node import Node
from hdinfra.control.refusals import add_refusals
from hdinfra.control.shapes import Refused

_LOG = logging.getLogger("hdinfra.control")
_RENEWAL_SECONDS = 600
_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refused} for status in (400, 401, 403, 404, 409, 413, 422, 503)
}


def create_app(node: Node) -> FastAPI:
    """The API of one node. Its lifespan pulls from the other API machines and renews the server's certificate."""
    app = FastAPI(
        title="hdinfra management API",
        version=bootstrap.VERSION,
        responses=_REFUSALS,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    app.state.node, app.state.certificates = node, Certificates()
    for part in (bootstrap, machines, parcel_routes, peers, policies, sites, tokens, records):
        app.include_router(part.router)
    add_refusals(app)
    app.add_middleware(Door, node=node)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    node: Node = app.state.node
    running = [asyncio.create_task(peers.follow_all(node)), asyncio.create_task(_renew(node))]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*running)


async def _renew(node: Node) -> None:
    while True:
        try:
            if node.authority.keep_server_certificate(node.clock()):
                _LOG.info("a new certificate for nginx")
        except OSError as error:
            _LOG.warning("nginx's certificate cannot be renewed: %s", error)
        await asyncio.sleep(_RENEWAL_SECONDS)
