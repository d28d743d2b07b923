"""Instances: Machines in several Clusters and one policy for all of them, for many tenants or for one alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from hdinfra.clouds.cloud import MachineHandle
from hdinfra.components.control import PolicyHandle
from hdinfra.components.ground import declare_machine, resolved
from hdinfra.components.zone import Zone
from hdinfra.model.plan import InstancePlan
from hdinfra.model.policies import mesh_of, waf_policy
from hdinfra.model.spec import Tenancy


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
        self.plan = _of_tenancy(args.plan, "shared")
        self.machines = _machines(args.zone, args.plan, self)
        self.policy = _policy(args.zone, args.plan, self.machines, self)
        self.register_outputs({"machines": sorted(self.machines)})


@dataclass(frozen=True, slots=True)
class DedicatedInstanceArgs:
    """`plan` is one Instance of the Zone's plan, of tenancy `dedicated`."""

    zone: Zone
    plan: InstancePlan


class DedicatedInstance(pulumi.ComponentResource):
    """One tenant's own Machines, marked as theirs: addresses, keys, policy and logs are nobody else's.

    What is shared with others of the Zone lies outside: the edge in front and the API machines.
    """

    plan: InstancePlan
    tenant: str
    machines: Mapping[str, MachineHandle]
    policy: PolicyHandle

    def __init__(self, name: str, args: DedicatedInstanceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdinfra:index:DedicatedInstance", name, None, opts)
        self.plan = _of_tenancy(args.plan, "dedicated")
        (owner,) = args.plan.tenants
        self.tenant = owner.name
        self.machines = _machines(args.zone, args.plan, self)
        self.policy = _policy(args.zone, args.plan, self.machines, self)
        self.register_outputs({"machines": sorted(self.machines), "tenant": self.tenant})


Instance = SharedInstance | DedicatedInstance
"""What an edge may send to."""


def _of_tenancy(plan: InstancePlan, wanted: Tenancy) -> InstancePlan:
    if plan.tenancy != wanted:
        raise pulumi.RunError(
            f"the plan says that `{plan.name}` is {plan.tenancy}, the program declares it as {wanted}; "
            f"fix: write `tenancy: {wanted}` in the spec, or use the other component"
        )
    return plan


def _machines(zone: Zone, plan: InstancePlan, parent: pulumi.Resource) -> dict[str, MachineHandle]:
    _, enrolment = zone.management
    stand = zone.yard.stand(plan.name, plan.machines, parent)
    return {
        machine.name: declare_machine(machine, zone.clusters[machine.place].ground, enrolment, parent, stand)
        for machine in plan.machines
    }


def _policy(
    zone: Zone, plan: InstancePlan, machines: Mapping[str, MachineHandle], parent: pulumi.Resource
) -> PolicyHandle:
    control, _ = zone.management
    # Origins first: a WAF that meets a silent origin counts it out for some seconds.
    after = [policy.resource for policy in zone.lab.policies] if zone.lab else []
    return control.publish(f"instance-{plan.name}", machines, _document(zone, plan), parent=parent, after=after)


def _document(zone: Zone, plan: InstancePlan) -> pulumi.Output[dict[str, Any]]:
    edges = [address for handle in zone.edge_addresses for address in (handle.ipv4, handle.ipv6)]
    peers = zone.plan.edge.machines if zone.plan.edge else ()
    hosts = zone.hosts([*plan.machines, *peers]) if zone.plan.mesh else pulumi.Output.from_input({})
    known = pulumi.Output.all(origins=resolved(zone.lab_machines), edges=pulumi.Output.all(*edges), hosts=hosts)
    return known.apply(
        lambda all_: waf_policy(
            plan,
            all_["origins"],
            all_["edges"],
            mesh_of(zone.plan.mesh, plan.machines, peers, all_["hosts"]),
        ).model_dump(mode="json")
    )
