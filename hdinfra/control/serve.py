"""Runs the API behind nginx."""

import logging
import sys

import uvicorn

from hdinfra.control.app import create_app
from hdinfra.control.node import Node
from hdinfra.control.settings import read_settings
from hdinfra.control.setup import main as set_up

PORT = 9001


def main() -> int:
    """`hdinfra-control`: serve; `hdinfra-control setup`: the first boot, as root."""
    if sys.argv[1:] == ["setup"]:
        return set_up()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    node = Node(read_settings())
    try:
        serve(node, PORT)
    finally:
        node.close()
    return 0


def serve(node: Node, port: int) -> None:
    """Until a signal; hanging GETs do not hold it up."""
    config = uvicorn.Config(
        create_app(node),
        host="127.0.0.1",
        port=port,
        loop="asyncio",
        http="h11",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,  # longer than nginx keeps its idle connections
        timeout_graceful_shutdown=2,
    )
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    uvicorn.Server(config).run()
