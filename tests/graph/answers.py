"""What the clouds' providers answer to what is made, one table for the recorder and for the engine's stand-ins."""

import zlib
from collections.abc import Mapping
from typing import Any

from hdinfra.testing import Graph
from hdinfra.testing.monitor import Invoke, Outputs

AWS, DO, HCLOUD = "aws:", "digitalocean:index/", "hcloud:index/"


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


def _named(name: str, _: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": f"{name}-12345ab"}


def _space(name: str, _: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": f"{name}-12345ab", "bucketDomainName": f"{name}-12345ab.example"}


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
    DO + "droplet:Droplet": _numbered,
    DO + "reservedIp:ReservedIp": lambda name, _: {"ipAddress": _ipv4(name)},
    DO + "reservedIpv6:ReservedIpv6": lambda name, _: {"ip": f"{_ipv6(name)}1"},
    DO + "spacesBucket:SpacesBucket": _space,
    DO + "tag:Tag": _named,
    DO + "volume:Volume": _named,
    HCLOUD + "firewall:Firewall": _numbered,
    HCLOUD + "network:Network": _numbered,
    HCLOUD + "placementGroup:PlacementGroup": _numbered,
    HCLOUD + "primaryIp:PrimaryIp": _primary_ip,
    HCLOUD + "server:Server": _numbered,
    HCLOUD + "volume:Volume": _hcloud_volume,
}
"""From a resource's name and inputs to what its provider adds. `id` is its id, where that is a number."""

INVOKES: Mapping[str, Invoke] = {
    "aws:ec2/getAmi:getAmi": lambda _: {"id": "ami-13"},
    DO + "getImage:getImage": lambda asked: {"id": 1313, "slug": asked.get("slug")},
    HCLOUD + "getImage:getImage": lambda asked: {"id": 13, "architecture": asked.get("withArchitecture")},
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
