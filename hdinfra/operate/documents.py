"""Which policy each scope would have by a plan, and which machines it is for. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hdinfra.model.plan import Addresses, MachinePlan, ZonePlan
from hdinfra.model.policies import control_policy, dns_policy, lab_origin_policy, load_balancer_policy, waf_policy
from hdinfra.model.policy import AnyPolicy
from hdinfra.operate.errors import WorkspaceError


@dataclass(frozen=True, slots=True)
class Planned:
    """One scope's document as JSON has it, and its machines with the Cluster or place of each."""

    document: Mapping[str, Any]
    members: Mapping[str, str]


def planned_documents(plan: ZonePlan, thumbprint: str = "") -> dict[str, Planned]:
    """By scope; `thumbprint`: the deployed ACME account's. WorkspaceError where a provider, not the plan, gives
    addresses that a policy names."""
    public = {machine.name: _public(machine) for machine in plan.machines}
    lab = {machine.name.removeprefix("lab-"): public[machine.name] for machine in plan.lab.origins}
    edges = plan.edge.machines if plan.edge else ()
    edge_addresses = [address for machine in edges for address in public[machine.name]]
    apis = {machine.name: public[machine.name] for machine in plan.control.machines}
    control = control_policy(plan.control.admin_networks, list(public.values()), apis)
    found = {"control": _planned(control, plan.control.machines)}
    for machine in plan.lab.origins:
        name = machine.name.removeprefix("lab-")
        found[f"lab-{name}"] = _planned(lab_origin_policy(name, plan.instances), [machine])
    for instance in plan.instances:
        found[f"instance-{instance.name}"] = _planned(waf_policy(instance, lab, edge_addresses), instance.machines)
    served = [(one, {machine.name: public[machine.name] for machine in one.machines}) for one in plan.instances]
    found["edge"] = _planned(
        load_balancer_policy(served, edges, thumbprint, failover=plan.edge.failover if plan.edge else None), edges
    )
    if plan.dns:
        places = {machine.place: public[machine.name] for machine in edges}
        found["dns"] = _planned(dns_policy(plan.dns, public, places), plan.dns.machines)
    return {scope: planned for scope, planned in sorted(found.items()) if planned.members}


def _planned(document: AnyPolicy, machines: Sequence[MachinePlan]) -> Planned:
    return Planned(document.model_dump(mode="json"), {machine.name: machine.place for machine in machines})


def _public(machine: MachinePlan) -> Addresses:
    if machine.public is None:
        raise WorkspaceError(
            f"`{machine.name}` gets its address from {machine.provider}, so no policy can be told from the plan alone.",
            retry="pulumi preview",
        )
    return machine.public
