"""A Zone on Google Cloud alone, and what its provider would answer, for the tests of that adapter."""

import base64
import gzip
import json
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from zlib import crc32

import yaml

import hdinfra as hd
from hdinfra.clouds.cloud import Scope
from hdinfra.components.cluster import Cluster, ClusterArgs
from hdinfra.model.plan import ZonePlan
from hdinfra.model.spec import Provider
from hdinfra.testing import Graph, Recorder, Registered
from tests.graph.clouds import plan_on
from tests.graph.specs import clock

SPEC = """
zone: europe
area: europe
snapshots: {every: day, keep: 7}
clusters:
  - {name: fra, provider: gcp, region: europe-west3, account: main}
  - {name: ams, provider: gcp, region: europe-west4, account: main}
instances:
  - name: web
    capacity: 2
    volume_gib: 20
    sizes: {gcp: n2-standard-2}
    tenants: [{name: acme, sites: [{host: shop.acme.test, origins: [{address: 192.0.2.7}]}]}]
edge:
  places:
    - {name: par, provider: gcp, region: europe-west9, account: main, machines: 2, load_balancer: true}
    - {name: mad, provider: gcp, region: europe-southwest1, account: main}
control:
  admin_networks: [203.0.113.0/24, "2001:db8:ad::/48"]
"""
UNCOPIED = SPEC.replace("snapshots: {every: day, keep: 7}\n", "")
GROUNDS = ("fra", "ams", "par", "mad")
REGIONS = dict(zip(GROUNDS, ("europe-west3", "europe-west4", "europe-west9", "europe-southwest1"), strict=True))
INSTANCE = "gcp:compute/instance:Instance"
FIREWALL = "gcp:compute/firewall:Firewall"
ADDRESS = "gcp:compute/address:Address"
DISK = "gcp:compute/disk:Disk"
SUBNET = "gcp:compute/subnetwork:Subnetwork"
POLICY = "gcp:compute/resourcePolicy:ResourcePolicy"
ATTACHMENT = "gcp:compute/diskResourcePolicyAttachment:DiskResourcePolicyAttachment"
SCOPE = Scope("project", "stack", "project-stack", "europe")
IMAGES = {f"gcp/{region}/amd64": "image-held" for region in REGIONS.values()}
KEY = "projects/acme/locations/europe/keyRings/hd/cryptoKeys/disks"
SETTINGS = {"project": "acme-edge", "kms_key": KEY}


def kept_address(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """IPv4 of RFC 2544; of IPv6 a /96 of RFC 3849, as Google writes it."""
    number = crc32(name.encode())
    if inputs.get("ipVersion") == "IPV6":
        return {"address": f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}:0:0:0:0"}
    return {"address": str(IPv4Address("198.18.0.0") + number % 2**17)}


def named(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What Pulumi would call it."""
    return {"name": inputs.get("name") or f"{name}-12345ab"}


OUTPUTS = {
    ADDRESS: kept_address,
    INSTANCE: lambda name, inputs: {**named(name, inputs), "instanceId": str(crc32(name.encode()))},
    DISK: named,
    POLICY: named,
    SUBNET: lambda name, _: {"externalIpv6Prefix": f"2600:1900:{crc32(name.encode()) & 0xFFFF:x}::/64"},
    "gcp:storage/bucket:Bucket": named,
}
INVOKES: dict[str, Any] = {"gcp:compute/getImage:getImage": lambda _: {"selfLink": "image-found"}}


def plan_of(text: str = SPEC, *, images: Mapping[str, str] = IMAGES) -> ZonePlan:
    """With these images held."""
    plan = plan_on(Provider.GCP, text)
    return plan_on(Provider.GCP, text, plan.held.model_copy(update={"images": dict(images)}))


def recorder(**settings: Any) -> Recorder:
    """With an account, and with what Google would answer."""
    config = {"hdinfra:account-main": json.dumps(SETTINGS)}
    return Recorder(outputs=OUTPUTS, invokes=INVOKES, config=config, **settings)


def declared(plan: ZonePlan, at: Callable[[], float] = clock) -> Graph:
    return recorder()(lambda: hd.declare(plan, at))


def clusters_alone(plan: ZonePlan) -> Graph:
    """Its Clusters without a Machine."""

    def program() -> None:
        for cluster in plan.clusters:
            Cluster(cluster.name, ClusterArgs(cluster, SCOPE))

    return recorder()(program)


def of_gcp(zone: Graph) -> tuple[Registered, ...]:
    return tuple(one for one in zone.resources if one.type.startswith("gcp:"))


def instances(zone: Graph) -> dict[str, Registered]:
    return {one.name: one for one in zone.of_type(INSTANCE)}


def told(machine: Registered) -> dict[str, str]:
    """The files of its user data."""
    text = gzip.decompress(base64.b64decode(machine.inputs["metadata"]["user-data"], validate=True))
    return {file["path"]: file["content"] for file in yaml.load(text, Loader=yaml.CSafeLoader)["write_files"]}


def same(address: str, other: str) -> bool:
    """However it is written."""
    return IPv6Address(address) == IPv6Address(other)
