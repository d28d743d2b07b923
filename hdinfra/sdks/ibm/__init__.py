"""IBM Cloud, as far as hdinfra uses it. How this was made, and how to have all of it: docs/ibm-sdk.md."""

from hdinfra.sdks.ibm.balancers import IsLb, IsLbListener, IsLbPool, IsLbPoolMember
from hdinfra.sdks.ibm.compute import (
    Image,
    IsBackupPolicy,
    IsBackupPolicyPlan,
    IsInstance,
    IsPlacementGroup,
    get_is_images_output,
)
from hdinfra.sdks.ibm.network import (
    IsFloatingIp,
    IsNetworkAcl,
    IsSecurityGroup,
    IsSecurityGroupRule,
    IsSubnet,
    IsVirtualNetworkInterface,
    IsVirtualNetworkInterfaceFloatingIp,
    IsVpc,
    IsVpcAddressPrefix,
    NetworkAclRule,
)
from hdinfra.sdks.ibm.provider import Provider

__all__ = [
    "Image",
    "IsBackupPolicy",
    "IsBackupPolicyPlan",
    "IsFloatingIp",
    "IsInstance",
    "IsLb",
    "IsLbListener",
    "IsLbPool",
    "IsLbPoolMember",
    "IsNetworkAcl",
    "IsPlacementGroup",
    "IsSecurityGroup",
    "IsSecurityGroupRule",
    "IsSubnet",
    "IsVirtualNetworkInterface",
    "IsVirtualNetworkInterfaceFloatingIp",
    "IsVpc",
    "IsVpcAddressPrefix",
    "NetworkAclRule",
    "Provider",
    "get_is_images_output",
]
