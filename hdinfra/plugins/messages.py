"""The engine's gRPC messages without the rest of Pulumi's SDK."""

import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

_PACKAGES = ("pulumi", "pulumi.runtime", "pulumi.runtime.proto")


def leave_out_the_sdk() -> None:
    """Let `pulumi.runtime.proto` be imported alone; for the entry point of a plugin's own process, before all else.

    A run starts a process for every provider it declares, and each would spend half a second of processor time on
    importing what runs programs, which a plugin never does. Afterwards nothing else of `pulumi` can be imported.
    """
    spec = find_spec("pulumi")
    if spec is None or not spec.submodule_search_locations or "pulumi" in sys.modules:
        return
    root = Path(spec.submodule_search_locations[0])
    for name in _PACKAGES:
        package = ModuleType(name)
        package.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
