"""VPCs and their parts, who may come in, and kept addresses. Names are Terraform's; what is a list of one there is an
object here, as the bridge has it."""

from collections.abc import Sequence
from typing import ClassVar, NotRequired, TypedDict

import pulumi

from hdinfra.sdks.ibm.package import IbmResource


class NetworkAclRule(TypedDict):
    """One rule, in order; without a protocol it is for all."""

    name: pulumi.Input[str]
    action: pulumi.Input[str]
    direction: pulumi.Input[str]
    source: pulumi.Input[str]
    destination: pulumi.Input[str]
    protocol: NotRequired[pulumi.Input[str]]
    port_min: NotRequired[pulumi.Input[int]]
    port_max: NotRequired[pulumi.Input[int]]


class PrimaryIp(TypedDict):
    """The address that an interface reserves in its subnet."""

    address: pulumi.Input[str]
    auto_delete: pulumi.Input[bool]


class IsVpc(IbmResource):
    """A VPC. `no_sg_acl_rules`: its default security group and default ACL let nothing through."""

    default_security_group: pulumi.Output[str]
    default_network_acl: pulumi.Output[str]
    outputs: ClassVar[tuple[str, ...]] = ("default_security_group", "default_network_acl")

    def __init__(
        self,
        resource_name: str,
        *,
        name: pulumi.Input[str] | None = None,
        address_prefix_management: pulumi.Input[str] | None = None,
        no_sg_acl_rules: pulumi.Input[bool] | None = None,
        resource_group: pulumi.Input[str] | None = None,
        tags: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "name": name,
            "address_prefix_management": address_prefix_management,
            "no_sg_acl_rules": no_sg_acl_rules,
            "resource_group": resource_group,
            "tags": tags,
        }
        super().__init__(resource_name, inputs, opts)


class IsVpcAddressPrefix(IbmResource):
    """Which addresses a VPC has in one zone."""

    def __init__(
        self,
        resource_name: str,
        *,
        vpc: pulumi.Input[str],
        zone: pulumi.Input[str],
        cidr: pulumi.Input[str],
        name: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(resource_name, {"vpc": vpc, "zone": zone, "cidr": cidr, "name": name}, opts)


class IsSubnet(IbmResource):
    """A part of a VPC in one zone."""

    def __init__(
        self,
        resource_name: str,
        *,
        vpc: pulumi.Input[str],
        zone: pulumi.Input[str],
        ipv4_cidr_block: pulumi.Input[str] | None = None,
        name: pulumi.Input[str] | None = None,
        network_acl: pulumi.Input[str] | None = None,
        resource_group: pulumi.Input[str] | None = None,
        tags: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "vpc": vpc,
            "zone": zone,
            "ipv4_cidr_block": ipv4_cidr_block,
            "name": name,
            "network_acl": network_acl,
            "resource_group": resource_group,
            "tags": tags,
        }
        super().__init__(resource_name, inputs, opts)


class IsNetworkAcl(IbmResource):
    """What subnets let through, without remembering who began."""

    def __init__(
        self,
        resource_name: str,
        *,
        vpc: pulumi.Input[str] | None = None,
        name: pulumi.Input[str] | None = None,
        rules: pulumi.Input[Sequence[pulumi.Input[NetworkAclRule]]] | None = None,
        resource_group: pulumi.Input[str] | None = None,
        tags: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"vpc": vpc, "name": name, "rules": rules, "resource_group": resource_group, "tags": tags}
        super().__init__(resource_name, inputs, opts)


class IsSecurityGroup(IbmResource):
    """What interfaces let through: nothing, until rules of their own say more."""

    def __init__(
        self,
        resource_name: str,
        *,
        vpc: pulumi.Input[str],
        name: pulumi.Input[str] | None = None,
        resource_group: pulumi.Input[str] | None = None,
        tags: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"vpc": vpc, "name": name, "resource_group": resource_group, "tags": tags}
        super().__init__(resource_name, inputs, opts)


class IsSecurityGroupRule(IbmResource):
    """One protocol, its ports, and one address or network that may come or be reached."""

    def __init__(
        self,
        resource_name: str,
        *,
        group: pulumi.Input[str],
        direction: pulumi.Input[str],
        remote: pulumi.Input[str] | None = None,
        protocol: pulumi.Input[str] | None = None,
        port_min: pulumi.Input[int] | None = None,
        port_max: pulumi.Input[int] | None = None,
        name: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "group": group,
            "direction": direction,
            "remote": remote,
            "protocol": protocol,
            "port_min": port_min,
            "port_max": port_max,
            "name": name,
        }
        super().__init__(resource_name, inputs, opts)


class IsFloatingIp(IbmResource):
    """A public IPv4 address of one zone."""

    address: pulumi.Output[str]
    outputs: ClassVar[tuple[str, ...]] = ("address",)

    def __init__(
        self,
        resource_name: str,
        *,
        zone: pulumi.Input[str] | None = None,
        name: pulumi.Input[str] | None = None,
        resource_group: pulumi.Input[str] | None = None,
        tags: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"zone": zone, "name": name, "resource_group": resource_group, "tags": tags}
        super().__init__(resource_name, inputs, opts)


class IsVirtualNetworkInterface(IbmResource):
    """An interface with its address and security groups, which outlives the instance that it is attached to."""

    def __init__(
        self,
        resource_name: str,
        *,
        subnet: pulumi.Input[str] | None = None,
        primary_ip: pulumi.Input[PrimaryIp] | None = None,
        security_groups: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        allow_ip_spoofing: pulumi.Input[bool] | None = None,
        auto_delete: pulumi.Input[bool] | None = None,
        enable_infrastructure_nat: pulumi.Input[bool] | None = None,
        name: pulumi.Input[str] | None = None,
        resource_group: pulumi.Input[str] | None = None,
        tags: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "subnet": subnet,
            "primary_ip": primary_ip,
            "security_groups": security_groups,
            "allow_ip_spoofing": allow_ip_spoofing,
            "auto_delete": auto_delete,
            "enable_infrastructure_nat": enable_infrastructure_nat,
            "name": name,
            "resource_group": resource_group,
            "tags": tags,
        }
        super().__init__(resource_name, inputs, opts)


class IsVirtualNetworkInterfaceFloatingIp(IbmResource):
    """Which floating IP an interface speaks from."""

    def __init__(
        self,
        resource_name: str,
        *,
        virtual_network_interface: pulumi.Input[str],
        floating_ip: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"virtual_network_interface": virtual_network_interface, "floating_ip": floating_ip}
        super().__init__(resource_name, inputs, opts)
