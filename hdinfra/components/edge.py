"""The edge: one HAProxy Machine at each place, each serving all sites of its Instances."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from hdinfra.clouds.cloud import MachineHandle
from hdinfra.components.control import PolicyHandle
from hdinfra.components.ground import declare_machine, resolved
from hdinfra.components.instance import Instance
from hdinfra.components.zone import Zone
from hdinfra.model.plan import EdgePlan, MachinePlan
from hdinfra.model.policies import load_balancer_policy
from hdinfra.model.spec import Provider


@dataclass(frozen=True, slots=True)
class ProxyEdgeArgs:
    """`plan` is the Zone plan's `edge`; None, for a spec without one, declares no Machine."""

    zone: Zone
    plan: EdgePlan | None
    instances: Sequence[Instance]


class ProxyEdge(pulumi.ComponentResource):
    """What users' requests meet first. Its policy follows those of the Instances, so that it never sends too early."""

    machines: Mapping[str, MachineHandle]
    policy: PolicyHandle | None
    urls: tuple[pulumi.Input[str], ...]

    def __init__(self, name: str, args: ProxyEdgeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdinfra:index:ProxyEdge", name, None, opts)
        plans = args.plan.machines if args.plan else ()
        self.machines, self.policy = {}, None
        if plans:
            control, enrolment = args.zone.management
            places, stand = args.zone.places, args.zone.yard.stand(name, plans, self)
            self.machines = {
                plan.name: declare_machine(plan, places[plan.place].ground, enrolment, self, stand) for plan in plans
            }
            after = [instance.policy.resource for instance in args.instances]
            self.policy = control.publish(name, self.machines, _document(args.instances), parent=self, after=after)
        self.urls = tuple(url for plan in plans if (url := _url(plan, self.machines[plan.name])))
        self.register_outputs({"urls": list(self.urls)})


def _url(plan: MachinePlan, machine: MachineHandle) -> pulumi.Input[str] | None:
    """Where people reach it: on this computer where the local cloud shows it, else at its own address."""
    if plan.provider is Provider.LOCAL:
        return f"http://{plan.publish.address}:{plan.publish.port}" if plan.publish else None
    return machine.ipv4.apply(lambda address: f"http://{address}")


def _document(instances: Sequence[Instance]) -> pulumi.Output[dict[str, Any]]:
    known = pulumi.Output.all(**{instance.plan.name: resolved(instance.machines) for instance in instances})
    return known.apply(
        lambda addresses: load_balancer_policy(
            [(instance.plan, addresses[instance.plan.name]) for instance in instances]
        ).model_dump(mode="json")
    )
