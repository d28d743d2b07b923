"""A service behind Cloudflare's edge: pools in order, a tunnel for each site, and who is told when one goes."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pulumi

from hdinfra.clouds.accounts import settings_of
from hdinfra.clouds.extras import need
from hdinfra.clouds.tunnel import TunnelHandle
from hdinfra.components.ground import scope_of
from hdinfra.components.tunnel_connectors import TunnelConnectors, TunnelConnectorsArgs, need_kubernetes
from hdinfra.model.failover.cloudflare_networks import cloudflare_networks
from hdinfra.model.failover.cloudflare_plan import CloudflarePlan
from hdinfra.model.failover.cloudflare_spec import Lock

if TYPE_CHECKING:
    from hdinfra.clouds.cloudflare_edge import CloudflareEdge

CREDENTIALS = ("CLOUDFLARE_API_TOKEN",)
"""What leads to an account where the plan names none and no token is given."""

_TOKEN, _WEBHOOK = "token", "webhook-"


@dataclass(frozen=True, slots=True)
class CloudflareFailoverArgs:
    """`plan`: what no rule refuses (`hd.planned_edge`).

    `api_token`: one that may edit load balancers, tunnels, DNS and notifications; left out, the plan's account's, or
    CLOUDFLARE_API_TOKEN. `webhook_secrets`: by the name of a webhook, what is sent with its alerts. `namespace`: as a
    Zone's; every name that Cloudflare shows starts with it.
    """

    plan: CloudflarePlan
    api_token: pulumi.Input[str] | None = None
    webhook_secrets: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    namespace: str | None = None


class CloudflareFailover(pulumi.ComponentResource):
    """The edge of one service at Cloudflare. `tunnels` by site; `connectors` of the sites that run them as pods."""

    plan: CloudflarePlan
    host: str
    tunnels: Mapping[str, TunnelHandle]
    pools: Mapping[str, pulumi.Output[str]]
    connectors: Mapping[str, TunnelConnectors]

    def __init__(self, name: str, args: CloudflareFailoverArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        given = _settings(args)
        _need_sdks(args.plan)
        super().__init__("hdinfra:index:CloudflareFailover", name, None, opts)
        self.plan, self.host = args.plan, args.plan.failover.host
        edge = _edge(name, args, given.get(_TOKEN), self)
        self.tunnels = {
            tunnel.name: edge.tunnel(f"{name}-{tunnel.name}-tunnel", tunnel.name, args.plan.ingress(tunnel))
            for tunnel in args.plan.tunnels
        }
        self._entrance(name, edge)
        secrets = {key.removeprefix(_WEBHOOK): value for key, value in given.items() if key.startswith(_WEBHOOK)}
        edge.alerts(name, {**secrets, **args.webhook_secrets}, self.pools, self.tunnels)
        self.connectors = {
            tunnel.name: TunnelConnectors(
                f"{name}-{tunnel.name}-connectors",
                TunnelConnectorsArgs(tunnel=tunnel, token=self.tunnels[tunnel.name].token),
                pulumi.ResourceOptions(parent=self),
            )
            for tunnel in args.plan.tunnels
            if tunnel.kubernetes
        }
        self.register_outputs({"host": self.host, "tunnels": sorted(self.tunnels), "pools": sorted(self.pools)})

    @property
    def origin_sources(self) -> tuple[str, ...]:
        """From where origins are asked that listen: what their firewalls let in. Empty where all are tunnels."""
        if self.plan.account.lock is Lock.TUNNEL_ONLY:
            return ()
        return tuple(map(str, cloudflare_networks().visitors))

    def _entrance(self, name: str, edge: "CloudflareEdge") -> None:
        failover = self.plan.failover
        monitor = edge.monitor(f"{name}-monitor", failover.monitor, failover.host)
        self.pools = {
            pool.name: edge.pool(f"{name}-{pool.name}-pool", pool, monitor, self.tunnels) for pool in failover.pools
        }
        edge.load_balancer(f"{name}-load-balancer", self.pools)
        for tunnel in self.plan.tunnels:
            if tunnel.direct:
                edge.direct(f"{name}-{tunnel.name}-direct", tunnel.direct, self.tunnels[tunnel.name])
        if self.plan.account.lock is Lock.CLOUDFLARE_ONLY:
            edge.origin_pulls(f"{name}-origin-pulls")


def _need_sdks(plan: CloudflarePlan) -> None:
    need("pulumi_cloudflare", "cloudflare", f"edge `{plan.edge}` at Cloudflare")
    for tunnel in plan.tunnels:
        if tunnel.kubernetes:
            need_kubernetes(tunnel)


def _edge(
    name: str, args: CloudflareFailoverArgs, token: pulumi.Input[str] | None, parent: pulumi.Resource
) -> "CloudflareEdge":
    from hdinfra.clouds.cloudflare_edge import CloudflareEdge  # noqa: PLC0415  the SDK takes seconds to import

    prefix = f"{scope_of(args.plan.edge, args.namespace).namespace}-{args.plan.edge}"
    return CloudflareEdge(name, args.plan, prefix, token, parent)


def _settings(args: CloudflareFailoverArgs) -> dict[str, pulumi.Input[Any]]:
    """The token and secrets of webhooks. RunError where nothing leads to credentials: before any resource is declared,
    and not by the provider in the middle."""
    hooks = [f"{_WEBHOOK}{hook.name}" for hook in args.plan.account.notify.webhooks]
    account = args.plan.account.account
    given: dict[str, pulumi.Input[Any]] = dict(settings_of(account, known=(_TOKEN, *hooks), required=(_TOKEN,)))
    if args.api_token is not None:
        given[_TOKEN] = args.api_token
    if _TOKEN not in given and not any(name in os.environ for name in CREDENTIALS):
        raise pulumi.RunError(
            f"Cloudflare finds no credentials; fix: export {CREDENTIALS[0]}=…, or name an `account` in the spec and "
            "set it with `pulumi config set --secret`"
        )
    return given
