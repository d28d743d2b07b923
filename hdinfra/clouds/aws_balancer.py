"""AWS: the Network Load Balancer before an edge's Machines, at addresses that outlive it, in every zone there."""

from collections.abc import Sequence
from ipaddress import IPv6Network

import pulumi
from pulumi_aws import ec2, lb

from hdinfra.clouds.aws_network import tags
from hdinfra.clouds.cloud import BalancerHandle, Ground, HealthCheck, MachineHandle, SubnetHandle
from hdinfra.clouds.firewalls import WORLD
from hdinfra.clouds.names import cut
from hdinfra.clouds.options import extended

PORTS = (80, 443)
LONGEST = 32
"""Characters of the name of a load balancer, and of a target group (docstrings of pulumi_aws.lb)."""

_NUMBER = 5  # of its IPv6 address in a subnet: AWS keeps the first four, and Machines begin at ten
_DRAINING_SECONDS = 30  # a request takes no longer; the default, 300, would only hold up an `up`


def declare_balancer(
    name: str, machines: Sequence[MachineHandle], health: HealthCheck, ground: Ground, opts: pulumi.ResourceOptions
) -> BalancerHandle:
    """One with an address of each family in each zone; every zone's sends to the Machines of all."""
    public = [ground.networks[-1].subnets[zone] for zone in sorted(ground.networks[-1].subnets)]
    ipv4 = [_kept(f"{name}-address-{number}", opts) for number in range(1, len(public) + 1)]
    ipv6 = [pulumi.Output.from_input(subnet.ipv6).apply(_numbered) for subnet in public]
    balancer = lb.LoadBalancer(
        name,
        name=_name(name, ground),
        load_balancer_type="network",
        internal=False,
        ip_address_type="dualstack",
        enable_cross_zone_load_balancing=True,
        security_groups=[_firewall(f"{name}-firewall", machines, ground, opts)],
        subnet_mappings=[_mapping(*each) for each in zip(public, ipv4, ipv6, strict=True)],
        tags=tags(name),
        opts=extended(opts, after=[subnet.resource for subnet in public]),
    )
    for port in PORTS:
        _pass_on(f"{name}-{port}", port, balancer, machines, health, ground, opts)
    return BalancerHandle(balancer, tuple(one.public_ip for one in ipv4), tuple(ipv6))


def _kept(name: str, opts: pulumi.ResourceOptions) -> ec2.Eip:
    return ec2.Eip(name, domain="vpc", tags=tags(name), opts=opts)


def _numbered(block: str | None) -> str:
    # Under stock mocks the engine answers nothing.
    return str(IPv6Network(block or "::/64")[_NUMBER])


def _mapping(subnet: SubnetHandle, ipv4: ec2.Eip, ipv6: pulumi.Output[str]) -> lb.LoadBalancerSubnetMappingArgs:
    return lb.LoadBalancerSubnetMappingArgs(subnet_id=subnet.native_id, allocation_id=ipv4.id, ipv6_address=ipv6)


def _firewall(
    name: str, machines: Sequence[MachineHandle], ground: Ground, opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """The world comes in at two ports, and out it goes to the Machines' network alone. It has one from the start, for
    AWS gives none to a balancer that began without."""
    plan = machines[0].plan.balancer
    networks = [str(network) for network in plan.networks] if plan else []
    ports = sorted({*PORTS, plan.health_port if plan else 80})
    group = ec2.SecurityGroup(
        name,
        vpc_id=ground.networks[-1].native_id,
        description="Visitors in, Machines out",
        ingress=[_rule(port) | {"cidr_blocks": [WORLD[0]], "ipv6_cidr_blocks": [WORLD[1]]} for port in PORTS],
        egress=[_rule(port) | {"cidr_blocks": networks} for port in ports],
        tags=tags(name),
        opts=opts,
    )
    native_id: pulumi.Output[str] = group.id
    return native_id


def _rule(port: int) -> dict[str, object]:
    return {"protocol": "tcp", "from_port": port, "to_port": port}


def _pass_on(  # noqa: PLR0913, PLR0917  what goes where, and when
    name: str,
    port: int,
    balancer: lb.LoadBalancer,
    machines: Sequence[MachineHandle],
    health: HealthCheck,
    ground: Ground,
    opts: pulumi.ResourceOptions,
) -> None:
    """Machines are targets by the private address that their interface keeps, so a new instance is one at once.

    IPv4 whatever visitors speak: an IPv6 visitor's address could not be kept on the way, so the header tells both.
    """
    behind = machines[0].plan.balancer
    group = lb.TargetGroup(
        name,
        name=_name(name, ground),
        port=port,
        protocol="TCP",
        target_type="ip",
        ip_address_type="ipv4",
        vpc_id=ground.networks[-1].native_id,
        proxy_protocol_v2=bool(behind and behind.header),
        preserve_client_ip="false",
        deregistration_delay=_DRAINING_SECONDS,
        health_check=lb.TargetGroupHealthCheckArgs(
            protocol="HTTP",
            path=health.path,
            port=str(health.port),
            matcher="200",
            interval=health.every_seconds,
            timeout=health.timeout_seconds,
            healthy_threshold=health.successes,
            unhealthy_threshold=health.failures,
        ),
        tags=tags(name),
        opts=opts,
    )
    lb.Listener(
        f"{name}-listener",
        load_balancer_arn=balancer.arn,
        port=port,
        protocol="TCP",
        default_actions=[lb.ListenerDefaultActionArgs(type="forward", target_group_arn=group.arn)],
        tags=tags(f"{name}-listener"),
        opts=opts,
    )
    for machine in machines:
        lb.TargetGroupAttachment(
            f"{name}-{machine.plan.name.removeprefix(f'{ground.name}-')}",
            target_group_arn=group.arn,
            target_id=str(machine.plan.private.ipv4) if machine.plan.private else "",
            port=port,
            opts=opts,
        )


def _name(name: str, ground: Ground) -> str:
    """Unique in an account, and within what AWS takes, which Pulumi's own naming would not be."""
    scope = ground.scope
    whole = "/".join((scope.project, scope.stack, scope.namespace, name, ground.plan.region if ground.plan else ""))
    return cut(name, whole, LONGEST)
