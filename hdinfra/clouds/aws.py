"""AWS: a VPC a Cluster, EC2 Machines with a network interface that outlives them, EBS volumes and an S3 bucket."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pulumi
from pulumi_aws import Provider, ProviderAssumeRoleArgs, ebs, ec2, s3

from hdinfra.clouds import aws_policies
from hdinfra.clouds.accounts import settings_of
from hdinfra.clouds.aws_network import declare_network, snapshot_tag, tags
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
from hdinfra.clouds.firewalls import WORLD, families
from hdinfra.clouds.options import extended
from hdinfra.machine.bundle import Bundle
from hdinfra.machine.cloud_init import compressed
from hdinfra.machine.machine import Firewall
from hdinfra.model.plan import ClusterPlan, MachinePlan, NetworkPlan

_DEBIAN = "136693071363"
"""The account that publishes Debian's images (wiki.debian.org/Cloud/AmazonEC2Image/Trixie)."""
_ROOT_GIB = 20  # the image's own 8 GiB would not hold sites' caches beside logs; a size of EC2 brings no disk
_KEYS = ("access_key", "secret_key", "token", "profile")
_ROLE = ("role_arn", "external_id")


class AwsCloud:
    """Implements `hdinfra.clouds.cloud.Cloud`. Made for one Cluster or place, whose image it looks up once."""

    def __init__(self) -> None:
        self._images: dict[tuple[str, str], pulumi.Output[str]] = {}

    def given(self, account: str | None) -> frozenset[str]:
        """Names of the account's settings: keys, a profile, a role."""
        return frozenset(_settings(account))

    def provider(
        self, name: str, where: ClusterPlan | str, scope: Scope, opts: pulumi.ResourceOptions
    ) -> pulumi.ProviderResource:
        """A region, as one account; its tags come to everything that it makes."""
        region, account = (where, None) if isinstance(where, str) else (where.region, where.account)
        every = {**scope.own_labels, "hdinfra.zone": scope.zone}
        made: pulumi.ProviderResource = Provider(
            name, region=region, default_tags={"tags": every}, **_credentials(account), opts=opts
        )
        return made

    def images(
        self, ground: Ground, packages: Mapping[str, Sequence[str]], parent: pulumi.Resource
    ) -> dict[str, ImageHandle]:
        """None: packages are installed at the first boot."""
        return {}

    def network(self, name: str, plan: NetworkPlan, ground: Ground, opts: pulumi.ResourceOptions) -> NetworkHandle:
        """A VPC with an IPv6 /56 of Amazon's. What is private reaches the Internet over IPv6 alone: there is no NAT."""
        return declare_network(name, plan, ground, opts)

    def address(self, plan: MachinePlan, ground: Ground, opts: pulumi.ResourceOptions) -> AddressHandle:
        """An Elastic IP, and the IPv6 address of the Machine's number in its subnet's /64."""
        name = f"{plan.name}-address"
        elastic = ec2.Eip(name, domain="vpc", tags=tags(name, ground.scope.labels(plan)), opts=opts)
        ipv6 = pulumi.Output.from_input(_subnet_of(plan, ground).ipv6).apply(partial(_numbered, plan=plan))
        return AddressHandle(elastic.public_ip, ipv6, (elastic.id,))

    def group(  # noqa: PLR0913, PLR0917  the protocol's
        self,
        name: str,
        firewall: Firewall,
        openings: Sequence[Opening],
        machines: int,
        ground: Ground,
        opts: pulumi.ResourceOptions,
    ) -> GroupHandle:
        """A security group. Nothing else spreads Machines than their plans' availability zones."""
        name = f"{name}-firewall"
        sources = [list(WORLD) if opening.sources is None else opening.sources for opening in openings]
        group = ec2.SecurityGroup(
            name,
            vpc_id=ground.networks[-1].native_id,
            description="In and out as the firewalls of the Machines",  # another text would be another group
            ingress=pulumi.Output.all(*sources).apply(lambda known: _inbound(openings, known)),
            egress=_outbound(firewall),
            tags=tags(name),
            opts=opts,
        )
        return GroupHandle((group.id,))

    def volume(self, plan: MachinePlan, ground: Ground, opts: pulumi.ResourceOptions) -> VolumeHandle | None:
        """An EBS volume in the Machine's zone, which grows in place. It is never deleted with its Machine, nor by
        `destroy`: it stays, detached and tagged with the Machine's name, until somebody deletes it at AWS."""
        if plan.volume_gib is None:
            return None
        name = f"{plan.name}-volume"
        volume = ebs.Volume(
            name,
            availability_zone=plan.zone,
            size=plan.volume_gib,
            type="gp3",
            encrypted=True,
            tags=_disk_tags(name, plan, ground),
            opts=extended(opts, retain_on_delete=True),
        )
        # A volume shows its id without the hyphen as serial number ("Map Amazon EBS volumes to NVMe device names").
        device = volume.id.apply(lambda id_: f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{id_.replace('-', '')}")
        return VolumeHandle(volume, volume.id, device)

    def machine(self, plan: MachinePlan, boot: Boot, ground: Ground, opts: pulumi.ResourceOptions) -> MachineHandle:
        """An instance behind an interface that keeps its addresses when it is made anew (docs/decisions, 16)."""
        if boot.address is None or boot.group is None:
            raise ValueError(f"`{plan.name}` was planned on AWS without an address or a firewall")
        interface, association = _interface(plan, boot.address, boot.group, ground, opts)
        # Before the address is there, a first boot would speak from another one, or from none.
        instance = self._instance(plan, boot, interface, ground, extended(opts, after=association))
        if boot.volume:
            ec2.VolumeAttachment(
                f"{plan.name}-volume-attachment",
                instance_id=instance.id,
                volume_id=boot.volume.native_id,
                device_name="/dev/sdf",
                stop_instance_before_detaching=True,  # so that its file system is unmounted
                opts=opts,
            )
        return MachineHandle(
            plan,
            instance,
            instance.id,
            instance.id,
            boot.address.ipv4,
            boot.address.ipv6,
            None if plan.image else instance.ami,
        )

    def load_balancer(
        self,
        name: str,
        machines: Sequence[MachineHandle],
        health: HealthCheck,
        ground: Ground,
        opts: pulumi.ResourceOptions,
    ) -> BalancerHandle:
        """A Network Load Balancer over all public subnets, whose addresses stay when it is made anew."""
        from hdinfra.clouds.aws_balancer import declare_balancer  # noqa: PLC0415  the SDK's part costs time to import

        return declare_balancer(name, machines, health, ground, opts)

    def bucket(self, name: str, ground: Ground, opts: pulumi.ResourceOptions) -> BucketHandle:
        """An S3 bucket under its dual stack name. An account that blocks public buckets as a whole refuses its policy;
        there, fill an address of your own (`bundles.url`)."""
        bucket = s3.Bucket(name, tags=tags(name), opts=opts)
        owned = s3.BucketOwnershipControls(
            f"{name}-ownership", bucket=bucket.id, rule={"object_ownership": "BucketOwnerEnforced"}, opts=opts
        )
        s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket.id,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=opts,
        )
        access = s3.BucketPublicAccessBlock(
            f"{name}-access",
            bucket=bucket.id,
            block_public_acls=True,
            ignore_public_acls=True,
            block_public_policy=False,  # the policy below is the only way in
            restrict_public_buckets=False,
            opts=extended(opts, after=owned),  # S3 refuses two changes of one bucket at a time
        )
        policy = s3.BucketPolicy(
            f"{name}-policy",
            bucket=bucket.id,
            policy=bucket.arn.apply(aws_policies.readable),
            opts=extended(opts, after=access),
        )
        region = ground.plan.region if ground.plan else ""
        url = pulumi.Output.all(bucket.id, policy.id).apply(
            lambda known: f"https://{known[0]}.s3.dualstack.{region}.amazonaws.com"
        )
        return BucketHandle(bucket, bucket.id, url)

    def bundle(
        self, bundle: Bundle, path: Path, store: Store, ground: Ground, opts: pulumi.ResourceOptions
    ) -> BundleHandle:
        """An object, named by its content."""
        if not isinstance(store, BucketHandle):
            raise TypeError(f"on AWS bundles lie in a bucket, not in {store!r:.80}")
        made = s3.BucketObjectv2(
            f"{ground.name}-bundles-{bundle.role}",
            bucket=store.native_id,
            key=bundle.file_name,
            source=pulumi.FileAsset(str(path)),
            source_hash=bundle.sha256,
            content_type="application/x-tar",
            opts=opts,
        )
        url = pulumi.Output.all(store.url, made.id).apply(lambda known: f"{known[0]}/{bundle.file_name}")
        return BundleHandle(made, url)

    def _instance(
        self,
        plan: MachinePlan,
        boot: Boot,
        interface: ec2.NetworkInterface,
        ground: Ground,
        opts: pulumi.ResourceOptions,
    ) -> ec2.Instance:
        """No key pair, for nobody logs in; no instance profile, for a Machine asks nothing of AWS."""
        return ec2.Instance(
            plan.name,
            ami=self._image(plan, ground),
            instance_type=plan.size.name,
            primary_network_interface={"network_interface_id": interface.id},
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                "http_put_response_hop_limit": 1,
                "instance_metadata_tags": "disabled",
            },
            root_block_device={
                "volume_type": "gp3",
                "volume_size": _ROOT_GIB,
                "encrypted": True,
                "delete_on_termination": True,
                "tags": _disk_tags(f"{plan.name}-root", plan, ground),
            },
            user_data_base64=boot.user_data.apply(lambda text: base64.b64encode(compressed(text)).decode()),
            tags=tags(plan.name, ground.scope.labels(plan)),
            opts=extended(
                opts,
                # User data has a new token at each run, and a newer image is for new Machines.
                ignore_changes=["userDataBase64", "ami"],
                replacement_trigger=boot.description,
                delete_before_replace=True,  # an interface belongs to one instance at a time
                additional_secret_outputs=["userDataBase64"],
            ),
        )

    def _image(self, plan: MachinePlan, ground: Ground) -> pulumi.Input[str]:
        if plan.image:
            return plan.image
        key = (ground.name, plan.size.arch)
        if key not in self._images:
            found = ec2.get_ami_output(
                owners=[_DEBIAN],
                most_recent=True,
                filters=[
                    {"name": "name", "values": [f"debian-13-{plan.size.arch}-*"]},
                    {"name": "virtualization-type", "values": ["hvm"]},
                ],
                opts=pulumi.InvokeOutputOptions(parent=ground.provider, provider=ground.provider),
            )
            self._images[key] = found.id
        return self._images[key]


def _credentials(account: str | None) -> dict[str, Any]:
    """The account's settings as the provider takes them."""
    given = _settings(account)
    role = {name: given.pop(name) for name in _ROLE if name in given}
    # A plain dictionary's names would reach the provider as they are, and it would not know them.
    return {**given, **({"assume_roles": [ProviderAssumeRoleArgs(**role)]} if role else {})}


def _settings(account: str | None) -> dict[str, pulumi.Output[str]]:
    given = settings_of(account, known=(*_KEYS, *_ROLE), pair=("access_key", "secret_key"))
    if "external_id" in given and "role_arn" not in given:
        raise pulumi.RunError(
            f"account `{account}` has an external_id, but no role that it opens; "
            f"fix: pulumi config set --secret --path 'hdinfra:account-{account}.role_arn' arn:aws:iam::…"
        )
    return given


def _disk_tags(name: str, plan: MachinePlan, ground: Ground) -> dict[str, str]:
    copied = {aws_policies.SNAPSHOTS: snapshot_tag(ground)} if plan.snapshots else {}
    return tags(name, {**ground.scope.labels(plan), **copied})


def _subnet_of(plan: MachinePlan, ground: Ground) -> SubnetHandle:
    return ground.networks[-1].subnets[plan.zone or ""]


def _numbered(block: str | None, plan: MachinePlan) -> str:
    if plan.private is None:
        raise ValueError(f"`{plan.name}` was planned on AWS without a number in its network")
    return str(IPv6Address(int(IPv6Network(block or "::/64").network_address) + plan.private.ipv4.packed[-1]))


def _inbound(openings: Sequence[Opening], sources: Sequence[Sequence[str | None]]) -> list[dict[str, Any]]:
    opened = [_rule(one.protocol, one.port, one.port, known) for one, known in zip(openings, sources, strict=True)]
    # Both ways whole, one rule a family: the Machines' own firewalls let in ping and what paths' MTU takes.
    return [*(rule for rule in opened if rule), *_icmp()]


def _outbound(firewall: Firewall) -> list[dict[str, Any]]:
    """As the Machines' own firewalls, but for DHCP, which no security group holds back.

    Policy fills a Machine's outbound sets with origins and WAFs at any address and port, at any time: here all TCP must
    be open to the world, and the Machine's own firewall narrows it to the sets; UDP to sets likewise, at their ports.
    """
    api = [9000] if firewall.api_users else []
    tcp = [(0, 65_535)] if firewall.outbound_sets else [(port, port) for port in (53, 80, 443, *api)]
    return [
        *(_rule("tcp", first, last, WORLD) for first, last in tcp),
        *(_rule("udp", port, port, WORLD) for port in (53, 123, *sorted(firewall.outbound_udp))),
        *_icmp(),
    ]


def _icmp() -> list[dict[str, Any]]:
    return [_rule("icmp", -1, -1, WORLD[:1]), _rule("icmpv6", -1, -1, WORLD[1:])]


def _rule(protocol: str, first: int, last: int, sources: Iterable[str | None]) -> dict[str, Any]:
    """Empty without sources, which AWS does not take as nobody."""
    blocks = {"ipv6_cidr_blocks" if ":" in family[0] else "cidr_blocks": family for family in families(sources)}
    return {"protocol": protocol, "from_port": first, "to_port": last, **blocks} if blocks else {}


def _interface(
    plan: MachinePlan, address: AddressHandle, group: GroupHandle, ground: Ground, opts: pulumi.ResourceOptions
) -> tuple[ec2.NetworkInterface, ec2.EipAssociation]:
    name, subnet = f"{plan.name}-interface", _subnet_of(plan, ground)
    interface = ec2.NetworkInterface(
        name,
        subnet_id=subnet.native_id,
        private_ips=[str(plan.private.ipv4)] if plan.private else None,
        ipv6_addresses=[address.ipv6],
        security_groups=list(group.firewalls),
        tags=tags(name, ground.scope.labels(plan)),
        opts=opts,
    )
    association = ec2.EipAssociation(
        f"{plan.name}-address-association",
        allocation_id=address.native_ids[0],
        network_interface_id=interface.id,
        allow_reassociation=True,
        opts=extended(opts, after=subnet.resource),
    )
    return interface, association
