"""IBM Cloud: a VPC a Cluster, and instances with an interface and a floating IP that outlive them. IPv4 alone.

What it lacks, and the limits named here, are in model/providers/ibm.toml with their sources (decision 22).
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pulumi

from hdinfra.clouds.accounts import settings_of
from hdinfra.clouds.cloud import (
    AddressHandle,
    BalancerHandle,
    Boot,
    BucketHandle,
    BundleHandle,
    Ground,
    GroupHandle,
    HealthCheck,
    ImageHandle,
    MachineHandle,
    NetworkHandle,
    Opening,
    Scope,
    Store,
    VolumeHandle,
)
from hdinfra.clouds.ibm_balancer import declare_balancer
from hdinfra.clouds.ibm_firewall import declare_group, machine_rules
from hdinfra.clouds.ibm_network import (
    SETTINGS,
    declare_network,
    group_of,
    labels_of,
    name_of,
    snapshot_tag,
    tags,
)
from hdinfra.clouds.names import ordinal_of
from hdinfra.clouds.options import extended
from hdinfra.machine.bundle import Bundle
from hdinfra.machine.machine import Firewall
from hdinfra.model.plan import ClusterPlan, MachinePlan, NetworkPlan
from hdinfra.sdks.ibm import (
    Image,
    IsFloatingIp,
    IsInstance,
    IsPlacementGroup,
    IsVirtualNetworkInterface,
    IsVirtualNetworkInterfaceFloatingIp,
    Provider,
    get_is_images_output,
)

SPREAD = 12
"""Instances in one placement group of strategy `host_spread` (quotas.md of github.com/ibm-cloud-docs/vpc)."""

_IMAGE = re.compile(r"ibm-debian-13-(\d+)-minimal-(amd64|arm64)-(\d+)")
"""IBM's own images: Debian's point release, and which build of it (os-lifecycle.md has "Debian 13 minimal")."""


class IbmCloud:
    """Implements `hdinfra.clouds.cloud.Cloud`. Made for one Cluster or place, whose image it looks up once."""

    def __init__(self) -> None:
        self._images: dict[tuple[str, str], pulumi.Output[str]] = {}

    def given(self, account: str | None) -> frozenset[str]:
        """Names of the account's settings: its key, and a resource group."""
        return frozenset(_settings(account))

    def provider(
        self, name: str, where: ClusterPlan | str, scope: Scope, opts: pulumi.ResourceOptions
    ) -> pulumi.ProviderResource:
        """A region, as one account; without one, as IC_API_KEY or IBMCLOUD_API_KEY says."""
        region, account = (where, None) if isinstance(where, str) else (where.region, where.account)
        settings = _settings(account)
        return Provider(
            name,
            region=region,
            ibmcloud_api_key=settings.get("ibmcloud_api_key"),
            resource_group=settings.get("resource_group"),
            opts=opts,
        )

    def images(
        self, ground: Ground, packages: Mapping[str, Sequence[str]], parent: pulumi.Resource
    ) -> dict[str, ImageHandle]:
        """None: Machines install their packages at their first boot."""
        return {}

    def network(self, name: str, plan: NetworkPlan, ground: Ground, opts: pulumi.ResourceOptions) -> NetworkHandle:
        """A VPC whose own security group and ACL let nothing through."""
        return declare_network(name, plan, ground, opts)

    def address(self, plan: MachinePlan, ground: Ground, opts: pulumi.ResourceOptions) -> AddressHandle:
        """A floating IP, which the infrastructure translates for whatever comes and goes. There is no IPv6."""
        name = f"{plan.name}-address"
        kept = IsFloatingIp(
            name,
            zone=plan.zone,
            name=name_of(name, ground),
            resource_group=group_of(ground),
            tags=tags(ground.scope, ground.scope.labels(plan)),
            opts=opts,
        )
        return AddressHandle(kept.address, pulumi.Output.from_input(""), (kept.id,))

    def group(  # noqa: PLR0913, PLR0917  the protocol's
        self,
        name: str,
        firewall: Firewall,
        openings: Sequence[Opening],
        machines: int,
        ground: Ground,
        opts: pulumi.ResourceOptions,
    ) -> GroupHandle:
        """A security group, and a placement group for each twelve Machines."""
        wall, _ = declare_group(f"{name}-firewall", list(machine_rules(firewall, openings)), ground, opts)
        spread = [
            IsPlacementGroup(
                each,
                strategy="host_spread",
                name=name_of(each, ground),
                resource_group=group_of(ground),
                tags=tags(ground.scope, labels_of(ground)),
                opts=opts,
            )
            for each in (f"{name}-spread-{number}" for number in range(1, -(-machines // SPREAD) + 1))
        ]
        return GroupHandle((wall.id,), tuple(each.id for each in spread))

    def volume(self, plan: MachinePlan, ground: Ground, opts: pulumi.ResourceOptions) -> VolumeHandle | None:
        """Never one: the plan refuses it (rule `cloud.no-volumes`)."""
        return None

    def machine(self, plan: MachinePlan, boot: Boot, ground: Ground, opts: pulumi.ResourceOptions) -> MachineHandle:
        """An instance behind an interface that keeps its addresses when it is made anew, as on AWS (decision 16).

        No SSH keys, for nobody logs in; no metadata service, for user data comes on a disk; a boot disk encrypted with
        IBM's keys, which every disk here is.
        """
        if boot.address is None or boot.group is None:
            raise ValueError(f"`{plan.name}` was planned on IBM Cloud without an address or a firewall")
        interface, association = _interface(plan, boot.address, boot.group, ground, opts)
        labels, spread = ground.scope.labels(plan), boot.group.spread
        copied = [snapshot_tag(ground)] if plan.snapshots else []
        instance = IsInstance(
            plan.name,
            name=name_of(plan.name, ground),
            vpc=ground.networks[-1].native_id,
            zone=plan.zone,
            profile=plan.size.name,
            image=self._image(plan, ground),
            boot_volume={"auto_delete_volume": True, "tags": [*tags(ground.scope, labels), *copied]},
            primary_network_attachment={"name": "primary", "virtual_network_interface": {"id": interface.id}},
            placement_group=spread[ordinal_of(plan) // SPREAD] if spread else None,
            metadata_service={"enabled": False},
            user_data=boot.user_data,
            resource_group=group_of(ground),
            tags=tags(ground.scope, labels),
            # Before the address is there, a first boot would speak from none.
            opts=extended(
                opts,
                after=association,
                # User data has a new token at each run, and a newer image is for new Machines.
                ignore_changes=["userData", "image"],
                replacement_trigger=boot.description,
                delete_before_replace=True,  # an interface belongs to one instance at a time
                additional_secret_outputs=["userData"],
            ),
        )
        found = None if plan.image else instance.image
        return MachineHandle(plan, instance, instance.id, instance.id, boot.address.ipv4, boot.address.ipv6, found)

    def load_balancer(
        self,
        name: str,
        machines: Sequence[MachineHandle],
        health: HealthCheck,
        ground: Ground,
        opts: pulumi.ResourceOptions,
    ) -> BalancerHandle:
        """An application load balancer that passes TCP on."""
        return declare_balancer(name, machines, health, ground, opts)

    def bucket(self, name: str, ground: Ground, opts: pulumi.ResourceOptions) -> BucketHandle:
        """Never asked for: the plan refuses it (rule `cloud.no-buckets`)."""
        raise NotImplementedError("a bucket that anybody may read takes an access group of the whole account")

    def bundle(
        self, bundle: Bundle, path: Path, store: Store, ground: Ground, opts: pulumi.ResourceOptions
    ) -> BundleHandle:
        """Never asked for, as there is no bucket."""
        raise NotImplementedError("nothing of IBM Cloud's holds bundles")

    def _image(self, plan: MachinePlan, ground: Ground) -> pulumi.Input[str]:
        """What Debian 13 is today; held from then on."""
        if plan.image:
            return plan.image
        key = (ground.name, plan.size.arch)
        if key not in self._images:
            found = get_is_images_output(
                visibility="public",
                status="available",
                remote_account_id="provider",
                opts=pulumi.InvokeOutputOptions(parent=ground.provider, provider=ground.provider),
            )
            self._images[key] = found.apply(partial(newest, arch=plan.size.arch))
        return self._images[key]


def _settings(account: str | None) -> dict[str, pulumi.Output[str]]:
    return settings_of(account, SETTINGS, required=SETTINGS[:1])


def newest(images: Sequence[Image], arch: str) -> str:
    """The number of IBM's latest Debian 13 for these programs; RunError where there is none."""
    known = [(_IMAGE.fullmatch(image["name"]), image["id"]) for image in images]
    fitting = [(int(name[1]), int(name[3]), id_) for name, id_ in known if name and name[2] == arch]
    if not fitting:
        raise pulumi.RunError(
            f"IBM Cloud shows no image `ibm-debian-13-…-minimal-{arch}-…` here; fix: ibmcloud is images --visibility "
            "public shows what there is, or choose another region"
        )
    return max(fitting)[2]


def _interface(
    plan: MachinePlan, address: AddressHandle, group: GroupHandle, ground: Ground, opts: pulumi.ResourceOptions
) -> tuple[IsVirtualNetworkInterface, IsVirtualNetworkInterfaceFloatingIp]:
    if plan.private is None or plan.zone is None:
        raise ValueError(f"`{plan.name}` was planned on IBM Cloud without a number or a zone in its network")
    name = f"{plan.name}-interface"
    interface = IsVirtualNetworkInterface(
        name,
        subnet=ground.networks[-1].subnets[plan.zone].native_id,
        primary_ip={"address": str(plan.private.ipv4), "auto_delete": True},
        security_groups=list(group.firewalls),
        allow_ip_spoofing=False,
        auto_delete=False,  # it outlives its instance
        enable_infrastructure_nat=True,
        name=name_of(name, ground),
        resource_group=group_of(ground),
        tags=tags(ground.scope, ground.scope.labels(plan)),
        opts=opts,
    )
    association = IsVirtualNetworkInterfaceFloatingIp(
        f"{plan.name}-address-association",
        virtual_network_interface=interface.id,
        floating_ip=address.native_ids[0],
        opts=opts,
    )
    return interface, association
