"""A Zone on AWS alone, and what its provider would answer, for the tests of that adapter."""

import json
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Address
from typing import Any
from zlib import crc32

import yaml

import hdinfra as hd
from hdinfra.clouds.cloud import Scope
from hdinfra.components.cluster import Cluster, ClusterArgs
from hdinfra.model.plan import ZonePlan
from hdinfra.model.spec import Provider
from hdinfra.testing import Graph, Recorder, Registered
from tests.graph import cis
from tests.graph.clouds import plan_on
from tests.graph.specs import clock

SPEC = """
zone: europe
area: europe
snapshots: {every: day, keep: 7}
clusters:
  - {name: fra, provider: aws, region: eu-central-1}
  - {name: dub, provider: aws, region: eu-west-1}
instances:
  - name: web
    capacity: 2
    volume_gib: 20
    tenants: [{name: acme, sites: [{host: shop.acme.test, origins: [{address: 192.0.2.7}]}]}]
edge:
  places:
    - {name: par, provider: aws, region: eu-west-3}
    - {name: sto, provider: aws, region: eu-north-1}
control:
  admin_networks: [203.0.113.0/24, "2001:db8:ad::/48"]
"""
UNCOPIED = SPEC.replace("snapshots: {every: day, keep: 7}\n", "")
GROUNDS = ("fra", "dub", "par", "sto")
INSTANCE = "aws:ec2/instance:Instance"
PREFIX = {name: f"2a05:d01{number}:1234:5600::/56" for number, name in enumerate(GROUNDS)}
SCOPE = Scope("project", "stack", "project-stack", "europe")
IMAGES = {f"aws/{region}/amd64": "ami-held" for region in ("eu-central-1", "eu-west-1", "eu-west-3", "eu-north-1")}


def vpc(name: str, _: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "arn": f"arn:aws:ec2:eu-test-1:123456789012:vpc/{name}",
        "defaultNetworkAclId": f"{name}-acl-id",
        "ipv6CidrBlock": PREFIX[name.partition("-")[0]],
    }


def elastic(name: str, _: Mapping[str, Any]) -> dict[str, Any]:
    return {"publicIp": str(IPv4Address("198.18.0.0") + crc32(name.encode()) % 2**17)}


OUTPUTS = {
    "aws:ec2/vpc:Vpc": vpc,
    "aws:ec2/eip:Eip": elastic,
    "aws:cloudwatch/logGroup:LogGroup": lambda name, _: {
        "arn": f"arn:aws:logs:eu-test-1:123456789012:log-group:{name}"
    },
    "aws:s3/bucket:Bucket": lambda name, _: {"arn": f"arn:aws:s3:::{name}-id"},
}
INVOKES: Mapping[str, Any] = {"aws:ec2/getAmi:getAmi": lambda _: {"id": "ami-found"}}


def plan_of(text: str = SPEC, *, images: Mapping[str, str] = IMAGES) -> ZonePlan:
    plan = plan_on(Provider.AWS, text)
    return plan_on(Provider.AWS, text, plan.held.model_copy(update={"images": dict(images)}))


def declared(plan: ZonePlan, at: Callable[[], float] = clock, **settings: Any) -> Graph:
    return Recorder(outputs=OUTPUTS, invokes=INVOKES, **settings)(lambda: hd.declare(plan, at))


def of_aws(zone: Graph) -> tuple[Registered, ...]:
    return tuple(one for one in zone.resources if one.type.startswith("aws:"))


def instances(zone: Graph) -> dict[str, Registered]:
    return {one.name: one for one in zone.of_type(INSTANCE)}


def told(machine: Registered) -> dict[str, str]:
    config = yaml.load(cis.user_data(machine), Loader=yaml.CSafeLoader)
    return {file["path"]: file["content"] for file in config["write_files"]}


def statements(zone: Graph) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for one in of_aws(zone):
        for field in ("policy", "assumeRolePolicy"):
            if field in one.inputs:
                yield from ((one.name, field, each) for each in json.loads(one.inputs[field])["Statement"])


def clusters_alone(plan: ZonePlan) -> Graph:
    """Its Clusters without a Machine."""

    def program() -> None:
        for cluster in plan.clusters:
            Cluster(cluster.name, ClusterArgs(cluster, SCOPE))

    return Recorder(outputs=OUTPUTS)(program)
