"""What the clouds' providers answer to what is made, one table for the recorder and for the engine's stand-ins."""

import zlib
from collections.abc import Mapping
from typing import Any

from hdinfra.testing import Graph
from hdinfra.testing.linode import LINODE
from hdinfra.testing.monitor import Invoke, Outputs

AWS, DO, HCLOUD = "aws:", "digitalocean:index/", "hcloud:index/"
GCP = "gcp:compute/"
AZURE = "azure-native:"
IBM = "ibm:index/"


def _number(name: str) -> int:
    """The same for the same name, and for two names of a test never seen to be alike."""
    return zlib.crc32(name.encode())


def _ipv4(name: str) -> str:
    number = _number(name)
    return f"198.{18 + (number >> 16) % 2}.{(number >> 8) % 256}.{number % 254 + 1}"  # RFC 2544


def _ipv6(name: str) -> str:
    number = _number(name)
    return f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::"  # RFC 3849


def _numbered(name: str, _: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": str(_number(name))}


def _arn(name: str, _: Mapping[str, Any]) -> dict[str, Any]:
    return {"arn": f"arn:aws:test:::{name}"}


def _vpc(name: str, _: Mapping[str, Any]) -> dict[str, Any]:
    acl = {"defaultNetworkAclId": f"acl-{name}", "defaultSecurityGroupId": f"sg-{name}"}
    return {"arn": f"arn:aws:ec2:::{name}", "ipv6CidrBlock": f"2001:db8:{_number(name) >> 16:x}:100::/56", **acl}


def _primary_ip(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    ipv6 = {"ipAddress": _ipv6(name), "ipNetwork": f"{_ipv6(name)}/64"}
    return {**_numbered(name, inputs), **({"ipAddress": _ipv4(name)} if inputs["type"] == "ipv4" else ipv6)}


def _hcloud_volume(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    device = {"linuxDevice": f"/dev/disk/by-id/scsi-0HC_Volume_{_number(name)}"}
    return {**_numbered(name, inputs), **device}


def _hcloud_balancer(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {**_numbered(name, inputs), "ipv4": _ipv4(name), "ipv6": f"{_ipv6(name)}1"}


def _named(name: str, _: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": f"{name}-12345ab"}


def _space(name: str, _: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": f"{name}-12345ab", "bucketDomainName": f"{name}-12345ab.example"}


def _gcp_address(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"address": _ipv6(name) if inputs.get("ipVersion") == "IPV6" else _ipv4(name)}


def _gcp_instance(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {**_named(name, inputs), "instanceId": str(_number(name))}


def _azure_address(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"ipAddress": _ipv4(name) if inputs["publicIPAddressVersion"] == "IPv4" else f"{_ipv6(name)}1"}


def _azure_group(name: str, _: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": f"/subscriptions/1/resourceGroups/{name}", "name": f"{name}1234abcd"}


def _azure_machine(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    profile = inputs["storageProfile"]
    image = {**profile["imageReference"], "exactVersion": "0.20261123.2305"}
    return {"vmId": str(_number(name)), "storageProfile": {**profile, "imageReference": image}}


OUTPUTS: Mapping[str, Outputs] = {
    **dict.fromkeys(
        (
            "aws:cloudwatch/logGroup:LogGroup",
            "aws:iam/role:Role",
            "aws:s3/bucket:Bucket",
        ),
        _arn,
    ),
    "aws:ec2/eip:Eip": lambda name, _: {"publicIp": _ipv4(name)},
    "aws:ec2/vpc:Vpc": _vpc,
    AZURE + "compute:VirtualMachine": _azure_machine,
    AZURE + "network:PublicIPAddress": _azure_address,
    AZURE + "resources:ResourceGroup": _azure_group,
    AZURE + "storage:StorageAccount": lambda _, inputs: {"name": inputs["accountName"]},
    DO + "droplet:Droplet": _numbered,
    "aws:lb/loadBalancer:LoadBalancer": _arn,
    "aws:lb/targetGroup:TargetGroup": _arn,
    DO + "loadBalancer:LoadBalancer": lambda name, _: {"ip": _ipv4(name), "ipv6": f"{_ipv6(name)}1"},
    DO + "reservedIp:ReservedIp": lambda name, _: {"ipAddress": _ipv4(name)},
    DO + "reservedIpv6:ReservedIpv6": lambda name, _: {"ip": f"{_ipv6(name)}1"},
    DO + "spacesBucket:SpacesBucket": _space,
    DO + "tag:Tag": _named,
    DO + "volume:Volume": _named,
    GCP + "address:Address": _gcp_address,
    GCP + "disk:Disk": _named,
    GCP + "instance:Instance": _gcp_instance,
    GCP + "resourcePolicy:ResourcePolicy": _named,
    GCP + "subnetwork:Subnetwork": lambda name, _: {"externalIpv6Prefix": f"{_ipv6(name)}/64"},
    "gcp:storage/bucket:Bucket": _named,
    HCLOUD + "firewall:Firewall": _numbered,
    HCLOUD + "loadBalancer:LoadBalancer": _hcloud_balancer,
    HCLOUD + "network:Network": _numbered,
    HCLOUD + "placementGroup:PlacementGroup": _numbered,
    HCLOUD + "primaryIp:PrimaryIp": _primary_ip,
    HCLOUD + "server:Server": _numbered,
    HCLOUD + "volume:Volume": _hcloud_volume,
    IBM + "isFloatingIp:IsFloatingIp": lambda name, _: {"address": _ipv4(name)},
    IBM + "isLb:IsLb": lambda name, _: {"publicIps": [_ipv4(f"{name} 1"), _ipv4(f"{name} 2")]},
    IBM + "isLbPool:IsLbPool": lambda name, _: {"poolId": f"{name}-number"},
    **LINODE,
}
"""From a resource's name and inputs to what its provider adds. `id` is its id, where that is a number."""

INVOKES: Mapping[str, Invoke] = {
    "aws:ec2/getAmi:getAmi": lambda _: {"id": "ami-13"},
    DO + "getImage:getImage": lambda asked: {"id": 1313, "slug": asked.get("slug")},
    GCP + "getImage:getImage": lambda asked: {"selfLink": f"projects/debian-cloud/{asked.get('family')}"},
    HCLOUD + "getImage:getImage": lambda asked: {"id": 13, "architecture": asked.get("withArchitecture")},
    IBM + "getIsImages:getIsImages": lambda _: {
        "images": [
            {"id": f"r010-{number}", "name": f"ibm-debian-{version}-minimal-amd64-{number}", "architecture": "amd64"}
            for version, number in (("13-9", 2), ("13-10", 1), ("12-12", 3))
        ]
    },
}
"""What functions return: the system images of today."""


def standin_outputs(graph: Graph, own: Mapping[str, Outputs]) -> dict[str, Any]:
    """STANDIN_OUTPUTS of tests/engine/standin.py for all that the graph has: the same as was recorded, but for ids."""
    known = {**own, **OUTPUTS}
    answers = {
        f"{resource.type} {resource.name}": dict(known[resource.type](resource.name, resource.inputs))
        for resource in graph.resources
        if resource.type in known
    }
    return {asked: {key: value for key, value in added.items() if key != "id"} for asked, added in answers.items()}
