"""The provider package `hdlocal`."""

from collections.abc import Mapping

from hdinfra.plugins.kind import Kind, Values
from hdinfra.plugins.local.bundle import BundleKind
from hdinfra.plugins.local.engine import WORLD_FAILURES, Engine, find_engine
from hdinfra.plugins.local.image import ImageKind
from hdinfra.plugins.local.machine import MachineKind
from hdinfra.plugins.local.names import Ownership
from hdinfra.plugins.local.network import NetworkKind
from hdinfra.plugins.shapes import Record, Text

VERSION = "0.1.0"
_NAME = Text(r"[a-z0-9][a-z0-9_.-]{0,62}", "a name of a-z, 0-9, `_`, `.` and `-`, 63 characters at most")
_ANY_NAME = Text(r"[\w.:/@ -]{1,200}", "a name of 200 characters at most")


class LocalCloud:
    """Machines as system containers of the engine found on this host."""

    name = "hdlocal"
    version = VERSION
    config = Record({"namespace": _NAME, "project": _ANY_NAME, "stack": _ANY_NAME, "region": _NAME})
    config_replaces = frozenset({"namespace"})
    world_failures = WORLD_FAILURES

    def __init__(self, engine: Engine | None = None) -> None:
        self._engine = engine

    def configure(self, config: Values) -> Mapping[str, Kind]:
        """Finds the engine and readies the kinds."""
        engine = self._engine = self._engine or find_engine()
        owner = Ownership(**{name: str(config[name]) for name in self.config.fields})
        return {
            "hdlocal:index:Image": ImageKind(engine),
            "hdlocal:index:Network": NetworkKind(engine, owner),
            "hdlocal:index:Machine": MachineKind(engine, owner),
            "hdlocal:index:Bundle": BundleKind(engine),
        }
