"""The edge: one HAProxy Machine at each place, each serving all sites of its Instances."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from hdinfra.clouds.cloud import MachineHandle
from hdinfra.components.certificates import EdgeHandle, IssuerHandle, declare_certificates, declare_issuer
from hdinfra.components.control import PolicyHandle
from hdinfra.components.ground import declare_machine, resolved
from hdinfra.components.instance import Instance
from hdinfra.components.zone import Zone
from hdinfra.model.plan import EdgePlan, MachinePlan, Publish, TlsPlan
from hdinfra.model.policies import load_balancer_policy
from hdinfra.model.spec import Provider
from hdinfra.plugins.policy import resources


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
    issuer: IssuerHandle | None
    certificates: resources.Certificates | None
    urls: tuple[pulumi.Input[str], ...]
    https_urls: tuple[pulumi.Input[str], ...]

    def __init__(self, name: str, args: ProxyEdgeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdinfra:index:ProxyEdge", name, None, opts)
        plans = args.plan.machines if args.plan else ()
        self.machines, self.policy, self.issuer, self.certificates = {}, None, None, None
        if plans:
            control, enrolment = args.zone.management
            places, stand = args.zone.places, args.zone.yard.stand(name, plans, self)
            self.machines = {
                plan.name: declare_machine(plan, places[plan.place].ground, enrolment, self, stand) for plan in plans
            }
            after = [instance.policy.resource for instance in args.instances]
            self.issuer = declare_issuer(name, args.plan.tls if args.plan else TlsPlan(), control, self)
            document = _document(args.instances, plans, self.issuer.thumbprint)
            self.policy = control.publish(name, self.machines, document, parent=self, after=after)
            hosts = [site.host for instance in args.instances for site in instance.plan.sites]
            edge = EdgeHandle(hosts, self.machines, self.policy.resource)
            self.certificates = declare_certificates(name, self.issuer, edge, control, self)
        self.urls = _urls("http", [(plan, plan.publish, self.machines[plan.name]) for plan in plans])
        self.https_urls = _urls("https", [(plan, plan.publish_https, self.machines[plan.name]) for plan in plans])
        self.register_outputs({"urls": list(self.urls), "https_urls": list(self.https_urls)})


def _urls(
    scheme: str, doors: Sequence[tuple[MachinePlan, Publish | None, MachineHandle]]
) -> tuple[pulumi.Input[str], ...]:
    """Where people reach it: on this computer where the local cloud shows it, else at its own address."""
    found: list[pulumi.Input[str]] = []
    for plan, door, machine in doors:
        if plan.provider is not Provider.LOCAL:
            found.append(machine.ipv4.apply(lambda address: f"{scheme}://{address}"))
        elif door:
            found.append(f"{scheme}://{door.address}:{door.port}")
    return tuple(found)


def _document(
    instances: Sequence[Instance], edges: Sequence[MachinePlan], thumbprint: pulumi.Output[str]
) -> pulumi.Output[dict[str, Any]]:
    known = pulumi.Output.all(
        thumbprint=thumbprint, **{f"of {instance.plan.name}": resolved(instance.machines) for instance in instances}
    )
    return known.apply(
        lambda all_: load_balancer_policy(
            [(instance.plan, all_[f"of {instance.plan.name}"]) for instance in instances],
            edges,
            all_["thumbprint"] or "",  # under stock mocks the engine answers nothing
        ).model_dump(mode="json")
    )
