"""Linode: a Machine has one interface, in a VPC of both families, which holds its kept addresses (docs/decisions, 18).

What it lacks, and the limits named here, are in model/providers/linode.toml with their sources.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pulumi
import pulumi_linode as linode  # its submodules cannot be had alone: the package imports them all

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
    SubnetHandle,
    VolumeHandle,
)
from hdinfra.clouds.linode_balancer import declare_balancer
from hdinfra.clouds.linode_firewall import firewall_rules
from hdinfra.clouds.linode_names import SHORT, held, label, number, tags_of
from hdinfra.clouds.names import ordinal_of
from hdinfra.clouds.options import extended
from hdinfra.machine.bundle import Bundle
from hdinfra.machine.cloud_init import compressed
from hdinfra.machine.machine import Firewall
from hdinfra.model.plan import ClusterPlan, MachinePlan, NetworkPlan

IMAGE = "linode/debian13"
"""Linode's own images start with `linode/`, so the name is the owner too; it stays when the image is renewed."""

SPREAD = 5
"""Linodes in one placement group: maximum_linodes_per_pg of every region (model/providers/linode.toml)."""

KEPT = 0x10
"""A Machine's address in its /64, which /usr/lib/hdinfra/linode gives it; the first ones may be routers'."""

BUCKETS: Mapping[str, str] = {
    "ap-northeast": "jp-tyo-3",
    "ap-southeast": "au-mel",
    "ap-west": "in-bom-2",
    "ca-central": "us-ord",
    "eu-west": "gb-lon",
    "fr-par-2": "fr-par",
    "us-central": "us-ord",
}
"""Regions without Object Storage, and a near one that has it (productionRegionsData.ts of linode/manager, 2025-09-12;
of newer regions from knowledge)."""

_SETTINGS = ("token", "obj_access_key", "obj_secret_key")


class LinodeCloud:
    """Implements `hdinfra.clouds.cloud.Cloud`."""

    def given(self, account: str | None) -> frozenset[str]:
        """Names of the account's settings: its token, and keys of Object Storage."""
        return frozenset(_settings(account))

    def provider(
        self, name: str, where: ClusterPlan | str, scope: Scope, opts: pulumi.ResourceOptions
    ) -> pulumi.ProviderResource:
        """With an account's token, or that of LINODE_TOKEN. Without keys of Object Storage, the token makes some that
        live for one update."""
        account = None if isinstance(where, str) else where.account
        settings = _settings(account)
        return linode.Provider(
            name,
            token=settings.get("token"),
            obj_access_key=settings.get("obj_access_key"),
            obj_secret_key=settings.get("obj_secret_key"),
            obj_use_temp_keys=None if "obj_access_key" in settings else True,
            opts=opts,
        )

    def images(
        self, ground: Ground, packages: Mapping[str, Sequence[str]], parent: pulumi.Resource
    ) -> dict[str, ImageHandle]:
        """None: packages are installed at the first boot."""
        return {}

    def network(self, name: str, plan: NetworkPlan, ground: Ground, opts: pulumi.ResourceOptions) -> NetworkHandle:
        """A VPC with one subnet, whose IPv6 /56 has a /64 for each Machine. Its key among the subnets is the region."""
        region = ground.place.region
        vpc = linode.Vpc(
            name,
            label=label(name, ground),
            region=region,
            description=" ".join(tags_of(ground)),
            ipv6s=[linode.VpcIpv6Args(range="/52")],
            opts=opts,
        )
        subnet = linode.VpcSubnet(
            f"{name}-subnet",
            # Another network is another subnet, which stands beside the one that it takes the place of.
            label=label(f"{name}-{_dashed(plan.prefixes.ipv4)}", ground),
            vpc_id=number(vpc.id),
            ipv4=str(plan.prefixes.ipv4),
            ipv6s=[linode.VpcSubnetIpv6Args(range="/56")],
            opts=opts,
        )
        return NetworkHandle(vpc, vpc.id, {region: SubnetHandle(subnet, subnet.id, subnet.ipv6s.apply(_allocated))})

    def address(self, plan: MachinePlan, ground: Ground, opts: pulumi.ResourceOptions) -> AddressHandle:
        """A reserved IPv4 address, and an IPv6 one in the /64 of the Machine's number."""
        ipv4 = linode.ReservedIp(
            f"{plan.name}-ipv4",
            region=plan.region,
            tags=tags_of(ground, plan),
            opts=held(opts),
        )
        ipv6 = _sixty_four(plan, ground).apply(lambda part: part and _kept(part))
        return AddressHandle(ipv4.address, ipv6, (ipv4.id,))

    def group(  # noqa: PLR0913, PLR0917  the protocol's
        self,
        name: str,
        firewall: Firewall,
        openings: Sequence[Opening],
        machines: int,
        ground: Ground,
        opts: pulumi.ResourceOptions,
    ) -> GroupHandle:
        """A Cloud Firewall, and a placement group for each five Machines."""
        inbound, outbound = firewall_rules(firewall, openings)
        wall = linode.Firewall(
            f"{name}-firewall",
            label=label(f"{name}-firewall", ground, SHORT),
            inbound_policy="DROP",
            outbound_policy="DROP",
            inbounds=inbound,
            outbounds=outbound,
            tags=tags_of(ground),
            opts=opts,
        )
        spread = [
            linode.PlacementGroup(
                each,
                label=label(each, ground),
                region=ground.place.region,
                placement_group_type="anti_affinity:local",
                placement_group_policy="strict",
                opts=opts,
            )
            for each in (f"{name}-spread-{number}" for number in range(1, -(-machines // SPREAD) + 1))
        ]
        return GroupHandle((wall.id,), tuple(each.id for each in spread))

    def volume(self, plan: MachinePlan, ground: Ground, opts: pulumi.ResourceOptions) -> VolumeHandle | None:
        """The name alone: Linode knows no attachment, so the volume itself says to which Linode it belongs and is
        declared behind it. Its path in the Machine follows from its label."""
        if plan.volume_gib is None:
            return None
        name = pulumi.Output.from_input(_volume_label(plan, ground))
        return VolumeHandle(None, name, name.apply(lambda known: f"/dev/disk/by-id/scsi-0Linode_Volume_{known}"))

    def machine(self, plan: MachinePlan, boot: Boot, ground: Ground, opts: pulumi.ResourceOptions) -> MachineHandle:
        """A Linode. One that is made anew is gone first, for addresses and a volume have one Linode at a time."""
        if boot.address is None or boot.group is None or plan.private is None:
            raise ValueError(
                f"`{plan.name}` was given no address, no firewall or no network; on Linode every Machine has all"
            )
        made = linode.Instance(
            plan.name,
            label=label(plan.name, ground),
            region=plan.region,
            type=plan.size.name,
            image=plan.image or IMAGE,
            interface_generation="legacy_config",  # the newer ones have IPv6 of a VPC in no argument of this resource
            interfaces=[_interface(plan, boot.address, ground)],
            ipv4s=[boot.address.ipv4],
            firewall_id=number(boot.group.firewalls[0]),
            placement_group=_placement(plan, boot.group),
            disk_encryption="enabled",
            backups_enabled=plan.snapshots is not None,
            watchdog_enabled=True,
            metadatas=[linode.InstanceMetadataArgs(user_data=boot.user_data.apply(_encoded))],
            root_pass=boot.user_data.apply(_password),
            tags=tags_of(ground, plan),
            opts=extended(
                opts,
                delete_before_replace=True,
                # User data has a new token at each run, and the password follows from it.
                ignore_changes=["metadatas", "rootPass", "image"],
                replacement_trigger=boot.description,
                additional_secret_outputs=["metadatas", "rootPass"],
            ),
        )
        if boot.volume:
            _attached(plan, made, ground, opts)
        return MachineHandle(plan, made, made.id, made.id, boot.address.ipv4, boot.address.ipv6)

    def load_balancer(
        self,
        name: str,
        machines: Sequence[MachineHandle],
        health: HealthCheck,
        ground: Ground,
        opts: pulumi.ResourceOptions,
    ) -> BalancerHandle:
        """A NodeBalancer in the place's VPC."""
        return declare_balancer(name, machines, health, ground, opts)

    def bucket(self, name: str, ground: Ground, opts: pulumi.ResourceOptions) -> BucketHandle:
        """A bucket that nobody may list; its objects say themselves that anybody may read them."""
        region = _bucket_region(ground)
        bucket = linode.ObjectStorageBucket(
            name,
            label=label(name, ground),
            region=region,
            acl="private",
            cors_enabled=False,
            opts=opts,
        )
        return BucketHandle(bucket, bucket.label, bucket.hostname.apply(lambda host: f"https://{host}"))

    def bundle(
        self, bundle: Bundle, path: Path, store: Store, ground: Ground, opts: pulumi.ResourceOptions
    ) -> BundleHandle:
        """An object of the bucket; another computer's path uploads the same bytes once more."""
        if not isinstance(store, BucketHandle):
            raise TypeError(f"on Linode bundles lie in a bucket, not in {store!r:.80}")
        made = linode.ObjectStorageObject(
            f"{ground.name}-bundle-{bundle.role}",
            region=_bucket_region(ground),
            bucket=store.native_id,
            key=bundle.file_name,
            source=str(path),
            acl="public-read",
            content_type="application/x-tar",
            opts=opts,
        )
        return BundleHandle(made, pulumi.Output.all(store.url, made.key).apply("/".join))


def _settings(account: str | None) -> dict[str, pulumi.Output[str]]:
    return settings_of(account, _SETTINGS, required=("token",), pair=_SETTINGS[1:])


def _dashed(network: IPv4Network) -> str:
    return re.sub(r"[./]", "-", str(network))


def _volume_label(plan: MachinePlan, ground: Ground) -> str:
    return label(f"{plan.name}-volume", ground, SHORT)


def _allocated(ranges: Sequence[linode.outputs.VpcSubnetIpv6] | None) -> str:
    """The /56 that Linode chose; empty where it is not told yet."""
    return next((each.allocated_range for each in ranges or () if each.allocated_range), "")


def _subnet(plan: MachinePlan, ground: Ground) -> SubnetHandle:
    return ground.networks[-1].subnets[plan.region]


def _sixty_four(plan: MachinePlan, ground: Ground) -> pulumi.Output[str]:
    """The /64 of the Machine's number, 10 to 250, of the 256 that a /56 has."""
    if plan.private is None:
        raise ValueError(f"`{plan.name}` was planned on Linode without a number in its network")
    number = plan.private.ipv4.packed[-1]
    block = pulumi.Output.from_input(_subnet(plan, ground).ipv6)
    return block.apply(lambda known: _part(known, number) if known else "")


def _part(block: str, number: int) -> str:
    network = IPv6Network(block)
    return str(IPv6Network((int(network.network_address) + (number << 64), 64)))


def _kept(part: str) -> str:
    return str(IPv6Address(int(IPv6Network(part).network_address) + KEPT))


def _interface(plan: MachinePlan, address: AddressHandle, ground: Ground) -> linode.InstanceInterfaceArgs:
    """Private and reserved IPv4 address are one and the same behind the VPC's NAT; IPv6 is the Machine's own /64."""
    return linode.InstanceInterfaceArgs(
        purpose="vpc",
        primary=True,
        subnet_id=number(_subnet(plan, ground).native_id),
        ipv4=linode.InstanceInterfaceIpv4Args(vpc=str(plan.private and plan.private.ipv4), nat11=address.ipv4),
        ipv6=linode.InstanceInterfaceIpv6Args(
            is_public=True, slaacs=[linode.InstanceInterfaceIpv6SlaacArgs(range=_sixty_four(plan, ground))]
        ),
    )


def _placement(plan: MachinePlan, group: GroupHandle) -> linode.InstancePlacementGroupArgs | None:
    if not group.spread:
        return None
    return linode.InstancePlacementGroupArgs(id=number(group.spread[ordinal_of(plan) // SPREAD]))


def _encoded(text: str) -> str:
    return base64.b64encode(compressed(text)).decode()


def _password(text: str) -> str:
    """What Linode asks for and nobody is to know: with it root enters by the control panel's console alone, for no
    firewall lets port 22 in. User data has a token that nobody can guess, so this is as secret."""
    return base64.b64encode(hashlib.sha256(f"root of {text}".encode()).digest()).decode()


def _attached(plan: MachinePlan, made: linode.Instance, ground: Ground, opts: pulumi.ResourceOptions) -> None:
    """It moves to a new Linode, and stays at Linode when its Machine leaves the plan until somebody deletes it there: a
    Machine of the same name cannot come back before that, for the label is taken.

    Encrypted at rest. It goes before its Linode and is not deleted with it, whatever happens to that.
    """
    linode.Volume(
        f"{plan.name}-volume",
        label=_volume_label(plan, ground),
        region=plan.region,
        size=plan.volume_gib,
        encryption="enabled",
        linode_id=number(made.id),
        tags=tags_of(ground, plan),
        opts=extended(opts, retain_on_delete=True),
    )


def _bucket_region(ground: Ground) -> str:
    region = ground.place.region
    return BUCKETS.get(region, region)
