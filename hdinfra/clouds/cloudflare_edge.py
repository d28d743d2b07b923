"""Cloudflare's resources of one edge. Importing its SDK takes seconds, so this module is imported at its first use.

What each input means, and which of them make a resource anew: terraform-provider-cloudflare at a2efdc5786,
internal/services/<resource>/schema.go.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi_cloudflare import (
    AuthenticatedOriginPullsSettings,
    DnsRecord,
    LoadBalancer,
    LoadBalancerMonitor,
    LoadBalancerPool,
    NotificationPolicy,
    NotificationPolicyWebhooks,
    Provider,
    ZeroTrustTunnelCloudflared,
    ZeroTrustTunnelCloudflaredConfig,
    get_zero_trust_tunnel_cloudflared_token_output,
)

from hdinfra.clouds.tunnel import TunnelHandle
from hdinfra.model.failover.cloudflare_plan import CloudflarePlan, Ingress
from hdinfra.model.failover.cloudflare_spec import WebhookSpec
from hdinfra.model.failover.spec import EndpointSpec, MonitorSpec, PoolSpec, Steering

STEERING: Mapping[Steering, str] = {
    Steering.ORDER: "off",
    Steering.WEIGHTED: "random",
    Steering.GEO: "geo",
    Steering.PROXIMITY: "proximity",
    Steering.LATENCY: "dynamic_latency",
}
"""Ours to Cloudflare's words (description of `steering_policy`)."""

NOBODY = "http_status:404"
"""What connectors answer for a host that no rule names. Cloudflare refuses a configuration without a last such rule."""

ALERTS: Mapping[str, str] = {
    "health": "load_balancing_health_alert",
    "drain": "load_balancing_pool_enablement_alert",
    "tunnel": "tunnel_health_event",
}
"""What is told of: a pool's health, a pool that somebody took out or let in, a tunnel's health."""


class CloudflareEdge:
    """Declares under one provider, in one account and one zone. `prefix` starts every name that Cloudflare shows."""

    def __init__(
        self, name: str, plan: CloudflarePlan, prefix: str, token: pulumi.Input[str] | None, parent: pulumi.Resource
    ) -> None:
        self._plan, self._prefix = plan, prefix
        under = pulumi.ResourceOptions(parent=parent)
        self.provider = Provider(
            f"{name}-provider", api_token=pulumi.Output.secret(token) if token else None, opts=under
        )
        self._opts = pulumi.ResourceOptions(parent=parent, provider=self.provider)
        self._account, self._zone = plan.account.account_id, plan.account.zone_id

    def tunnel(self, name: str, shown: str, ingress: Sequence[Ingress]) -> TunnelHandle:
        """A tunnel whose rules are kept at Cloudflare, so that connectors need nothing but its token.

        Cloudflare makes the secret: it is in no input, and so in no preview. The token is asked for when the tunnel is
        there, and follows it.
        """
        tunnel = ZeroTrustTunnelCloudflared(
            name, account_id=self._account, name=self._shown(shown), config_src="cloudflare", opts=self._opts
        )
        ZeroTrustTunnelCloudflaredConfig(
            f"{name}-config",
            account_id=self._account,
            tunnel_id=tunnel.id,
            source="cloudflare",
            config={"ingresses": [*map(_rule, ingress), {"service": NOBODY}]},
            opts=self._opts,
        )
        asked = get_zero_trust_tunnel_cloudflared_token_output(
            account_id=self._account,
            tunnel_id=tunnel.id,
            opts=pulumi.InvokeOutputOptions(provider=self.provider, parent=tunnel),
        )
        token = pulumi.Output.secret(asked.apply(lambda answer: answer.token))
        return TunnelHandle(tunnel.id, tunnel.id.apply(_address), token)

    def monitor(self, name: str, spec: MonitorSpec, host: str) -> pulumi.Output[str]:
        """What probes pools over HTTPS as a user's request comes: by the same Host, and without following redirects."""
        monitor: pulumi.CustomResource = LoadBalancerMonitor(
            name,
            account_id=self._account,
            description=self._shown("monitor"),
            type="https",
            method="GET",
            port=443,
            path=spec.path,
            header={"Host": [host]},
            expected_codes=str(spec.expected_status),
            expected_body=spec.expected_body,
            interval=spec.interval_seconds,
            timeout=spec.timeout_seconds,
            retries=spec.retries,
            consecutive_down=spec.consecutive_down,
            consecutive_up=spec.consecutive_up,
            follow_redirects=False,
            allow_insecure=False,
            opts=self._opts,
        )
        return monitor.id

    def pool(
        self, name: str, spec: PoolSpec, monitor: pulumi.Output[str], tunnels: Mapping[str, TunnelHandle]
    ) -> pulumi.Output[str]:
        """One site. Drained, it takes nobody and nobody probes it; nothing else changes."""
        pool: pulumi.CustomResource = LoadBalancerPool(
            name,
            account_id=self._account,
            name=self._shown(spec.name),
            enabled=not spec.drained,
            monitor=monitor,
            minimum_origins=spec.minimum_healthy,
            latitude=spec.latitude,
            longitude=spec.longitude,
            origins=[self._origin(endpoint, tunnels) for endpoint in spec.endpoints],
            opts=self._opts,
        )
        return pool.id

    def load_balancer(self, name: str, pools: Mapping[str, pulumi.Output[str]]) -> LoadBalancer:
        """The service's host. Requests are not tried again at another pool: a site that took a write may have it."""
        failover, plan = self._plan.failover, self._plan
        weights = {pool.name: pool.weight for pool in failover.pools}
        weighted = failover.steering is Steering.WEIGHTED
        return LoadBalancer(
            name,
            zone_id=self._zone,
            name=failover.host,
            description=self._shown("failover"),
            enabled=True,
            proxied=True,
            default_pools=[pools[pool.name] for pool in failover.pools],
            fallback_pool=pools[plan.fallback],
            steering_policy=STEERING[failover.steering],
            session_affinity=str(failover.affinity),
            adaptive_routing={"failover_across_pools": False},
            random_steering=_weights(pools, weights) if weighted else None,
            region_pools={region: [pools[pool] for pool in theirs] for region, theirs in plan.region_pools().items()}
            or None,
            opts=self._opts,
        )

    def direct(self, name: str, host: str, tunnel: TunnelHandle) -> None:
        """A name that leads to one site alone."""
        DnsRecord(
            name,
            zone_id=self._zone,
            name=host,
            type="CNAME",
            content=tunnel.address,
            proxied=True,
            ttl=1,  # automatic, as proxied records have it
            comment=self._shown("direct"),
            opts=self._opts,
        )

    def origin_pulls(self, name: str) -> None:
        """From now on the zone's edge shows origins a certificate of Cloudflare's, which they may ask for."""
        AuthenticatedOriginPullsSettings(name, zone_id=self._zone, enabled=True, opts=self._opts)

    def alerts(
        self,
        name: str,
        secrets: Mapping[str, pulumi.Input[str]],
        pools: Mapping[str, pulumi.Output[str]],
        tunnels: Mapping[str, TunnelHandle],
    ) -> None:
        """One policy for each kind of `ALERTS` that there is something for, to everybody who is to be told."""
        notify = self._plan.account.notify
        hooks = [self._webhook(f"{name}-webhook-{hook.name}", hook, secrets.get(hook.name)) for hook in notify.webhooks]
        told = {"emails": [{"id": email} for email in notify.emails], "webhooks": [{"id": hook} for hook in hooks]}
        mechanisms = {kind: whom for kind, whom in told.items() if whom}
        if not mechanisms:
            return
        about: dict[str, dict[str, Any]] = {
            "health": {"pool_ids": list(pools.values())},
            "drain": {"pool_ids": list(pools.values())},
            "tunnel": {"tunnel_ids": [tunnel.id for tunnel in tunnels.values()]},
        }
        for kind, alert in ALERTS.items():
            if not all(about[kind].values()):
                continue  # without tunnels, all that others have would be told of
            NotificationPolicy(
                f"{name}-{kind}-alert",
                account_id=self._account,
                name=self._shown(kind),
                alert_type=alert,
                enabled=True,
                filters=about[kind],
                mechanisms=mechanisms,
                opts=self._opts,
            )

    def _webhook(self, name: str, spec: WebhookSpec, secret: pulumi.Input[str] | None) -> pulumi.Output[str]:
        hook: pulumi.CustomResource = NotificationPolicyWebhooks(
            name,
            account_id=self._account,
            name=self._shown(spec.name),
            url=spec.url,
            secret=pulumi.Output.secret(secret) if secret else None,
            opts=self._opts,
        )
        return hook.id

    def _origin(self, spec: EndpointSpec, tunnels: Mapping[str, TunnelHandle]) -> dict[str, Any]:
        """The Host of users' requests, by which a tunnel's connectors find the rule, and which probes have as well."""
        address = tunnels[spec.tunnel].address if spec.tunnel else str(spec.address or spec.host)
        return {
            "name": spec.name,
            "address": address,
            "enabled": True,
            "weight": spec.weight,
            "header": {"hosts": [self._plan.failover.host]},
        }

    def _shown(self, name: str) -> str:
        return f"{self._prefix}-{name}"


def _rule(ingress: Ingress) -> dict[str, Any]:
    """An origin that speaks TLS proves that it is the host."""
    proof = {"origin_server_name": ingress.host} if ingress.service.startswith("https:") else {}
    return {"hostname": ingress.host, "service": ingress.service, **({"origin_request": proof} if proof else {})}


def _address(tunnel_id: str) -> str:
    return f"{tunnel_id}.cfargotunnel.com"


def _weights(pools: Mapping[str, pulumi.Output[str]], weights: Mapping[str, float]) -> pulumi.Output[dict[str, Any]]:
    named = pulumi.Output.all(**{name: pools[name] for name in weights})
    return named.apply(
        lambda ids: {"default_weight": 0, "pool_weights": {ids[name]: weight for name, weight in weights.items()}}
    )
