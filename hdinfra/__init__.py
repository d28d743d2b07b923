"""Zones over many clouds and your own racks: decide first, then declare; the same machine everywhere.

    plan = hd.planned(hd.load_spec("stacks/india.yaml"))
    hd.declare(plan)

Names are imported at their first use, so that `import hdinfra` costs nothing and needs no extra.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hdinfra.components.byol import ByolInstance, ByolInstanceArgs, status_of_byol
    from hdinfra.components.cluster import Cluster, ClusterArgs
    from hdinfra.components.control import ControlPlane, ControlPlaneArgs
    from hdinfra.components.declare import Declared, control_of, declare, held_of, status_of
    from hdinfra.components.edge import ProxyEdge, ProxyEdgeArgs
    from hdinfra.components.instance import (
        DedicatedInstance,
        DedicatedInstanceArgs,
        SharedInstance,
        SharedInstanceArgs,
    )
    from hdinfra.components.zone import Zone, ZoneArgs
    from hdinfra.model.refusal import Refusal, RefusedError
    from hdinfra.model.spec_file import load_byol, load_spec
    from hdinfra.planning import planned, planned_byol, read_certificates, read_licence

__version__ = "0.1.0"

_HOMES = {
    "ByolInstance": "hdinfra.components.byol",
    "ByolInstanceArgs": "hdinfra.components.byol",
    "Cluster": "hdinfra.components.cluster",
    "ClusterArgs": "hdinfra.components.cluster",
    "ControlPlane": "hdinfra.components.control",
    "ControlPlaneArgs": "hdinfra.components.control",
    "DedicatedInstance": "hdinfra.components.instance",
    "DedicatedInstanceArgs": "hdinfra.components.instance",
    "Declared": "hdinfra.components.declare",
    "ProxyEdge": "hdinfra.components.edge",
    "ProxyEdgeArgs": "hdinfra.components.edge",
    "Refusal": "hdinfra.model.refusal",
    "RefusedError": "hdinfra.model.refusal",
    "SharedInstance": "hdinfra.components.instance",
    "SharedInstanceArgs": "hdinfra.components.instance",
    "Zone": "hdinfra.components.zone",
    "ZoneArgs": "hdinfra.components.zone",
    "control_of": "hdinfra.components.declare",
    "declare": "hdinfra.components.declare",
    "held_of": "hdinfra.components.declare",
    "load_byol": "hdinfra.model.spec_file",
    "load_spec": "hdinfra.model.spec_file",
    "planned": "hdinfra.planning",
    "planned_byol": "hdinfra.planning",
    "read_certificates": "hdinfra.planning",
    "read_licence": "hdinfra.planning",
    "status_of": "hdinfra.components.declare",
    "status_of_byol": "hdinfra.components.byol",
}

__all__ = [
    "ByolInstance",
    "ByolInstanceArgs",
    "Cluster",
    "ClusterArgs",
    "ControlPlane",
    "ControlPlaneArgs",
    "Declared",
    "DedicatedInstance",
    "DedicatedInstanceArgs",
    "ProxyEdge",
    "ProxyEdgeArgs",
    "Refusal",
    "RefusedError",
    "SharedInstance",
    "SharedInstanceArgs",
    "Zone",
    "ZoneArgs",
    "__version__",
    "control_of",
    "declare",
    "held_of",
    "load_byol",
    "load_spec",
    "planned",
    "planned_byol",
    "read_certificates",
    "read_licence",
    "status_of",
    "status_of_byol",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
