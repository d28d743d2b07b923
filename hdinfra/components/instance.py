"""A shared Instance: its Machines in several Clusters, and one policy for all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from hdinfra.clouds.cloud import MachineHandle
from hdinfra.components.control import PolicyHandle
from hdinfra.components.ground import declare_machine, resolved
from hdinfra.components.zone import Zone
from hdinfra.model.plan import InstancePlan
from hdinfra.model.policies import waf_policy


@dataclass(frozen=True, slots=True)
class SharedInstanceArgs:
    """`plan` is one Instance of the Zone's plan."""

    zone: Zone
    plan: InstancePlan


class SharedInstance(pulumi.ComponentResource):
    """Machines of which any one Cluster's may vanish. `policy` exists once the Machines serve their sites."""

    plan: InstancePlan
    machines: Mapping[str, MachineHandle]
    policy: PolicyHandle

    def __init__(self, name: str, args: SharedInstanceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdinfra:index:SharedInstance", name, None, opts)
        self.plan = args.plan
        zone = args.zone
        control, enrolment = zone.management
        self.machines = {
            plan.name: declare_machine(plan, zone.clusters[plan.place].ground, enrolment, self)
            for plan in args.plan.machines
        }
        # Origins first: a WAF that meets a silent origin counts it out for some seconds.
        after = [policy.resource for policy in zone.lab.policies] if zone.lab else []
        self.policy = control.publish(
            f"instance-{args.plan.name}", self.machines, _document(args), parent=self, after=after
        )
        self.register_outputs({"machines": sorted(self.machines)})


def _document(args: SharedInstanceArgs) -> pulumi.Output[dict[str, Any]]:
    edges = [address for handle in args.zone.edge_addresses for address in (handle.ipv4, handle.ipv6)]
    return pulumi.Output.all(origins=resolved(args.zone.lab_machines), edges=pulumi.Output.all(*edges)).apply(
        lambda known: waf_policy(args.plan, known["origins"], known["edges"]).model_dump(mode="json")
    )
