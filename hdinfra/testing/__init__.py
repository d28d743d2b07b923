"""Unit tests of programs on Pulumi without an engine: record whatever a program registers, then ask about all of it.

    def test_every_resource_has_its_own_provider(record: Recorder) -> None:
        graph = record(lambda: hd.declare(plan))
        assert graph.of_type("hdlocal:index:Machine") and graph.without_provider() == ()

pytest finds the fixture `record` by itself. As it looks here at every start, names are imported at their first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hdinfra.testing.graph import Graph, Registered
    from hdinfra.testing.inputs import wrong_inputs
    from hdinfra.testing.recorder import Recorder

_HOMES = {
    "Graph": "hdinfra.testing.graph",
    "Recorder": "hdinfra.testing.recorder",
    "Registered": "hdinfra.testing.graph",
    "wrong_inputs": "hdinfra.testing.inputs",
}

__all__ = ["Graph", "Recorder", "Registered", "wrong_inputs"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
