"""What every Cluster, place and lab needs first: its explicit provider and one image a role."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pulumi

from hdinfra.clouds.cloud import AddressHandle, Boot, Cloud, Ground, ImageHandle, MachineHandle, NetworkHandle, Scope
from hdinfra.components.enrolment import Enrolment
from hdinfra.machine.cloud_init import cloud_config, description_digest
from hdinfra.machine.roles import machine_of
from hdinfra.model.plan import MachinePlan


def lay_ground(name: str, region: str, cloud: Cloud, scope: Scope, parent: pulumi.Resource) -> Ground:
    """The explicit provider under which everything of `name` is declared."""
    provider = cloud.provider(f"{name}-provider", region, scope, pulumi.ResourceOptions(parent=parent))
    return Ground(name=name, cloud=cloud, scope=scope, provider=provider)


def furnished(
    ground: Ground, machines: Iterable[MachinePlan], networks: Sequence[NetworkHandle], parent: pulumi.Resource
) -> Ground:
    """The ground with its networks and an image for each role that its Machines have."""
    packages = {machine.role: machine_of(ground.scope.zone, machine).packages for machine in machines}
    return replace(ground, networks=tuple(networks), images=_images(ground, packages, parent))


def _images(ground: Ground, packages: Mapping[str, Sequence[str]], parent: pulumi.Resource) -> dict[str, ImageHandle]:
    return {
        role: ground.cloud.image(f"{ground.name}-{role}-image", packages[role], ground.options(parent))
        for role in sorted(packages)
    }


def declare_machine(
    plan: MachinePlan, ground: Ground, enrolment: Enrolment | None, parent: pulumi.Resource
) -> MachineHandle:
    """One Machine as a child of `parent`. Its user data is a secret, for its enrolment token is part of it."""
    machine = machine_of(ground.scope.zone, plan)
    told = enrolment.files(plan) if enrolment else pulumi.Output.from_input(())
    boot = Boot(
        user_data=pulumi.Output.secret(told.apply(lambda files: cloud_config(machine, files))),
        description=description_digest(machine),
        meta_data=f"instance-id: {plan.name}\nlocal-hostname: {plan.name}\n",
        booted=machine.health.booted,
    )
    return ground.cloud.machine(plan, boot, ground, ground.options(parent))


def resolved(addresses: Mapping[str, AddressHandle | MachineHandle]) -> pulumi.Output[dict[str, tuple[str, str]]]:
    """Names to (IPv4, IPv6), as the policy builders take them."""
    pairs = {name: pulumi.Output.all(handle.ipv4, handle.ipv6) for name, handle in sorted(addresses.items())}
    return pulumi.Output.all(**pairs).apply(lambda all_: {name: (pair[0], pair[1]) for name, pair in all_.items()})
