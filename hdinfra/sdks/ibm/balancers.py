"""Load balancers: listeners, and the pools of members behind them."""

from collections.abc import Sequence
from typing import ClassVar

import pulumi

from hdinfra.sdks.ibm.package import IbmResource


class IsLb(IbmResource):
    """A load balancer. With the profile `network-fixed` it passes packets on as they are (layer 4), in one zone."""

    hostname: pulumi.Output[str]
    public_ips: pulumi.Output[list[str]]
    outputs: ClassVar[tuple[str, ...]] = ("hostname", "public_ips")

    def __init__(
        self,
        resource_name: str,
        *,
        subnets: pulumi.Input[Sequence[pulumi.Input[str]]],
        profile: pulumi.Input[str] | None = None,
        type: pulumi.Input[str] | None = None,
        security_groups: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        name: pulumi.Input[str] | None = None,
        resource_group: pulumi.Input[str] | None = None,
        tags: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "subnets": subnets,
            "profile": profile,
            "type": type,
            "security_groups": security_groups,
            "name": name,
            "resource_group": resource_group,
            "tags": tags,
        }
        super().__init__(resource_name, inputs, opts)


class IsLbPool(IbmResource):
    """Members that are asked whether they serve. Times in seconds."""

    pool_id: pulumi.Output[str]
    outputs: ClassVar[tuple[str, ...]] = ("pool_id",)

    def __init__(
        self,
        resource_name: str,
        *,
        lb: pulumi.Input[str],
        algorithm: pulumi.Input[str],
        protocol: pulumi.Input[str],
        health_type: pulumi.Input[str],
        health_delay: pulumi.Input[int],
        health_timeout: pulumi.Input[int],
        health_retries: pulumi.Input[int],
        health_monitor_url: pulumi.Input[str] | None = None,
        health_monitor_port: pulumi.Input[int] | None = None,
        proxy_protocol: pulumi.Input[str] | None = None,
        name: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "lb": lb,
            "algorithm": algorithm,
            "protocol": protocol,
            "health_type": health_type,
            "health_delay": health_delay,
            "health_timeout": health_timeout,
            "health_retries": health_retries,
            "health_monitor_url": health_monitor_url,
            "health_monitor_port": health_monitor_port,
            "proxy_protocol": proxy_protocol,
            "name": name,
        }
        super().__init__(resource_name, inputs, opts)


class IsLbPoolMember(IbmResource):
    """One instance (`target_id`, layer 4) or address of a VPC (`target_address`) in a pool."""

    def __init__(
        self,
        resource_name: str,
        *,
        lb: pulumi.Input[str],
        pool: pulumi.Input[str],
        port: pulumi.Input[int],
        target_id: pulumi.Input[str] | None = None,
        target_address: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "lb": lb,
            "pool": pool,
            "port": port,
            "target_id": target_id,
            "target_address": target_address,
        }
        super().__init__(resource_name, inputs, opts)


class IsLbListener(IbmResource):
    """One port of a load balancer and the pool that answers there."""

    def __init__(
        self,
        resource_name: str,
        *,
        lb: pulumi.Input[str],
        protocol: pulumi.Input[str],
        port: pulumi.Input[int] | None = None,
        default_pool: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"lb": lb, "protocol": protocol, "port": port, "default_pool": default_pool}
        super().__init__(resource_name, inputs, opts)
