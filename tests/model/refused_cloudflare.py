"""Edges at Cloudflare, each of which breaks one rule."""

from hdinfra.model.failover.cloudflare_plan import plan_cloudflare, plan_pair
from tests.model import cloudflare_specs as cloudflare
from tests.model.legal import Change, Data, setting
from tests.model.refused import RefusalCase

PARIS, HELSINKI = "tunnels.0", "tunnels.1"
CONNECTORS = f"{PARIS}.connectors"
WHY = {"uplinks": "the cloud's network has one way out"}


def edge(rule: str, path: str, *changes: Change) -> RefusalCase:
    """The legal edge with these changes, planned."""
    return RefusalCase(rule, path, lambda: plan_cloudflare(cloudflare.edge(*changes)))


def pair(rule: str, path: str, *changes: Change) -> RefusalCase:
    """The legal pair with these changes, planned."""
    return RefusalCase(rule, path, lambda: plan_pair(cloudflare.pair(*changes)))


def third_site(data: Data) -> None:
    """A tunnel that no endpoint names."""
    data["tunnels"].append({**cloudflare.PARIS, "name": "oslo", "direct": "oslo.example.com"})


def same_name(data: Data) -> None:
    """Another tunnel called `helsinki`."""
    data["tunnels"].append({**cloudflare.HELSINKI})


def in_one_pool(data: Data) -> None:
    """Both sites' tunnels in the first pool, and a third site's in the second."""
    first, second = data["failover"]["pools"]
    first["endpoints"] += second["endpoints"]
    second["endpoints"] = [{"name": "oslo", "tunnel": "oslo"}]
    third_site(data)


def an_address(data: Data) -> None:
    """A third pool that is asked at its address."""
    endpoint = {"name": "oslo", "address": "192.0.2.9"}
    data["failover"]["pools"].append({"name": "oslo", "endpoints": [endpoint]})


CLOUDFLARE = [
    edge("edge.connectors", "tunnels[0].connectors", setting(f"{CONNECTORS}.1.machine", "iron-1")),
    edge("edge.connectors", "tunnels[0].connectors", setting(f"{CONNECTORS}.1.uplink", "north")),
    edge("edge.connectors", "tunnels[0].connectors", setting(f"{PARIS}.waivers", WHY)),
    edge(
        "edge.connectors",
        "tunnels[0].connectors[2]",
        lambda data: data["tunnels"][0]["connectors"].append({"machine": "iron-2", "uplink": "south"}),
    ),
    edge("edge.connectors", "tunnels[1].kubernetes.replicas", setting(f"{HELSINKI}.kubernetes.replicas", 1)),
    edge("edge.connectors", "tunnels[1].kubernetes", setting(f"{HELSINKI}.kubernetes.uplink_label", None)),
    edge("edge.connectors", "tunnels[1].kubernetes", setting(f"{HELSINKI}.waivers", WHY)),
    pair("edge.connectors", "primary.connectors", setting("primary.connectors.1.uplink", "north")),
    pair("edge.connectors", "failover.kubernetes.replicas", setting("failover.kubernetes.replicas", 1)),
    pair("edge.rto", "rto_seconds", setting("rto_seconds", 30)),
    pair("edge.fallback", "fallback", setting("drained", "primary")),
    edge("edge.duplicate-host", "tunnels[0].direct", setting(f"{PARIS}.direct", "shop.example.com")),
    edge("edge.duplicate-host", "tunnels[1].direct", setting(f"{HELSINKI}.direct", "paris.example.com")),
    edge("edge.duplicate-tunnel", "tunnels[2].name", same_name),
    edge("edge.monitor-host", "failover.monitor.host", setting("failover.monitor", {"host": "probe.example.com"})),
    edge("edge.origin-lock", "failover.pools[2].endpoints[0]", an_address),
    edge("edge.origin-lock", "cloudflare.lock", setting("cloudflare.lock", "cloudflare-only")),
    edge("edge.pool-per-site", "failover.pools[0].endpoints", in_one_pool),
    edge("edge.proxied-ttl", "failover.ttl_seconds", setting("failover.ttl_seconds", 30)),
    edge("edge.tunnel-unknown", "tunnels[2]", third_site),
    edge(
        "edge.tunnel-unknown",
        "failover.pools[2].endpoints[0].tunnel",
        lambda data: data["failover"]["pools"].append(
            {"name": "oslo", "endpoints": [{"name": "oslo", "tunnel": "oslo"}]}
        ),
    ),
]
