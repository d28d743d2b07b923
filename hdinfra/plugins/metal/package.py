"""The provider package `hdmetal`. It needs no configuration: everything travels in the resources."""

from collections.abc import Mapping

from hdinfra.plugins.kind import Kind, Values
from hdinfra.plugins.metal.pace import Pace
from hdinfra.plugins.metal.server import ServerKind
from hdinfra.plugins.shapes import Record
from hdinfra.protocol.order import OrderError

VERSION = "0.1.0"


class Servers:
    """Servers of one's own; `pace` bounds how long it waits for BMCs and machines."""

    name = "hdmetal"
    version = VERSION
    config = Record({})
    config_replaces: frozenset[str] = frozenset()
    world_failures: tuple[type[BaseException], ...] = (OrderError,)

    def __init__(self, pace: Pace | None = None) -> None:
        self._pace = pace or Pace()

    def configure(self, config: Values) -> Mapping[str, Kind]:
        """The kinds."""
        return {"hdmetal:index:Server": ServerKind(self._pace)}
