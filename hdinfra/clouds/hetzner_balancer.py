"""Hetzner's load balancer before an edge's Machines, which it reaches over the place's network."""

from collections.abc import Sequence

import pulumi
from pulumi_hcloud import (
    LoadBalancer,
    LoadBalancerAlgorithmArgs,
    LoadBalancerNetwork,
    LoadBalancerService,
    LoadBalancerServiceHealthCheckArgs,
    LoadBalancerServiceHealthCheckHttpArgs,
    LoadBalancerTarget,
)

from hdinfra.clouds.cloud import BalancerHandle, Ground, HealthCheck, MachineHandle
from hdinfra.clouds.hetzner_names import at, labels_of, name_of, number_of, primary_ip
from hdinfra.clouds.options import extended

TYPE = "lb11"
"""The smallest: 25 targets, as many as a place may have Machines."""

_NUMBER = 5  # of its address in the place's network, where Machines begin at ten


def declare_balancer(
    name: str, machines: Sequence[MachineHandle], health: HealthCheck, ground: Ground, opts: pulumi.ResourceOptions
) -> BalancerHandle:
    """One with two primary IPs, which it takes when it is made and at no other time: so the old one goes first."""
    place, labels = ground.place, at(ground)
    ipv4, ipv6 = (primary_ip(f"{name}-{family}", family, labels, ground, opts) for family in ("ipv4", "ipv6"))
    balancer = LoadBalancer(
        name,
        name=name_of(name, ground),
        load_balancer_type=TYPE,
        location=place.region,
        algorithm=LoadBalancerAlgorithmArgs(type="least_connections"),
        ipv4_id=number_of(ipv4.id),
        ipv6_id=number_of(ipv6.id),
        labels=labels_of(ground.scope, labels),
        opts=extended(opts, delete_before_replace=True),
    )
    inside = LoadBalancerNetwork(
        f"{name}-network",
        load_balancer_id=number_of(balancer.id),
        subnet_id=ground.networks[-1].subnets[place.region].native_id,
        ip=str(place.prefixes.ipv4[_NUMBER]),
        opts=extended(opts, delete_before_replace=True),
    )
    for port in (80, 443):
        _service(f"{name}-{port}", port, balancer, machines[0], health, opts)
    for machine in machines:
        _target(f"{name}-{machine.plan.name.removeprefix(f'{ground.name}-')}", balancer, machine, inside, opts)
    return BalancerHandle(balancer, (balancer.ipv4,), (balancer.ipv6,))


def _service(  # noqa: PLR0913, PLR0917  what goes where, and when
    name: str,
    port: int,
    balancer: LoadBalancer,
    machine: MachineHandle,
    health: HealthCheck,
    opts: pulumi.ResourceOptions,
) -> None:
    """Hetzner counts failures alone: one answer that is well lets a target back in."""
    LoadBalancerService(
        name,
        load_balancer_id=balancer.id,
        protocol="tcp",
        listen_port=port,
        destination_port=port,
        proxyprotocol=bool(machine.plan.balancer and machine.plan.balancer.header),
        health_check=LoadBalancerServiceHealthCheckArgs(
            protocol="http",
            port=health.port,
            interval=health.every_seconds,
            timeout=health.timeout_seconds,
            retries=health.failures,
            http=LoadBalancerServiceHealthCheckHttpArgs(path=health.path, status_codes=["200"], tls=False),
        ),
        opts=extended(opts, delete_before_replace=True),
    )


def _target(
    name: str,
    balancer: LoadBalancer,
    machine: MachineHandle,
    inside: LoadBalancerNetwork,
    opts: pulumi.ResourceOptions,
) -> None:
    """A server that is made anew leaves and comes back. Both must be in the network before."""
    LoadBalancerTarget(
        name,
        load_balancer_id=number_of(balancer.id),
        type="server",
        server_id=number_of(machine.native_id),
        use_private_ip=True,
        opts=extended(opts, after=[inside, *machine.attached], delete_before_replace=True),
    )
