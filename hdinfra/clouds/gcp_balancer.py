"""A regional external passthrough Network Load Balancer: packets reach Machines as visitors sent them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi_gcp import compute

from hdinfra.clouds.cloud import BalancerHandle, Ground, HealthCheck, MachineHandle
from hdinfra.clouds.gcp_names import name_of, own_labels
from hdinfra.clouds.options import extended

_PORTS = ["80", "443"]


def declare_balancer(
    name: str, machines: Sequence[MachineHandle], health: HealthCheck, ground: Ground, opts: pulumi.ResourceOptions
) -> BalancerHandle:
    """Two addresses of the place's own, in front of all its Machines. Google's agent in each takes packets to them.

    The Machines are open to the world at 80 and 443, and so to the networks from which Google asks for their health.
    """
    check = compute.RegionHealthCheck(
        f"{name}-health",
        name=name_of(f"{name}-health", ground),
        region=ground.place.region,
        check_interval_sec=health.every_seconds,
        timeout_sec=health.timeout_seconds,
        unhealthy_threshold=health.failures,
        healthy_threshold=health.successes,
        http_health_check={"port": health.port, "request_path": health.path},
        opts=opts,
    )
    service = compute.RegionBackendService(
        f"{name}-service",
        name=name_of(f"{name}-service", ground),
        region=ground.place.region,
        load_balancing_scheme="EXTERNAL",
        protocol="TCP",
        health_checks=check.id,
        backends=[
            {"group": group.id, "balancing_mode": "CONNECTION"} for group in _groups(name, machines, ground, opts)
        ],
        connection_draining_timeout_sec=30,  # a Machine that leaves finishes what it has begun
        opts=opts,
    )
    ipv4, ipv6 = (_front(name, family, service, ground, opts) for family in ("ipv4", "ipv6"))
    return BalancerHandle(service, (ipv4,), (ipv6,))


def _groups(
    name: str, machines: Sequence[MachineHandle], ground: Ground, opts: pulumi.ResourceOptions
) -> list[compute.InstanceGroup]:
    """One for each availability zone. A Machine joins by a resource that is made anew with it."""
    groups: dict[str, compute.InstanceGroup] = {}
    for zone in sorted(ground.networks[-1].subnets):
        each = f"{name}-{zone}"
        groups[zone] = compute.InstanceGroup(
            each,
            name=name_of(each, ground),
            zone=zone,
            network=ground.networks[-1].native_id,
            opts=extended(opts, ignore_changes=["instances"]),  # who joined is no change of the group
        )
    for machine in machines:
        compute.InstanceGroupMembership(
            f"{name}-{machine.plan.name}",
            instance=machine.native_id,
            instance_group=groups[machine.plan.zone or ""].id,
            zone=machine.plan.zone,
            opts=opts,
        )
    return list(groups.values())


def _front(
    name: str, family: str, service: compute.RegionBackendService, ground: Ground, opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """One family's address, which is kept, and what brings it to the service."""
    name, labels = f"{name}-{family}", own_labels(ground)
    subnets = ground.networks[-1].subnets
    inside = {"ip_version": "IPV6", "subnetwork": subnets[min(subnets)].native_id}
    more: Mapping[str, Any] = inside if family == "ipv6" else {}
    address = compute.Address(
        name,
        name=name_of(name, ground),
        region=ground.place.region,
        address_type="EXTERNAL",
        network_tier="PREMIUM",
        labels=labels,
        opts=opts,
        **({**more, "ipv6_endpoint_type": "NETLB"} if more else {}),
    )
    compute.ForwardingRule(
        f"{name}-rule",
        name=name_of(f"{name}-rule", ground),
        region=ground.place.region,
        load_balancing_scheme="EXTERNAL",
        network_tier="PREMIUM",
        ip_protocol="TCP",
        ip_address=address.id,
        ports=_PORTS,
        backend_service=service.id,
        labels=labels,
        opts=opts,
        **more,
    )
    kept: pulumi.Output[str] = address.address
    return kept
