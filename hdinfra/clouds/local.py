"""The local cloud: machines as system containers of Docker or Podman, through the provider plugin `hdlocal`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi

from hdinfra.clouds.cloud import (
    AddressHandle,
    BalancerHandle,
    Boot,
    BucketHandle,
    BundleHandle,
    Ground,
    HealthCheck,
    ImageHandle,
    MachineHandle,
    NetworkHandle,
    Opening,
    Scope,
    Store,
)
from hdinfra.machine.bundle import Bundle
from hdinfra.machine.machine import Firewall
from hdinfra.model.plan import Addresses, ClusterPlan, MachinePlan, NetworkPlan
from hdinfra.plugins.local import resources


class LocalCloud:
    """Implements `hdinfra.clouds.cloud.Cloud`."""

    def given(self, account: str | None) -> frozenset[str]:
        """Nothing: a computer has no accounts."""
        return frozenset()

    def provider(
        self, name: str, where: ClusterPlan | str, scope: Scope, opts: pulumi.ResourceOptions
    ) -> resources.Provider:
        """A region of the local cloud; its configuration becomes every resource's labels."""
        region = where if isinstance(where, str) else where.region
        return resources.Provider(
            name, namespace=scope.namespace, project=scope.project, stack=scope.stack, region=region, opts=opts
        )

    def images(
        self, ground: Ground, packages: Mapping[str, Sequence[str]], parent: pulumi.Resource
    ) -> dict[str, ImageHandle]:
        """Built when missing and kept as cache, so equal packages cost one build however many ask."""
        return {
            role: _image(f"{ground.name}-{role}-image", packages[role], ground, parent) for role in sorted(packages)
        }

    def network(self, name: str, plan: NetworkPlan, ground: Ground, opts: pulumi.ResourceOptions) -> NetworkHandle:
        """A bridge network."""
        prefixes = plan.prefixes
        network = resources.Network(name, ipv4=str(prefixes.ipv4), ipv6=str(prefixes.ipv6), opts=opts)
        return NetworkHandle(network, network.network_name)

    def address(self, plan: MachinePlan, ground: Ground, opts: pulumi.ResourceOptions) -> AddressHandle:
        """The plan's own: here we are the provider, nothing has to be reserved."""
        return _address(_public(plan))

    def group(  # noqa: PLR0913, PLR0917  the protocol's
        self,
        name: str,
        firewall: Firewall,
        openings: Sequence[Opening],
        machines: int,
        ground: Ground,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """A computer's containers have their own firewalls only."""

    def volume(self, plan: MachinePlan, ground: Ground, opts: pulumi.ResourceOptions) -> None:
        """Refused by name where a plan is made (rule `cloud.no-volumes`)."""

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
            devices=["/dev/net/tun"] if plan.mesh else [],
            opts=opts,
        )
        address = _address(_public(plan))
        return MachineHandle(plan, machine, machine.container, machine.container_id, address.ipv4, address.ipv6)

    def load_balancer(
        self,
        name: str,
        machines: Sequence[MachineHandle],
        health: HealthCheck,
        ground: Ground,
        opts: pulumi.ResourceOptions,
    ) -> BalancerHandle:
        """Never asked for: the plan refuses it (rule `cloud.no-load-balancers`)."""
        raise NotImplementedError("the plan refuses load balancers here")

    def bucket(self, name: str, ground: Ground, opts: pulumi.ResourceOptions) -> BucketHandle:
        """Never asked for: a machine plays it."""
        raise NotImplementedError("the local cloud keeps bundles in a machine")

    def bundle(
        self, bundle: Bundle, path: Path, store: Store, ground: Ground, opts: pulumi.ResourceOptions
    ) -> BundleHandle:
        """A file in the machine that plays the bucket."""
        if not isinstance(store, MachineHandle):
            raise TypeError(f"on the local cloud a machine plays the bucket, not {store!r:.80}")
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


def _image(name: str, packages: Sequence[str], ground: Ground, parent: pulumi.Resource) -> ImageHandle:
    image = resources.Image(name, packages=sorted(packages), opts=ground.options(parent))
    return ImageHandle(image, image.tag)


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
    return [
        # TCP goes without saying, so that a machine from before there was another is as asked for.
        {"address": str(door.address), "port": door.port, "target": door.target, **protocol}
        for door in doors
        if door
        for protocol in ({}, {"protocol": "udp"})[: 1 + door.udp]
    ]
