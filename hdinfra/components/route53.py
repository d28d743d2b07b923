"""The edge's places in a hosted zone at Route 53, for whoever lets Amazon answer instead of servers of their own."""

from dataclasses import dataclass

import pulumi

from hdinfra.components.edge import ProxyEdge
from hdinfra.model.route53 import Route53Plan


@dataclass(frozen=True, slots=True)
class Route53EdgeArgs:
    """`plan` by `hdinfra.plan_route53`; `zone_id` of the hosted zone, `provider` AWS's in any region."""

    plan: Route53Plan
    edge: ProxyEdge
    zone_id: pulumi.Input[str]
    provider: pulumi.ProviderResource


class Route53Edge(pulumi.ComponentResource):
    """One name for all sites, `sites.<domain>`, and one record for each of the sites' names in the hosted zone."""

    alias: str

    def __init__(self, name: str, args: Route53EdgeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdinfra:index:Route53Edge", name, None, opts)
        from hdinfra.clouds.aws_dns import declare_records  # noqa: PLC0415  costs AWS's SDK: only where it is in use

        own = pulumi.ResourceOptions(parent=self, provider=args.provider)
        declare_records(name, args.plan, args.zone_id, _addresses(args.edge, args.plan), own)
        self.alias = args.plan.alias
        self.register_outputs({"alias": self.alias})


def _addresses(edge: ProxyEdge, plan: Route53Plan) -> dict[str, dict[str, list[pulumi.Output[str]]]]:
    """By place and record type. A family that a place's cloud does not have has no record: its plan says so."""
    found: dict[str, dict[str, list[pulumi.Output[str]]]] = {}
    for machine in edge.machines.values():
        if machine.plan.place not in edge.balancers:
            found[machine.plan.place] = {"A": [machine.ipv4], "AAAA": [machine.ipv6]}
    for place, balancer in edge.balancers.items():
        found[place] = {"A": list(balancer.ipv4), "AAAA": list(balancer.ipv6)}
    return {
        place: {kind: own for kind, own in families.items() if kind == "A" or place not in plan.ipv4_only}
        for place, families in found.items()
    }
