"""What every Cluster, place and lab needs first: its explicit provider and one image a role."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pulumi

from hdinfra.clouds.cloud import AddressHandle, Boot, Cloud, Ground, ImageHandle, MachineHandle, NetworkHandle, Scope
from hdinfra.components.enrolment import Enrolment
from hdinfra.machine.cloud_init import cloud_config, description_digest
from hdinfra.machine.installer import meta_data
from hdinfra.machine.machine import File, Machine
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
    told = enrolment.files(plan) if enrolment else pulumi.Output.from_input(())
    return boot_machine(plan, machine_of(ground.scope.zone, plan), told, ground, parent)


def boot_machine(  # noqa: PLR0913, PLR0917  what it is, what it is told, where it stands and in which order
    plan: MachinePlan,
    machine: Machine,
    told: pulumi.Output[tuple[File, ...]],
    ground: Ground,
    parent: pulumi.Resource,
    after: Sequence[pulumi.Resource] = (),
) -> MachineHandle:
    """One Machine of that description, which is `told` some files at its first boot and exists after others do."""
    boot = Boot(
        user_data=pulumi.Output.secret(told.apply(lambda files: cloud_config(machine, files))),
        description=description_digest(machine),
        meta_data=meta_data(plan.name),
        booted=machine.health.booted,
    )
    return ground.cloud.machine(plan, boot, ground, ground.options(parent, after))


def scope_of(zone: str, namespace: str | None) -> Scope:
    """Whose resources these are, in this project and stack; `namespace` left out, the configured or the usual one."""
    project, stack = pulumi.get_project(), pulumi.get_stack()
    namespace = namespace or pulumi.Config("hdinfra").get("namespace") or f"{project}-{stack}"
    return Scope(project=project, stack=stack, namespace=namespace, zone=zone)


def resolved(addresses: Mapping[str, AddressHandle | MachineHandle]) -> pulumi.Output[dict[str, tuple[str, str]]]:
    """Names to (IPv4, IPv6), as the policy builders take them."""
    pairs = {name: pulumi.Output.all(handle.ipv4, handle.ipv6) for name, handle in sorted(addresses.items())}
    return pulumi.Output.all(**pairs).apply(lambda all_: {name: (pair[0], pair[1]) for name, pair in all_.items()})
