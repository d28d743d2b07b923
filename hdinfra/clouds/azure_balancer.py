"""A load balancer of Azure's, of both families: packets reach the Machines as visitors sent them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi_azure_native import network

from hdinfra.clouds.azure_network import network_of, sized, tags, zones_of
from hdinfra.clouds.cloud import BalancerHandle, Ground, HealthCheck
from hdinfra.clouds.names import cut

_PORTS = (80, 443)
_FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6"}
_LONGEST = 80
_PROBE = "health"


def public_address(name: str, family: str, ground: Ground, opts: pulumi.ResourceOptions) -> network.PublicIPAddress:
    """One that is kept whatever it is before, in all zones of the region. `family`: ipv4 or ipv6."""
    name = f"{name}-{family}"
    return network.PublicIPAddress(
        name,
        resource_group_name=network_of(ground).group.name,
        public_ip_address_name=sized(name),
        location=ground.place.region,
        sku={"name": "Standard", "tier": "Regional"},
        public_ip_address_version=_FAMILIES[family],
        public_ip_allocation_method="Static",
        zones=list(zones_of(ground.place.region)) or None,
        tags=tags(ground),
        opts=opts,
    )


def declare_balancer(
    name: str,
    inside: Mapping[str, Sequence[pulumi.Input[str]]],
    health: HealthCheck,
    ground: Ground,
    opts: pulumi.ResourceOptions,
) -> BalancerHandle:
    """`inside`: the Machines' private addresses by family. It finds them by these, so that they need not know of it.

    Azure asks for as long between two health checks as one may take; `successes` it counts as it does `failures`.
    """
    fronts = {family: public_address(name, family, ground, opts) for family in _FAMILIES}
    home, own = network_of(ground), name if len(name) <= _LONGEST else cut(name, name, _LONGEST)
    # What lies in a load balancer refers to itself by the whole id, which follows from its name.
    path = pulumi.Output.concat(home.group.id, f"/providers/Microsoft.Network/loadBalancers/{own}")
    made: network.LoadBalancer = network.LoadBalancer(
        name,
        resource_group_name=home.group.name,
        load_balancer_name=own,
        location=ground.place.region,
        sku={"name": "Standard", "tier": "Regional"},
        frontend_ip_configurations=[_front(family, front) for family, front in fronts.items()],
        backend_address_pools=[_pool(family, inside[family], home.native_id) for family in _FAMILIES],
        probes=[_probe(health)],
        load_balancing_rules=[_rule(family, port, path) for family in _FAMILIES for port in _PORTS],
        tags=tags(ground),
        opts=opts,
    )
    ipv4, ipv6 = (
        pulumi.Output.all(front.ip_address, made.id).apply(lambda known: known[0]) for front in fronts.values()
    )
    return BalancerHandle(made, (ipv4,), (ipv6,))


def _front(family: str, address: network.PublicIPAddress) -> Any:
    return {"name": family, "public_ip_address": {"id": address.id}}


def _pool(family: str, inside: Sequence[pulumi.Input[str]], vnet: pulumi.Output[str]) -> Any:
    addresses = [
        {"name": f"{family}-{number}", "ip_address": address, "virtual_network": {"id": vnet}}
        for number, address in enumerate(inside, 1)
    ]
    return {"name": family, "load_balancer_backend_addresses": addresses}


def _probe(health: HealthCheck) -> Any:
    return {
        "name": _PROBE,
        "protocol": "Http",
        "port": health.port,
        "request_path": health.path,
        "interval_in_seconds": health.every_seconds,
        "probe_threshold": health.failures,
    }


def _rule(family: str, port: int, path: pulumi.Output[str]) -> Any:
    def part(kind: str, name: str) -> dict[str, pulumi.Output[str]]:
        return {"id": pulumi.Output.concat(path, f"/{kind}/{name}")}

    return {
        "name": f"{family}-{port}",
        "protocol": "Tcp",
        "frontend_port": port,
        "backend_port": port,
        "frontend_ip_configuration": part("frontendIPConfigurations", family),
        "backend_address_pool": part("backendAddressPools", family),
        "probe": part("probes", _PROBE),
        "enable_tcp_reset": True,
        "disable_outbound_snat": True,  # Machines have addresses of their own
    }
