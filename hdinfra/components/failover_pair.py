"""Two sites, of which the first one serves while it can: the one object of a primary and its failover."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from hdinfra.components.cloudflare_failover import CloudflareFailover, CloudflareFailoverArgs
from hdinfra.model.failover.cloudflare_plan import CloudflarePlan


@dataclass(frozen=True, slots=True)
class FailoverPairArgs:
    """`plan`: `hd.planned_edge`'s of a pair. The others are as of `CloudflareFailoverArgs`."""

    plan: CloudflarePlan
    api_token: pulumi.Input[str] | None = None
    webhook_secrets: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    namespace: str | None = None


class FailoverPair(pulumi.ComponentResource):
    """`primary` and `failover` are the names of their sites; `edge` is what users meet.

    With a database users go back only when somebody releases the primary's latch: until then its health path says 503,
    and Cloudflare, which goes back by itself, has nowhere to go back to. RunError for the plan of an edge that is no
    pair.
    """

    primary: str
    failover: str
    edge: CloudflareFailover

    def __init__(self, name: str, args: FailoverPairArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdinfra:index:FailoverPair", name, None, opts)
        if args.plan.pair is None:
            raise pulumi.RunError(
                f"edge `{args.plan.edge}` has {len(args.plan.failover.pools)} pools and is no pair; "
                "fix: write `primary` and `failover` in its spec, or declare hd.CloudflareFailover"
            )
        self.primary, self.failover = args.plan.pair
        self.edge = CloudflareFailover(
            f"{name}-edge",
            CloudflareFailoverArgs(args.plan, args.api_token, args.webhook_secrets, args.namespace),
            pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"primary": self.primary, "failover": self.failover, "host": self.edge.host})
