"""What the CIS benchmarks ask of a graph, one function a row: names what breaks it, nothing where all is well.

Rows of the AWS Foundations Benchmark 7.0, as far as what a stack declares decides them.
"""

import base64
import gzip
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hdinfra.testing import Graph, Registered

Row = Callable[[Graph], list[str]]
ADMIN_PORTS = (22, 3389)
WORLD = {"0.0.0.0/0": 4, "::/0": 6}
ANY = ("-1", "all")
_KEY = re.compile(rb"\b(AKIA|ASIA)[0-9A-Z]{16}\b")


def roles_instead_of_keys(graph: Graph) -> list[str]:
    """2.16: instances that ask something of AWS have a role, none holds a key."""
    return [one.name for one in graph.of_type("aws:ec2/instance:Instance") if _KEY.search(user_data(one))]


def flow_logs(graph: Graph) -> list[str]:
    """4.7: every VPC logs its flows."""
    logged = {log.inputs.get("vpcId") for log in graph.of_type("aws:ec2/flowLog:FlowLog")}
    return [vpc.name for vpc in _networks(graph) if _id(vpc) not in logged]


def disks_encrypted(graph: Graph) -> list[str]:
    """6.1.1: whatever the account's default is, every volume is encrypted by itself."""
    volumes = [one.name for one in graph.of_type("aws:ebs/volume:Volume") if not one.inputs.get("encrypted")]
    return volumes + [
        one.name
        for one in graph.of_type("aws:ec2/instance:Instance")
        for disk in (one.inputs.get("rootBlockDevice", {}), *one.inputs.get("ebsBlockDevices", ()))
        if not disk.get("encrypted")
    ]


def access_lists(graph: Graph) -> list[str]:
    """6.2: no network access list lets the world in at a port of administration; the lowest number decides."""
    lists = [
        *graph.of_type("aws:ec2/networkAcl:NetworkAcl"),
        *graph.of_type("aws:ec2/defaultNetworkAcl:DefaultNetworkAcl"),
    ]
    kept = {one.inputs.get("defaultNetworkAclId") for one in lists}
    untouched = [vpc.name for vpc in _networks(graph) if f"{vpc.name}-acl-id" not in kept]
    return untouched + [
        one.name
        for one in lists
        for port in ADMIN_PORTS
        for world in WORLD
        for protocol in ("tcp", "udp")
        if _decided(one.inputs.get("ingress", ()), port, world, protocol) == "allow"
    ]


def groups_ipv4(graph: Graph) -> list[str]:
    """6.3: no security group lets the IPv4 world in at a port of administration."""
    return _open_groups(graph, 4)


def groups_ipv6(graph: Graph) -> list[str]:
    """6.4: nor the IPv6 world."""
    return _open_groups(graph, 6)


def default_groups(graph: Graph) -> list[str]:
    """6.5: every VPC's default security group is taken over, and lets nothing through."""
    groups = graph.of_type("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
    closed = {g.inputs.get("vpcId") for g in groups if not (g.inputs.get("ingress") or g.inputs.get("egress"))}
    return [vpc.name for vpc in _networks(graph) if _id(vpc) not in closed]


def metadata_tokens(graph: Graph) -> list[str]:
    """6.7: instances answer for their metadata with version 2 of the service alone."""
    instances = graph.of_type("aws:ec2/instance:Instance")
    return [one.name for one in instances if one.inputs.get("metadataOptions", {}).get("httpTokens") != "required"]


AWS: Mapping[str, Row] = {
    "2.16": roles_instead_of_keys,
    "4.7": flow_logs,
    "6.1.1": disks_encrypted,
    "6.2": access_lists,
    "6.3": groups_ipv4,
    "6.4": groups_ipv6,
    "6.5": default_groups,
    "6.7": metadata_tokens,
}


def inbound(graph: Graph) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Every rule of every security group that lets something in, inline or a resource of its own, alike."""
    for kind in ("securityGroup:SecurityGroup", "defaultSecurityGroup:DefaultSecurityGroup"):
        for group in graph.of_type(f"aws:ec2/{kind}"):
            yield from ((group.name, rule) for rule in group.inputs.get("ingress", ()))
    for one in graph.of_type("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"):
        given = one.inputs
        yield (
            one.name,
            {
                "protocol": given["ipProtocol"],
                "fromPort": given.get("fromPort", 0),
                "toPort": given.get("toPort", 65_535),
                "cidrBlocks": [given["cidrIpv4"]] if "cidrIpv4" in given else [],
                "ipv6CidrBlocks": [given["cidrIpv6"]] if "cidrIpv6" in given else [],
            },
        )


def open_to(rule: Mapping[str, Any]) -> set[int]:
    """The families whose whole world a rule names."""
    return {WORLD[block] for block in (*rule.get("cidrBlocks", ()), *rule.get("ipv6CidrBlocks", ())) if block in WORLD}


def custom_data(machine: Registered) -> bytes:
    """As a machine on Azure unpacks it."""
    return gzip.decompress(base64.b64decode(machine.inputs["osProfile"]["customData"]))


def user_data(instance: Registered) -> bytes:
    """As the machine unpacks it."""
    raw = base64.b64decode(instance.inputs.get("userDataBase64", ""))
    plain = str(instance.inputs.get("userData", "")).encode()
    return gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw or plain


def _open_groups(graph: Graph, family: int) -> list[str]:
    return [
        name
        for name, rule in inbound(graph)
        if family in open_to(rule) and any(_reaches(rule, port, ("tcp", "udp")) for port in ADMIN_PORTS)
    ]


def _reaches(rule: Mapping[str, Any], port: int, protocols: tuple[str, ...]) -> bool:
    everything = rule["protocol"] in ANY
    return everything or (rule["protocol"] in protocols and rule["fromPort"] <= port <= rule["toPort"])


def _decided(rules: Iterable[Mapping[str, Any]], port: int, world: str, protocol: str) -> str:
    for rule in sorted(rules, key=lambda rule: rule["ruleNo"]):
        if world in (rule.get("cidrBlock"), rule.get("ipv6CidrBlock")) and _reaches(rule, port, (protocol,)):
            return str(rule["action"])
    return "deny"


def _networks(graph: Graph) -> tuple[Registered, ...]:
    return graph.of_type("aws:ec2/vpc:Vpc")


def _id(resource: Registered) -> str:
    """What the recorder calls it."""
    return f"{resource.name}-id"
