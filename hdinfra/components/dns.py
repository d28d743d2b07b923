"""Name servers of the Zone's own: one name for all sites, which leads to places of the edge that are well."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from hdinfra.clouds.cloud import MachineHandle
from hdinfra.components.control import PolicyHandle
from hdinfra.components.edge import ProxyEdge, place_addresses
from hdinfra.components.ground import declare_machine, resolved
from hdinfra.components.zone import Zone
from hdinfra.model.dns import ALIAS
from hdinfra.model.plan import DnsPlan
from hdinfra.model.policies import dns_policy


@dataclass(frozen=True, slots=True)
class DnsEdgeArgs:
    """`plan` is the Zone plan's `dns`, `edge` what its places are of."""

    zone: Zone
    plan: DnsPlan
    edge: ProxyEdge


class DnsEdge(pulumi.ComponentResource):
    """gdnsd in Clusters of two operators. Its policy follows the edge's: who is asked for before it serves is down."""

    machines: Mapping[str, MachineHandle]
    policy: PolicyHandle
    alias: str

    def __init__(self, name: str, args: DnsEdgeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdinfra:index:DnsEdge", name, None, opts)
        control, enrolment = args.zone.management
        yard, plans = args.zone.yard, args.plan.machines
        stand = yard.stand(name, plans, self)
        self.machines = {
            plan.name: declare_machine(plan, yard.grounds[plan.place], enrolment, self, stand) for plan in plans
        }
        after = [args.edge.policy.resource] if args.edge.policy else []
        self.policy = control.publish(name, self.machines, _document(args, self.machines), parent=self, after=after)
        self.alias = f"{ALIAS}.{args.plan.name}"
        self.register_outputs({"alias": self.alias, "entrance": args.plan.entrance})


def _document(args: DnsEdgeArgs, machines: Mapping[str, MachineHandle]) -> pulumi.Output[dict[str, Any]]:
    known = pulumi.Output.all(servers=resolved(machines), places=place_addresses(args.edge))
    return known.apply(
        lambda all_: dns_policy(args.plan, all_["servers"], all_["places"]).model_dump(mode="json"),
    )
