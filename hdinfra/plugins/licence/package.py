"""The provider package `hdlicence`. It needs no configuration: everything travels in the resources."""

import time
from collections.abc import Callable, Mapping

from hdinfra.plugins.kind import Kind, Values
from hdinfra.plugins.licence.seat import SeatKind
from hdinfra.plugins.shapes import Record

VERSION = "0.1.0"


class Licences:
    """Seats under licences; `clock` tells seconds since 1970."""

    name = "hdlicence"
    version = VERSION
    config = Record({})
    config_replaces: frozenset[str] = frozenset()
    world_failures: tuple[type[BaseException], ...] = ()

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock

    def configure(self, config: Values) -> Mapping[str, Kind]:
        """The kinds."""
        return {"hdlicence:index:Seat": SeatKind(self._clock)}
