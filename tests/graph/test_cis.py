"""Every row of the CIS benchmarks that applies holds, and sees what breaks it."""

from typing import Any

import pytest

from hdinfra.testing import Graph, Registered
from tests.graph import cis
from tests.graph.aws_zone import (
    INSTANCE,
)
from tests.graph.clouds import graph_of, registered

# CIS rows


@pytest.mark.parametrize("row", cis.AWS)
def test_cis_row_holds(aws_zone: Graph, row: str) -> None:
    assert cis.AWS[row](aws_zone) == []


def broken(name: str, *also: Registered, **inputs: Any) -> Graph:
    """A VPC that is as it should be, and beside it this."""
    types = {"instance": INSTANCE, "volume": "aws:ebs/volume:Volume", "group": "aws:ec2/securityGroup:SecurityGroup"}
    return graph_of([*also, registered(types[name], name, inputs)])


VPC = registered("aws:ec2/vpc:Vpc", "net", {})
DISK = {"rootBlockDevice": {"encrypted": True}, "metadataOptions": {"httpTokens": "required"}}
SSH = {"protocol": "tcp", "fromPort": 20, "toPort": 30}
ACL = "aws:ec2/defaultNetworkAcl:DefaultNetworkAcl"
ALLOW = {"ruleNo": 100, "action": "allow", "protocol": "-1", "fromPort": 0, "toPort": 0}
DEFAULT = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
RDP = {"ipProtocol": "-1", "cidrIpv6": "::/0"}
BROKEN: list[tuple[str, Graph, str]] = [
    ("2.16", broken("instance", userDataBase64="QUtJQUlPU0ZPRE5ON0VYQU1QTEU="), "instance"),
    ("4.7", graph_of([VPC]), "net"),
    ("4.7", graph_of([VPC, registered("aws:ec2/flowLog:FlowLog", "log", {"vpcId": "other-id"})]), "net"),
    ("6.1.1", broken("volume", size=20), "volume"),
    ("6.1.1", broken("volume", size=20, encrypted=False), "volume"),
    ("6.1.1", broken("instance"), "instance"),
    ("6.1.1", broken("instance", **DISK, ebsBlockDevices=[{"deviceName": "/dev/sdf"}]), "instance"),
    ("6.2", graph_of([VPC]), "net"),
    (
        "6.2",
        graph_of([registered(ACL, "acl", {"ingress": [{**ALLOW, "cidrBlock": "0.0.0.0/0"}]})]),
        "acl",
    ),
    (
        "6.2",
        graph_of([registered(ACL, "acl", {"ingress": [{**ALLOW, "ipv6CidrBlock": "::/0"}]})]),
        "acl",
    ),
    ("6.3", broken("group", ingress=[{**SSH, "cidrBlocks": ["0.0.0.0/0"]}]), "group"),
    (
        "6.3",
        graph_of(
            [registered(RULE, "rule", {"ipProtocol": "tcp", "cidrIpv4": "0.0.0.0/0", "fromPort": 3389, "toPort": 3389})]
        ),
        "rule",
    ),
    ("6.4", broken("group", ingress=[{**SSH, "ipv6CidrBlocks": ["::/0"]}]), "group"),
    ("6.4", graph_of([registered(RULE, "rule", RDP)]), "rule"),
    ("6.5", graph_of([VPC]), "net"),
    ("6.5", graph_of([VPC, registered(DEFAULT, "own", {"vpcId": "net-id", "egress": [ALLOW]})]), "net"),
    ("6.7", broken("instance"), "instance"),
    ("6.7", broken("instance", metadataOptions={"httpTokens": "optional"}), "instance"),
]


@pytest.mark.parametrize(("row", "graph", "name"), BROKEN, ids=[f"{row}-{i}" for i, (row, *_) in enumerate(BROKEN)])
def test_cis_row_sees_what_breaks_it(row: str, graph: Graph, name: str) -> None:
    assert set(cis.AWS[row](graph)) == {name}


def test_every_cis_row_has_something_that_breaks_it() -> None:
    assert {row for row, *_ in BROKEN} == set(cis.AWS)
