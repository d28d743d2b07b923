"""A NodeBalancer before the edge's Machines of one place: it passes TCP on, a PROXY header of version 2 before it."""

from collections.abc import Sequence

import pulumi
import pulumi_linode as linode

from hdinfra.clouds.cloud import BalancerHandle, Ground, HealthCheck, MachineHandle
from hdinfra.clouds.firewalls import WORLD
from hdinfra.clouds.linode_names import SHORT, held, label, number, tags_of
from hdinfra.clouds.options import extended

PORTS = (80, 443)


def declare_balancer(
    name: str, machines: Sequence[MachineHandle], health: HealthCheck, ground: Ground, opts: pulumi.ResourceOptions
) -> BalancerHandle:
    """In the place's VPC, with a reserved IPv4 address; its IPv6 address is kept for as long as it stands.

    NodeBalancers ask a Machine for its health at the port that they pass on, and no other. So 80 is asked over HTTP as
    the plan says; at 443, where TLS is the Machine's own, it is enough that it accepts: a Machine that says it is
    unwell, or is drained, gets visitors of 443 for as long as it listens.
    """
    subnet = ground.networks[-1].subnets[ground.place.region]
    address = linode.ReservedIp(f"{name}-ipv4", region=ground.place.region, tags=tags_of(ground), opts=held(opts))
    made = linode.NodeBalancer(
        name,
        label=label(name, ground, SHORT),
        region=ground.place.region,
        ipv4=address.address,
        firewall_id=number(_firewall(name, ground, opts).id),
        # Machines have numbers of the network's first /24; from the last one it speaks to them.
        vpcs=[linode.NodeBalancerVpcArgs(subnet_id=number(subnet.native_id), ipv4_range=_last(ground))],
        tags=tags_of(ground),
        opts=extended(opts, delete_before_replace=True),  # its address and its label are one NodeBalancer's at a time
    )
    for port in PORTS:
        config = _config(f"{name}-{port}", port, made, machines, health, opts)
        for machine in machines:
            linode.NodeBalancerNode(
                f"{name}-{port}-{machine.plan.name}",
                label=label(f"{machine.plan.name}-{port}", ground, SHORT),
                nodebalancer_id=number(made.id),
                config_id=number(config.id),
                address=f"{_private(machine)}:{port}",
                subnet_id=number(subnet.native_id),
                mode="accept",
                opts=opts,
            )
    return BalancerHandle(made, (address.address,), (made.ipv6,))


def _config(  # noqa: PLR0913, PLR0917  where it belongs, what it passes on, and how it asks
    name: str,
    port: int,
    balancer: linode.NodeBalancer,
    machines: Sequence[MachineHandle],
    health: HealthCheck,
    opts: pulumi.ResourceOptions,
) -> linode.NodeBalancerConfig:
    header = any(machine.plan.balancer and machine.plan.balancer.header for machine in machines)
    asked = port == health.port
    return linode.NodeBalancerConfig(
        name,
        nodebalancer_id=number(balancer.id),
        port=port,
        protocol="tcp",
        proxy_protocol="v2" if header else "none",
        algorithm="leastconn",
        stickiness="none",
        check="http" if asked else "connection",
        check_path=health.path if asked else None,
        check_interval=health.every_seconds,
        check_timeout=health.timeout_seconds,
        check_attempts=health.failures,
        check_passive=False,  # it counts answers of 5xx, which are sites' own
        opts=opts,
    )


def _firewall(name: str, ground: Ground, opts: pulumi.ResourceOptions) -> linode.Firewall:
    """80 and 443 from the world. Of a NodeBalancer's firewall the inbound rules alone count."""
    return linode.Firewall(
        f"{name}-firewall",
        label=label(f"{name}-firewall", ground, SHORT),
        inbound_policy="DROP",
        outbound_policy="DROP",
        inbounds=[
            linode.FirewallInboundArgs(
                label="tcp",
                action="ACCEPT",
                protocol="TCP",
                ports=",".join(map(str, PORTS)),
                ipv4s=[WORLD[0]],
                ipv6s=[WORLD[1]],
            )
        ],
        tags=tags_of(ground),
        opts=opts,
    )


def _last(ground: Ground) -> str:
    *_, last = ground.place.prefixes.ipv4.subnets(new_prefix=24)
    return str(last)


def _private(machine: MachineHandle) -> str:
    if machine.plan.private is None:
        raise ValueError(f"`{machine.plan.name}` was planned on Linode without a number in its network")
    return str(machine.plan.private.ipv4)
