"""The network of a Cluster on IBM Cloud: a closed VPC, its subnets, and copies of its disks."""

from collections.abc import Iterable, Mapping
from functools import partial

import pulumi

from hdinfra.clouds.accounts import settings_of
from hdinfra.clouds.cloud import Ground, NetworkHandle, Scope, SubnetHandle
from hdinfra.clouds.names import cut
from hdinfra.clouds.options import extended
from hdinfra.model.plan import NetworkPlan, SubnetPlan
from hdinfra.model.spec import SnapshotsSpec
from hdinfra.sdks.ibm import (
    IsBackupPolicy,
    IsBackupPolicyPlan,
    IsNetworkAcl,
    IsSubnet,
    IsVpc,
    IsVpcAddressPrefix,
    NetworkAclRule,
)

SETTINGS = ("ibmcloud_api_key", "resource_group")
"""What an account may say: a key, and the number of the resource group that all is made in."""

LONGEST = 63
"""Of a name (limitations.md of github.com/ibm-cloud-docs/vpc: lower case, digits and hyphens, a letter first)."""

LONGEST_TAG = 128
"""Of a tag, `key:value` (cloud.ibm.com/docs/account?topic=account-tag, from knowledge)."""

WORLD = "0.0.0.0/0"

_SUFFIX = 8  # what Pulumi's auto-naming adds: a dash and seven hexadecimal digits
_AT_THREE = {"day": "0 3 * * *", "week": "0 3 * * 0"}
"""When disks are copied, UTC."""
_MOST_DAYS = 1000  # a copy is kept no longer ("Retention period", quotas.md); what is kept is counted here


def name_of(name: str, ground: Ground) -> str | None:
    """None, for Pulumi to choose one, unless that would be too long; then the same at every run, and nobody else's."""
    if len(name) + _SUFFIX <= LONGEST:
        return None
    scope = ground.scope
    whole = "/".join((scope.project, scope.stack, name, ground.place.region))
    return cut(name, whole, LONGEST, digits=_SUFFIX - 1)


def tags(scope: Scope, labels: Mapping[str, str]) -> list[str]:
    """As IBM takes them: `key:value` in lower case, without its separators in the value."""
    every = {**scope.own_labels, **labels}
    return [_tag(key, value) for key, value in sorted(every.items())]


def _tag(key: str, value: str) -> str:
    text = f"{key}:{''.join(letter if letter.isascii() and letter.isalnum() else '-' for letter in value.lower())}"
    return text if len(text) <= LONGEST_TAG else cut(text, value, LONGEST_TAG)


def labels_of(ground: Ground) -> dict[str, str]:
    """Of what belongs to a Cluster or place as a whole."""
    return {"hdinfra.zone": ground.scope.zone, "hdinfra.place": ground.name}


def snapshot_tag(ground: Ground) -> str:
    """Which disks a Cluster's backup policy copies."""
    return _tag("hdinfra.snapshots", f"{ground.scope.namespace}-{ground.name}")


def group_of(ground: Ground) -> pulumi.Output[str] | None:
    """The account's resource group; None for its usual one."""
    return settings_of(ground.place.account, SETTINGS).get("resource_group")


def declare_network(name: str, plan: NetworkPlan, ground: Ground, opts: pulumi.ResourceOptions) -> NetworkHandle:
    """The VPC and all that lies in it but Machines. Public and private parts differ in who stands there: no part has a
    gateway, and only floating IPs lead out."""
    vpc = IsVpc(
        name,
        name=name_of(name, ground),
        address_prefix_management="manual",  # IBM's own would overlap other Clusters'
        no_sg_acl_rules=True,  # the default security group and ACL let nothing through
        resource_group=group_of(ground),
        tags=tags(ground.scope, labels_of(ground)),
        opts=opts,
    )
    acl = IsNetworkAcl(
        f"{name}-acl",
        vpc=vpc.id,
        name=name_of(f"{name}-acl", ground),
        rules=list(_acl_rules()),
        resource_group=group_of(ground),
        tags=tags(ground.scope, labels_of(ground)),
        opts=opts,
    )
    if ground.place.snapshots:
        _copy_disks(name, ground, ground.place.snapshots, opts)
    declare = partial(_subnet, name, vpc=vpc, acl=acl, ground=ground, opts=opts)
    subnets = {part: declare(part) for part in plan.subnets}
    return NetworkHandle(vpc, vpc.id, {part.zone: handle for part, handle in subnets.items() if part.public})


def _acl_rules() -> Iterable[NetworkAclRule]:
    """Subnets let through what security groups narrow, but for SSH and RDP from anywhere. Order is what counts."""
    for port, protocol in ((port, protocol) for port in (22, 3389) for protocol in ("tcp", "udp")):
        yield NetworkAclRule(
            name=f"no-{protocol}-{port}",
            action="deny",
            direction="inbound",
            source=WORLD,
            destination=WORLD,
            protocol=protocol,
            port_min=port,
            port_max=port,
        )
    for direction in ("inbound", "outbound"):
        yield NetworkAclRule(name=direction, action="allow", direction=direction, source=WORLD, destination=WORLD)


def _subnet(  # noqa: PLR0913  the parts that a subnet joins
    network: str, part: SubnetPlan, *, vpc: IsVpc, acl: IsNetworkAcl, ground: Ground, opts: pulumi.ResourceOptions
) -> SubnetHandle:
    """Each with an address prefix of its own: a prefix is one zone's, and a Cluster's parts alternate."""
    name, block = f"{network}-{part.name}", str(part.ipv4)
    prefix = IsVpcAddressPrefix(
        f"{name}-prefix",
        vpc=vpc.id,
        zone=part.zone,
        cidr=block,
        name=name_of(f"{name}-prefix", ground),
        opts=opts,
    )
    subnet = IsSubnet(
        name,
        vpc=vpc.id,
        zone=part.zone,
        ipv4_cidr_block=block,
        name=name_of(name, ground),
        network_acl=acl.id,
        resource_group=group_of(ground),
        tags=tags(ground.scope, labels_of(ground)),
        opts=extended(opts, after=prefix),
    )
    return SubnetHandle(subnet, subnet.id)


def _copy_disks(name: str, ground: Ground, asked: SnapshotsSpec, opts: pulumi.ResourceOptions) -> None:
    name = f"{name}-snapshots"
    policy = IsBackupPolicy(
        name,
        match_user_tags=[snapshot_tag(ground)],
        match_resource_type="volume",
        name=name_of(name, ground),
        resource_group=group_of(ground),
        opts=opts,
    )
    IsBackupPolicyPlan(
        f"{name}-plan",
        backup_policy_id=policy.id,
        cron_spec=_AT_THREE[asked.every],
        active=True,
        copy_user_tags=True,
        deletion_trigger={"delete_after": _MOST_DAYS, "delete_over_count": str(asked.keep)},
        name=name_of(f"{name}-plan", ground),
        opts=opts,
    )
