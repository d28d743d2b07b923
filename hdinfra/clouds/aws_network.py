"""The network of a Cluster on AWS: a VPC that is closed but for two ways out, its flow logs, its disks' snapshots."""

from collections.abc import Mapping
from functools import partial
from ipaddress import IPv6Network
from typing import Any

import pulumi
from pulumi_aws import cloudwatch, dlm, ec2, iam

from hdinfra.clouds import aws_policies
from hdinfra.clouds.cloud import Ground, NetworkHandle, SubnetHandle
from hdinfra.clouds.firewalls import WORLD
from hdinfra.clouds.options import extended
from hdinfra.model.plan import NetworkPlan, SubnetPlan
from hdinfra.model.spec import SnapshotsSpec

_FLOW_LOG_DAYS = 90
_AT_THREE = {"day": "cron(0 3 * * ? *)", "week": "cron(0 3 ? * SUN *)"}
"""When disks are copied, UTC."""


def tags(name: str, labels: Mapping[str, str] | None = None) -> dict[str, str]:
    """A resource's own; those of project, stack, namespace and zone come with its provider."""
    return {"Name": name, **(labels or {})}


def snapshot_tag(ground: Ground) -> str:
    """Which disks a Cluster's snapshot policy copies. AWS refuses two policies that ask for the same."""
    return f"{ground.scope.namespace}/{ground.name}"


def declare_network(name: str, plan: NetworkPlan, ground: Ground, opts: pulumi.ResourceOptions) -> NetworkHandle:
    """The VPC and all that lies in it but Machines."""
    vpc = ec2.Vpc(
        name,
        cidr_block=str(plan.prefixes.ipv4),
        assign_generated_ipv6_cidr_block=True,
        enable_dns_support=True,
        enable_dns_hostnames=True,
        tags=tags(name),
        opts=opts,
    )
    _close(name, vpc, opts)
    _log_flows(name, vpc, opts)
    if ground.plan and ground.plan.snapshots:
        _copy_disks(name, vpc, ground, ground.plan.snapshots, opts)
    ways = {True: _public_way(name, vpc, opts), False: _private_way(name, vpc, opts)}
    subnets = {part: _subnet(name, part, vpc, ways[part.public], opts) for part in plan.subnets}
    return NetworkHandle(vpc, vpc.id, {part.zone: handle for part, handle in subnets.items() if part.public})


def _close(name: str, vpc: ec2.Vpc, opts: pulumi.ResourceOptions) -> None:
    """What a VPC brings along: its security group lets nothing through, its access list no SSH and no RDP."""
    ec2.DefaultSecurityGroup(
        f"{name}-default", vpc_id=vpc.id, ingress=[], egress=[], tags=tags(f"{name}-default"), opts=opts
    )
    admin = [(protocol, port, world) for port in (22, 3389) for protocol in ("tcp", "udp") for world in WORLD]
    denied = [_entry(10 + number, "deny", *rule) for number, rule in enumerate(admin)]
    allowed = [_entry(100 + number, "allow", "-1", 0, world) for number, world in enumerate(WORLD)]
    ec2.DefaultNetworkAcl(
        f"{name}-acl",
        default_network_acl_id=vpc.default_network_acl_id,
        ingress=[*denied, *allowed],
        egress=allowed,
        tags=tags(f"{name}-acl"),
        opts=extended(opts, ignore_changes=["subnetIds"]),  # every subnet comes to it by itself
    )


def _entry(number: int, action: str, protocol: str, port: int, world: str) -> dict[str, Any]:
    block = "ipv6_cidr_block" if ":" in world else "cidr_block"
    return {
        "rule_no": number,
        "action": action,
        "protocol": protocol,
        "from_port": port,
        "to_port": port,
        block: world,
    }


def _public_way(name: str, vpc: ec2.Vpc, opts: pulumi.ResourceOptions) -> tuple[ec2.RouteTable, list[ec2.Route]]:
    gateway = ec2.InternetGateway(f"{name}-gateway", vpc_id=vpc.id, tags=tags(f"{name}-gateway"), opts=opts)
    table = ec2.RouteTable(f"{name}-public", vpc_id=vpc.id, tags=tags(f"{name}-public"), opts=opts)
    ipv4, ipv6 = WORLD
    way = {"route_table_id": table.id, "gateway_id": gateway.id, "opts": opts}
    return table, [
        ec2.Route(f"{name}-public-ipv4", destination_cidr_block=ipv4, **way),
        ec2.Route(f"{name}-public-ipv6", destination_ipv6_cidr_block=ipv6, **way),
    ]


def _private_way(name: str, vpc: ec2.Vpc, opts: pulumi.ResourceOptions) -> tuple[ec2.RouteTable, list[ec2.Route]]:
    gateway = ec2.EgressOnlyInternetGateway(f"{name}-egress", vpc_id=vpc.id, tags=tags(f"{name}-egress"), opts=opts)
    table = ec2.RouteTable(f"{name}-private", vpc_id=vpc.id, tags=tags(f"{name}-private"), opts=opts)
    out = ec2.Route(
        f"{name}-private-ipv6",
        route_table_id=table.id,
        destination_ipv6_cidr_block=WORLD[1],
        egress_only_gateway_id=gateway.id,
        opts=opts,
    )
    return table, [out]


def _subnet(
    network: str,
    part: SubnetPlan,
    vpc: ec2.Vpc,
    way: tuple[ec2.RouteTable, list[ec2.Route]],
    opts: pulumi.ResourceOptions,
) -> SubnetHandle:
    """Who waits for the handle's resource finds the way to the Internet open."""
    name, (table, routes) = f"{network}-{part.name}", way
    ipv6 = vpc.ipv6_cidr_block.apply(partial(_sixty_four, number=part.number))
    made = ec2.Subnet(
        name,
        vpc_id=vpc.id,
        availability_zone=part.zone,
        cidr_block=str(part.ipv4),
        ipv6_cidr_block=ipv6,
        map_public_ip_on_launch=False,
        assign_ipv6_address_on_creation=False,
        tags=tags(name),
        opts=opts,
    )
    open_ = ec2.RouteTableAssociation(
        f"{name}-routes", subnet_id=made.id, route_table_id=table.id, opts=extended(opts, after=routes)
    )
    return SubnetHandle(open_, made.id, ipv6)


def _sixty_four(block: str | None, number: int) -> str:
    # Under stock mocks the engine answers nothing.
    start = int(IPv6Network(block or "::/56").network_address)
    return str(IPv6Network((start + (number << 64), 64)))


def _role(
    name: str, service: str, vpc: ec2.Vpc, policy: pulumi.Output[str], opts: pulumi.ResourceOptions
) -> tuple[iam.Role, iam.RolePolicy]:
    """What one service of AWS may do for this account, and for no other that could ask it to."""
    role = iam.Role(
        name, assume_role_policy=vpc.arn.apply(partial(aws_policies.trust, service)), tags=tags(name), opts=opts
    )
    return role, iam.RolePolicy(f"{name}-policy", role=role.id, policy=policy, opts=opts)


def _log_flows(name: str, vpc: ec2.Vpc, opts: pulumi.ResourceOptions) -> None:
    name = f"{name}-flows"
    group = cloudwatch.LogGroup(name, retention_in_days=_FLOW_LOG_DAYS, tags=tags(name), opts=opts)
    role, policy = _role(name, "vpc-flow-logs.amazonaws.com", vpc, group.arn.apply(aws_policies.may_log), opts)
    ec2.FlowLog(
        name,
        vpc_id=vpc.id,
        traffic_type="ALL",
        log_destination_type="cloud-watch-logs",
        log_destination=group.arn,
        iam_role_arn=role.arn,
        tags=tags(name),
        opts=extended(opts, after=policy),
    )


def _copy_disks(name: str, vpc: ec2.Vpc, ground: Ground, asked: SnapshotsSpec, opts: pulumi.ResourceOptions) -> None:
    name, tag = f"{name}-snapshots", snapshot_tag(ground)
    role, policy = _role(name, "dlm.amazonaws.com", vpc, vpc.arn.apply(partial(aws_policies.may_copy, tag)), opts)
    dlm.LifecyclePolicy(
        name,
        description=f"Disks of {ground.name}",
        execution_role_arn=role.arn,
        state="ENABLED",
        policy_details={
            "resource_types": ["VOLUME"],
            "target_tags": {aws_policies.SNAPSHOTS: tag},
            "schedules": [
                {
                    "name": f"every {asked.every}",
                    "create_rule": {"cron_expression": _AT_THREE[asked.every]},
                    "retain_rule": {"count": asked.keep},
                    "copy_tags": True,
                }
            ],
        },
        tags=tags(name),
        opts=extended(opts, after=policy),
    )
