"""The local cloud: machines as system containers of Docker or Podman, through the provider plugin `hdlocal`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pulumi

from hdinfra.clouds.cloud import (
    AddressHandle,
    Boot,
    BundleHandle,
    Ground,
    ImageHandle,
    MachineHandle,
    NetworkHandle,
    Scope,
)
from hdinfra.machine.bundle import Bundle
from hdinfra.model.plan import Addresses, MachinePlan, Prefixes
from hdinfra.plugins.local import resources


class LocalCloud:
    """Implements `hdinfra.clouds.cloud.Cloud`."""

    def provider(self, name: str, region: str, scope: Scope, opts: pulumi.ResourceOptions) -> resources.Provider:
        """A region of the local cloud; its configuration becomes every resource's labels."""
        return resources.Provider(
            name, namespace=scope.namespace, project=scope.project, stack=scope.stack, region=region, opts=opts
        )

    def image(self, name: str, packages: Sequence[str], opts: pulumi.ResourceOptions) -> ImageHandle:
        """Built when missing and kept as cache, so equal packages cost one build however many ask."""
        image = resources.Image(name, packages=sorted(packages), opts=opts)
        return ImageHandle(image, image.tag)

    def network(self, name: str, prefixes: Prefixes, opts: pulumi.ResourceOptions) -> NetworkHandle:
        """A bridge network."""
        network = resources.Network(name, ipv4=str(prefixes.ipv4), ipv6=str(prefixes.ipv6), opts=opts)
        return NetworkHandle(network, network.network_name)

    def address(self, machine: MachinePlan, opts: pulumi.ResourceOptions) -> AddressHandle:  # noqa: ARG002  no resource
        """The plan's own: here we are the provider, nothing has to be reserved."""
        return _address(_public(machine))

    def machine(self, plan: MachinePlan, boot: Boot, ground: Ground, opts: pulumi.ResourceOptions) -> MachineHandle:
        """A system container. Its addresses are the plan's, so what points at it is known before it runs."""
        machine = resources.Machine(
            plan.name,
            image=ground.images[plan.role].reference,
            networks=_attachments(plan, ground.networks),
            user_data=boot.user_data,
            description=boot.description,
            meta_data=boot.meta_data,
            cpus=float(plan.size.vcpu),
            memory_mib=plan.size.memory_mib,
            ports=_ports(plan),
            labels=ground.scope.labels(plan),
            booted=list(boot.booted),
            opts=opts,
        )
        address = _address(_public(plan))
        return MachineHandle(plan, machine, machine.container, machine.container_id, address.ipv4, address.ipv6)

    def bundle(self, bundle: Bundle, path: Path, store: MachineHandle, opts: pulumi.ResourceOptions) -> BundleHandle:
        """A file in the machine that plays the bucket."""
        made = resources.Bundle(
            f"{store.plan.place}-{bundle.role}",
            container=store.native_id,
            container_id=store.generation,
            sha256=bundle.sha256,
            path=str(path),
            opts=opts,
        )
        host = _public(store.plan).ipv4
        # The engine makes few resources at once: Machines that waited inside their boot would keep the store from it.
        return BundleHandle(made, made.file_name.apply(lambda name: f"http://{host}/{name}"))


def _public(plan: MachinePlan) -> Addresses:
    if plan.public is None:
        raise ValueError(
            f"the plan of `{plan.name}` has no public address; on the local cloud the planner gives it one"
        )
    return plan.public


def _address(public: Addresses) -> AddressHandle:
    return AddressHandle(pulumi.Output.from_input(str(public.ipv4)), pulumi.Output.from_input(str(public.ipv6)))


def _attachments(plan: MachinePlan, networks: Sequence[NetworkHandle]) -> list[dict[str, pulumi.Input[str]]]:
    """`wan` first, since the first network carries the default route; then the Cluster's own, if there is one."""
    addresses = (_public(plan), *((plan.private,) if plan.private else ()))
    return [
        {"network": network.native_id, "ipv4": str(address.ipv4), "ipv6": str(address.ipv6)}
        for network, address in zip(networks, addresses, strict=True)
    ]


def _ports(plan: MachinePlan) -> list[dict[str, Any]]:
    doors = (plan.publish, plan.publish_https)
    return [{"address": str(door.address), "port": door.port, "target": door.target} for door in doors if door]
