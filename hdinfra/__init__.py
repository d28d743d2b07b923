"""Zones over many clouds and your own racks: decide first, then declare; the same machine everywhere.

    plan = hd.planned(hd.load_spec("stacks/india.yaml"))
    hd.declare(plan)

Names are imported at their first use, so that `import hdinfra` costs nothing and needs no extra.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hdinfra.components.bare_metal import (
        BareMetalProfile,
        BareMetalProfileArgs,
        BareMetalServer,
        BareMetalServerArgs,
        BmcAccess,
        Pxe,
        VirtualMedia,
    )
    from hdinfra.components.byol import ByolInstance, ByolInstanceArgs, status_of_byol
    from hdinfra.components.change import change
    from hdinfra.components.cloudflare_failover import CloudflareFailover, CloudflareFailoverArgs
    from hdinfra.components.cluster import Cluster, ClusterArgs
    from hdinfra.components.control import ControlPlane, ControlPlaneArgs
    from hdinfra.components.declare import Declared, control_of, declare, held_of, status_of
    from hdinfra.components.dns import DnsEdge, DnsEdgeArgs
    from hdinfra.components.edge import ProxyEdge, ProxyEdgeArgs
    from hdinfra.components.edge_outputs import status_of_edge, tokens_of_edge
    from hdinfra.components.failover_pair import FailoverPair, FailoverPairArgs
    from hdinfra.components.instance import (
        DedicatedInstance,
        DedicatedInstanceArgs,
        SharedInstance,
        SharedInstanceArgs,
    )
    from hdinfra.components.route53 import Route53Edge, Route53EdgeArgs
    from hdinfra.components.tunnel_connectors import TunnelConnectors, TunnelConnectorsArgs
    from hdinfra.components.zone import Zone, ZoneArgs
    from hdinfra.machine.apps.tunnel import with_tunnel
    from hdinfra.model.checks.server import planned_server
    from hdinfra.model.failover.cloudflare_file import load_edge
    from hdinfra.model.failover.cloudflare_plan import planned_edge
    from hdinfra.model.failover.cloudflare_spec import CloudflareSpec, PairSpec, TunnelPlan
    from hdinfra.model.refusal import Refusal, RefusedError
    from hdinfra.model.route53 import Route53Spec, plan_route53
    from hdinfra.model.spec_file import load_byol, load_spec
    from hdinfra.planning import planned, planned_byol, read_certificates, read_licence, read_seen

__version__ = "0.1.0"

_HOMES = {
    "BareMetalProfile": "hdinfra.components.bare_metal",
    "BareMetalProfileArgs": "hdinfra.components.bare_metal",
    "BareMetalServer": "hdinfra.components.bare_metal",
    "BareMetalServerArgs": "hdinfra.components.bare_metal",
    "BmcAccess": "hdinfra.components.bare_metal",
    "ByolInstance": "hdinfra.components.byol",
    "ByolInstanceArgs": "hdinfra.components.byol",
    "CloudflareFailover": "hdinfra.components.cloudflare_failover",
    "CloudflareFailoverArgs": "hdinfra.components.cloudflare_failover",
    "CloudflareSpec": "hdinfra.model.failover.cloudflare_spec",
    "Cluster": "hdinfra.components.cluster",
    "ClusterArgs": "hdinfra.components.cluster",
    "ControlPlane": "hdinfra.components.control",
    "ControlPlaneArgs": "hdinfra.components.control",
    "Declared": "hdinfra.components.declare",
    "DedicatedInstance": "hdinfra.components.instance",
    "DedicatedInstanceArgs": "hdinfra.components.instance",
    "DnsEdge": "hdinfra.components.dns",
    "DnsEdgeArgs": "hdinfra.components.dns",
    "FailoverPair": "hdinfra.components.failover_pair",
    "FailoverPairArgs": "hdinfra.components.failover_pair",
    "PairSpec": "hdinfra.model.failover.cloudflare_spec",
    "ProxyEdge": "hdinfra.components.edge",
    "ProxyEdgeArgs": "hdinfra.components.edge",
    "Pxe": "hdinfra.components.bare_metal",
    "Refusal": "hdinfra.model.refusal",
    "RefusedError": "hdinfra.model.refusal",
    "Route53Edge": "hdinfra.components.route53",
    "Route53EdgeArgs": "hdinfra.components.route53",
    "Route53Spec": "hdinfra.model.route53",
    "SharedInstance": "hdinfra.components.instance",
    "SharedInstanceArgs": "hdinfra.components.instance",
    "TunnelConnectors": "hdinfra.components.tunnel_connectors",
    "TunnelConnectorsArgs": "hdinfra.components.tunnel_connectors",
    "TunnelPlan": "hdinfra.model.failover.cloudflare_spec",
    "VirtualMedia": "hdinfra.components.bare_metal",
    "Zone": "hdinfra.components.zone",
    "ZoneArgs": "hdinfra.components.zone",
    "change": "hdinfra.components.change",
    "control_of": "hdinfra.components.declare",
    "declare": "hdinfra.components.declare",
    "held_of": "hdinfra.components.declare",
    "load_byol": "hdinfra.model.spec_file",
    "load_edge": "hdinfra.model.failover.cloudflare_file",
    "load_spec": "hdinfra.model.spec_file",
    "plan_route53": "hdinfra.model.route53",
    "planned": "hdinfra.planning",
    "planned_byol": "hdinfra.planning",
    "planned_edge": "hdinfra.model.failover.cloudflare_plan",
    "planned_server": "hdinfra.model.checks.server",
    "read_certificates": "hdinfra.planning",
    "read_licence": "hdinfra.planning",
    "read_seen": "hdinfra.planning",
    "status_of": "hdinfra.components.declare",
    "status_of_byol": "hdinfra.components.byol",
    "status_of_edge": "hdinfra.components.edge_outputs",
    "tokens_of_edge": "hdinfra.components.edge_outputs",
    "with_tunnel": "hdinfra.machine.apps.tunnel",
}

__all__ = [
    "BareMetalProfile",
    "BareMetalProfileArgs",
    "BareMetalServer",
    "BareMetalServerArgs",
    "BmcAccess",
    "ByolInstance",
    "ByolInstanceArgs",
    "CloudflareFailover",
    "CloudflareFailoverArgs",
    "CloudflareSpec",
    "Cluster",
    "ClusterArgs",
    "ControlPlane",
    "ControlPlaneArgs",
    "Declared",
    "DedicatedInstance",
    "DedicatedInstanceArgs",
    "DnsEdge",
    "DnsEdgeArgs",
    "FailoverPair",
    "FailoverPairArgs",
    "PairSpec",
    "ProxyEdge",
    "ProxyEdgeArgs",
    "Pxe",
    "Refusal",
    "RefusedError",
    "Route53Edge",
    "Route53EdgeArgs",
    "Route53Spec",
    "SharedInstance",
    "SharedInstanceArgs",
    "TunnelConnectors",
    "TunnelConnectorsArgs",
    "TunnelPlan",
    "VirtualMedia",
    "Zone",
    "ZoneArgs",
    "__version__",
    "change",
    "control_of",
    "declare",
    "held_of",
    "load_byol",
    "load_edge",
    "load_spec",
    "plan_route53",
    "planned",
    "planned_byol",
    "planned_edge",
    "planned_server",
    "read_certificates",
    "read_licence",
    "read_seen",
    "status_of",
    "status_of_byol",
    "status_of_edge",
    "tokens_of_edge",
    "with_tunnel",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
