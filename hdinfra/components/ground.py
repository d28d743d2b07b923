"""What every Cluster, place and lab needs first: its explicit provider, networks and images; and Machines on it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pulumi

from hdinfra.clouds.cloud import (
    AddressHandle,
    Boot,
    Cloud,
    Ground,
    GroupHandle,
    MachineHandle,
    NetworkHandle,
    Opening,
    Scope,
)
from hdinfra.components.enrolment import Enrolment
from hdinfra.machine.apps.load_balancer import BALANCER
from hdinfra.machine.cloud_init import cloud_config, description_digest
from hdinfra.machine.installer import meta_data
from hdinfra.machine.machine import File, Firewall, Machine
from hdinfra.machine.roles import machine_of
from hdinfra.machine.volume import volume_file
from hdinfra.model.plan import Addresses, ClusterPlan, MachinePlan

Sources = Mapping[str, pulumi.Output[list[str]]]
"""By the name of a set that policy fills in Machines' firewalls (`edges`, `callers`), who is in it."""


def lay_ground(name: str, where: ClusterPlan | str, cloud: Cloud, scope: Scope, parent: pulumi.Resource) -> Ground:
    """The explicit provider under which everything of `name` is declared."""
    provider = cloud.provider(f"{name}-provider", where, scope, pulumi.ResourceOptions(parent=parent))
    plan = where if isinstance(where, ClusterPlan) else None
    return Ground(name=name, cloud=cloud, scope=scope, provider=provider, plan=plan)


def furnished(
    ground: Ground, machines: Iterable[MachinePlan], networks: Sequence[NetworkHandle], parent: pulumi.Resource
) -> Ground:
    """The ground with its networks and an image for each role that its Machines have."""
    packages = {machine.role: machine_of(ground.scope.zone, machine).packages for machine in machines}
    images = ground.cloud.images(ground, packages, parent)
    return replace(ground, networks=tuple(networks), images=images)


def addresses_on(ground: Ground, machines: Iterable[MachinePlan], parent: pulumi.Resource) -> dict[str, AddressHandle]:
    """What is kept for these Machines, by name."""
    return {machine.name: ground.cloud.address(machine, ground, ground.options(parent)) for machine in machines}


@dataclass(frozen=True, slots=True)
class Stand:
    """What was declared before the Machines of one Instance, edge or control plane: their addresses by Machine, and
    what they have in common by place."""

    addresses: Mapping[str, AddressHandle] = field(default_factory=dict)
    groups: Mapping[str, GroupHandle | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Yard:
    """Where a component's Machines go: the grounds by Cluster or place, all kept addresses, and who may come in.

    `ipv4`: of each of the `sources` by whose the IPv4 addresses and networks in it are.
    """

    grounds: Mapping[str, Ground]
    addresses: Mapping[str, AddressHandle]
    sources: Sources
    ipv4: Mapping[str, Mapping[str, pulumi.Input[str]]] = field(default_factory=dict)

    def stand(self, label: str, machines: Sequence[MachinePlan], parent: pulumi.Resource) -> Stand:
        """Prepare for these Machines, all of one role. `label`: what they are called in names."""
        places = sorted({machine.place for machine in machines})
        crowds = {place: [machine for machine in machines if machine.place == place] for place in places}
        groups = {place: self._group(f"{place}-{label}", crowd, parent) for place, crowd in crowds.items()}
        return Stand(self.addresses, groups)

    def _group(self, name: str, crowd: Sequence[MachinePlan], parent: pulumi.Resource) -> GroupHandle | None:
        ground = self.grounds[crowd[0].place]
        firewall = machine_of(ground.scope.zone, crowd[0]).firewall
        balancer = _balancer_networks(crowd[0])
        openings = openings_of(
            firewall,
            {**self.sources, BALANCER: pulumi.Output.from_input(balancer)},
            {**self.ipv4, BALANCER: ipv4_networks("balancer", balancer)},
        )
        return ground.cloud.group(name, firewall, openings, len(crowd), ground, ground.options(parent))


def openings_of(
    firewall: Firewall, sources: Sources, ipv4: Mapping[str, Mapping[str, pulumi.Input[str]]]
) -> list[Opening]:
    """What a cloud's firewall lets in: exactly what the Machines' own does."""
    world = [Opening(port, None) for port in sorted(firewall.public_tcp)]
    world += [Opening(port, None, "udp") for port in sorted(firewall.public_udp)]
    named = [("tcp", *one) for one in sorted(firewall.restricted_tcp.items())]
    named += [("udp", *one) for one in sorted(firewall.restricted_udp.items())]
    return world + [
        Opening(port, sources[name], "tcp" if protocol == "tcp" else "udp", ipv4[name])
        for protocol, port, name in named
    ]


def _balancer_networks(machine: MachinePlan) -> list[str]:
    """From where the load balancer before these Machines connects, which their plan knows."""
    return [str(network) for network in machine.balancer.networks] if machine.balancer else []


def ipv4_networks(owner: str, networks: Iterable[str]) -> dict[str, pulumi.Input[str]]:
    """Those of IPv4, each with a name of its own, which no other's coming or going changes."""
    return {f"{owner}-{network.replace('/', '-')}": network for network in networks if ":" not in network}


def ipv4_addresses(addresses: Mapping[str, AddressHandle]) -> dict[str, pulumi.Input[str]]:
    """By whose they are."""
    return {name: handle.ipv4 for name, handle in addresses.items()}


def declare_machine(
    plan: MachinePlan, ground: Ground, enrolment: Enrolment | None, parent: pulumi.Resource, stand: Stand
) -> MachineHandle:
    """One Machine as a child of `parent`. Its user data is a secret, for its enrolment token is part of it."""
    told = enrolment.files(plan) if enrolment else pulumi.Output.from_input(())
    return boot_machine(plan, machine_of(ground.scope.zone, plan), told, ground, parent, stand)


def boot_machine(  # noqa: PLR0913, PLR0917  what it is, what it is told, where it stands and in which order
    plan: MachinePlan,
    machine: Machine,
    told: pulumi.Output[tuple[File, ...]],
    ground: Ground,
    parent: pulumi.Resource,
    stand: Stand,
    after: Sequence[pulumi.Resource] = (),
) -> MachineHandle:
    """One Machine of that description, which is `told` some files at its first boot and exists after others do."""
    volume = ground.cloud.volume(plan, ground, ground.options(parent))
    if volume:
        told = pulumi.Output.all(told, volume.device).apply(lambda known: (*known[0], volume_file(known[1])))
    boot = Boot(
        user_data=pulumi.Output.secret(told.apply(lambda files: cloud_config(machine, files))),
        description=description_digest(machine),
        meta_data=meta_data(plan.name),
        booted=machine.health.booted,
        address=stand.addresses.get(plan.name),
        group=stand.groups.get(plan.place),
        volume=volume,
    )
    return ground.cloud.machine(plan, boot, ground, ground.options(parent, after))


def scope_of(zone: str, namespace: str | None) -> Scope:
    """Whose resources these are, in this project and stack; `namespace` left out, the configured or the usual one."""
    project, stack = pulumi.get_project(), pulumi.get_stack()
    namespace = namespace or pulumi.Config("hdinfra").get("namespace") or f"{project}-{stack}"
    return Scope(project=project, stack=stack, namespace=namespace, zone=zone)


def resolved(addresses: Mapping[str, AddressHandle | MachineHandle]) -> pulumi.Output[dict[str, tuple[str, str]]]:
    """Names to (IPv4, IPv6), as the policy builders take them; no IPv6 is the empty text."""
    pairs = {name: pulumi.Output.all(handle.ipv4, handle.ipv6) for name, handle in sorted(addresses.items())}
    # All of nothing is a list, whatever was asked for.
    return pulumi.Output.all(**pairs).apply(
        lambda all_: {name: (pair[0], pair[1]) for name, pair in dict(all_).items()}
    )


def fixed_address(addresses: Addresses) -> AddressHandle:
    """What the plan fixed."""
    return AddressHandle(pulumi.Output.from_input(str(addresses.ipv4)), pulumi.Output.from_input(str(addresses.ipv6)))


def listed(addresses: Iterable[AddressHandle]) -> pulumi.Output[list[str]]:
    """Both families of all of them, but for what a cloud does not have."""
    both = pulumi.Output.all(*(address for handle in addresses for address in (handle.ipv4, handle.ipv6)))
    # Under stock mocks an address is None, and stays.
    return both.apply(lambda known: [address for address in known if address != ""])
