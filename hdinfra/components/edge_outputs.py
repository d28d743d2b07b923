"""What an edge's stack says of itself: where to look, and what its sites' connectors need."""

from typing import Any

import pulumi

from hdinfra.components.cloudflare_failover import CloudflareFailover


def status_of_edge(edge: CloudflareFailover) -> dict[str, Any]:
    """The stack output `status`: hosts, pools in their order, and tunnels. Health is Cloudflare's to tell."""
    failover = edge.plan.failover
    return {
        "edge": edge.plan.edge,
        "host": edge.host,
        "health_path": failover.monitor.path,
        "steering": str(failover.steering),
        "fallback": edge.plan.fallback,
        "recover_seconds": edge.plan.recover_seconds,
        "fail_back": failover.fail_back,
        "pools": [
            {
                "name": pool.name,
                "id": edge.pools[pool.name],
                "drained": pool.drained,
                "endpoints": [endpoint.name for endpoint in pool.endpoints],
                "tunnels": [endpoint.tunnel for endpoint in pool.endpoints if endpoint.tunnel],
            }
            for pool in failover.pools
        ],
        "tunnels": [
            {
                "name": tunnel.name,
                "id": edge.tunnels[tunnel.name].id,
                "address": edge.tunnels[tunnel.name].address,
                "direct": tunnel.direct,
                "hosts": [rule.host for rule in edge.plan.ingress(tunnel)],
                "connectors": [f"{one.machine} over {one.uplink}" for one in tunnel.connectors]
                or [f"{tunnel.kubernetes.replicas if tunnel.kubernetes else 0} pods"],
            }
            for tunnel in edge.plan.tunnels
        ],
        "origin_sources": list(edge.origin_sources),
    }


def tokens_of_edge(edge: CloudflareFailover) -> pulumi.Output[dict[str, str]]:
    """The stack output `tunnel_tokens`, a secret: by site, what `tunnel-token` on its machines is given."""
    held = {tunnel.name: edge.tunnels[tunnel.name].token for tunnel in edge.plan.tunnels if tunnel.connectors}
    return pulumi.Output.secret(pulumi.Output.all(**held).apply(dict))
