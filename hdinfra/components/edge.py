"""The edge: HAProxy Machines at each place, behind its load balancer or alone, each serving all sites."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from hdinfra.clouds.cloud import BalancerHandle, HealthCheck, MachineHandle
from hdinfra.components.certificates import EdgeHandle, IssuerHandle, declare_certificates, declare_issuer
from hdinfra.components.control import PolicyHandle
from hdinfra.components.ground import declare_machine, resolved
from hdinfra.components.instance import Instance
from hdinfra.components.zone import Zone
from hdinfra.model.plan import EdgePlan, MachinePlan, Publish, TlsPlan
from hdinfra.model.policies import load_balancer_policy, mesh_of
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
    balancers: Mapping[str, BalancerHandle]
    policy: PolicyHandle | None
    issuer: IssuerHandle | None
    certificates: resources.Certificates | None
    urls: tuple[pulumi.Input[str], ...]
    https_urls: tuple[pulumi.Input[str], ...]

    def __init__(self, name: str, args: ProxyEdgeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("hdinfra:index:ProxyEdge", name, None, opts)
        plans = args.plan.machines if args.plan else ()
        self.machines, self.balancers, self.policy, self.issuer, self.certificates = {}, {}, None, None, None
        if plans:
            control, enrolment = args.zone.management
            places, stand = args.zone.places, args.zone.yard.stand(name, plans, self)
            self.machines = {
                plan.name: declare_machine(plan, places[plan.place].ground, enrolment, self, stand) for plan in plans
            }
            self.balancers = _balancers(args.zone, self.machines, self)
            after = [instance.policy.resource for instance in args.instances]
            self.issuer = declare_issuer(name, args.plan.tls if args.plan else TlsPlan(), control, self)
            document = _document(args, plans, self.issuer.thumbprint)
            self.policy = control.publish(name, self.machines, document, parent=self, after=after)
            hosts = [site.host for instance in args.instances for site in instance.plan.sites]
            edge = EdgeHandle(hosts, self.machines, self.policy.resource)
            self.certificates = declare_certificates(name, self.issuer, edge, control, self)
        self.urls = self._urls("http", [(plan, plan.publish) for plan in plans])
        self.https_urls = self._urls("https", [(plan, plan.publish_https) for plan in plans])
        self.register_outputs({"urls": list(self.urls), "https_urls": list(self.https_urls)})

    def _urls(self, scheme: str, doors: Sequence[tuple[MachinePlan, Publish | None]]) -> tuple[pulumi.Input[str], ...]:
        """Where people reach it: on this computer where the local cloud shows it, at the addresses of a place's load
        balancer, else at the Machine's own."""
        found: list[pulumi.Input[str]] = []
        for plan, door in doors:
            if plan.provider is Provider.LOCAL:
                found += [f"{scheme}://{door.address}:{door.port}"] if door else []
            elif plan.place not in self.balancers:
                found.append(_url(scheme, self.machines[plan.name].ipv4))
        return (*found, *(_url(scheme, address) for one in self.balancers.values() for address in one.ipv4))


def _url(scheme: str, address: pulumi.Output[str]) -> pulumi.Output[str]:
    return address.apply(lambda known: f"{scheme}://{known}")


def place_addresses(edge: ProxyEdge) -> pulumi.Output[dict[str, Sequence[str]]]:
    """By place all addresses that users come to: its load balancer's, or its Machine's own."""
    found: dict[str, pulumi.Output[list[str]]] = {
        machine.plan.place: pulumi.Output.all(machine.ipv4, machine.ipv6) for machine in edge.machines.values()
    }
    for place, balancer in edge.balancers.items():
        found[place] = pulumi.Output.all(*balancer.ipv4, *balancer.ipv6)
    return pulumi.Output.all(**found).apply(dict)


def _balancers(zone: Zone, machines: Mapping[str, MachineHandle], parent: pulumi.Resource) -> dict[str, BalancerHandle]:
    """By place. They take Machines that have no policy yet, and send nobody there: those do not answer as well."""
    found: dict[str, BalancerHandle] = {}
    for name, place in zone.places.items():
        crowd = [machine for machine in machines.values() if machine.plan.place == name]
        if crowd[0].plan.balancer:
            ground, check = place.ground, HealthCheck(crowd[0].plan.balancer.health_port)
            found[name] = ground.cloud.load_balancer(
                f"{name}-edge-balancer", crowd, check, ground, ground.options(parent)
            )
    return found


def _document(
    args: ProxyEdgeArgs, edges: Sequence[MachinePlan], thumbprint: pulumi.Output[str]
) -> pulumi.Output[dict[str, Any]]:
    zone, instances = args.zone, args.instances
    wafs = [machine for instance in instances for machine in instance.plan.machines]
    hosts = zone.hosts([*edges, *wafs]) if zone.plan.mesh else pulumi.Output.from_input({})
    known = pulumi.Output.all(
        thumbprint=thumbprint,
        hosts=hosts,
        **{f"of {instance.plan.name}": resolved(instance.machines) for instance in instances},
    )
    return known.apply(
        lambda all_: load_balancer_policy(
            [(instance.plan, all_[f"of {instance.plan.name}"]) for instance in instances],
            edges,
            all_["thumbprint"] or "",  # under stock mocks the engine answers nothing
            mesh_of(zone.plan.mesh, edges, wafs, all_["hosts"]),
            args.plan.failover if args.plan else None,
        ).model_dump(mode="json")
    )
