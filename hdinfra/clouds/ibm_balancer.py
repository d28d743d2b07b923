"""The load balancer of an edge's place on IBM Cloud: over both zones, layer 4, with a PROXY header of version 1."""

from collections.abc import Iterator, Sequence
from functools import partial

import pulumi

from hdinfra.clouds.cloud import BalancerHandle, Ground, HealthCheck, MachineHandle
from hdinfra.clouds.ibm_firewall import Rule, declare_group
from hdinfra.clouds.ibm_network import group_of, labels_of, name_of, tags
from hdinfra.clouds.options import extended
from hdinfra.sdks.ibm import IsLb, IsLbListener, IsLbPool, IsLbPoolMember

_PORTS = (80, 443)
_ADDRESSES = 2  # an application load balancer has two, in the zones of its subnets (load-balancers.md)


def declare_balancer(
    name: str, machines: Sequence[MachineHandle], health: HealthCheck, ground: Ground, opts: pulumi.ResourceOptions
) -> BalancerHandle:
    """IBM changes one thing of a load balancer at a time, so that each waits for the one before it.

    Its addresses are IBM's, which keeps them for as long as it does not have to move one of its two halves.
    """
    header = any(machine.plan.balancer and machine.plan.balancer.header for machine in machines)
    group, opened = declare_group(f"{name}-firewall", list(_rules(health, ground)), ground, opts)
    balancer = IsLb(
        name,
        name=name_of(name, ground),
        type="public",
        subnets=[subnet.native_id for subnet in ground.networks[-1].subnets.values()],
        security_groups=[group.id],
        resource_group=group_of(ground),
        tags=tags(ground.scope, labels_of(ground)),
        opts=extended(opts, after=opened),
    )
    last: pulumi.Resource = balancer
    for port in _PORTS:
        pool = _pool(f"{name}-{port}", balancer, health, header, ground, extended(opts, after=last))
        last = pool
        for machine in machines:
            last = IsLbPoolMember(
                f"{name}-{port}-{machine.plan.name}",
                lb=balancer.id,
                pool=pool.pool_id,
                port=port,
                target_address=_private(machine),
                opts=extended(opts, after=[last, machine.resource]),
            )
        last = IsLbListener(
            f"{name}-{port}-listener",
            lb=balancer.id,
            protocol="tcp",
            port=port,
            default_pool=pool.pool_id,
            opts=extended(opts, after=last),
        )
    addresses = tuple(balancer.public_ips.apply(partial(_address, number=number)) for number in range(_ADDRESSES))
    return BalancerHandle(last, addresses, ())


def _pool(  # noqa: PLR0913, PLR0917  what it belongs to, and how its members are asked
    name: str, balancer: IsLb, health: HealthCheck, header: bool, ground: Ground, opts: pulumi.ResourceOptions
) -> IsLbPool:
    return IsLbPool(
        f"{name}-pool",
        name=name_of(f"{name}-pool", ground),
        lb=balancer.id,
        algorithm="round_robin",
        protocol="tcp",
        proxy_protocol="v1" if header else "disabled",
        health_type="http",
        health_delay=health.every_seconds,
        health_timeout=health.timeout_seconds,
        health_retries=health.failures,
        health_monitor_url=health.path,
        health_monitor_port=health.port,
        opts=opts,
    )


def _rules(health: HealthCheck, ground: Ground) -> Iterator[Rule]:
    """In: the world at 80 and 443. Out: the place's own network alone, where its Machines are."""
    for port in _PORTS:
        yield Rule(f"in-tcp-{port}-world", "inbound", "tcp", (port, port))
    inside = str(ground.place.prefixes.ipv4)
    for port in sorted({*_PORTS, health.port}):
        yield Rule(f"out-tcp-{port}", "outbound", "tcp", (port, port), inside)


def _private(machine: MachineHandle) -> str:
    if machine.plan.private is None:
        raise ValueError(f"`{machine.plan.name}` was planned on IBM Cloud without a number in its network")
    return str(machine.plan.private.ipv4)


def _address(known: Sequence[str] | None, number: int) -> str:
    """Under stock mocks the engine answers nothing."""
    return (known or [""] * _ADDRESSES)[number]
