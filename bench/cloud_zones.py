"""Zones of about three hundred resources on one cloud alone, and what its provider would answer.

One provider is one operator, and no legal Zone lies on one: here each region plays an operator of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import hdinfra as hd
from hdinfra.model import planner
from hdinfra.model.regions import Catalogue, load_catalogue
from hdinfra.model.spec import Provider
from hdinfra.model.spec_file import parse_spec
from hdinfra.testing import Graph, Recorder
from hdinfra.testing.hetzner import HETZNER, HETZNER_INVOKES
from hdinfra.testing.linode import LINODE
from hdinfra.testing.monitor import Outputs
from hdinfra.testing.recorder import CONTROL_PLANE

_WAIVED = "{disk-encryption: of a benchmark, spread: of a benchmark, volume-snapshots: of a benchmark}"
_SPEC = """\
zone: wide
area: world
{more}
clusters:
  - {{name: one, provider: {provider}, region: {regions[0]}, waivers: {waived}}}
  - {{name: two, provider: {provider}, region: {regions[1]}, waivers: {waived}}}
instances:
  - name: web
    capacity: {capacity}
    memory_mib: 2048
    volume_gib: 20
    tenants: [{{name: acme, sites: [{{host: shop.acme.test, origins: [{{address: 192.0.2.7}}]}}]}}]
edge:
  places:
    - {{name: near, provider: {provider}, region: {regions[2]}, waivers: {waived}}}
    - {{name: far, provider: {provider}, region: {regions[3]}, waivers: {waived}}}
control:
  admin_networks: [203.0.113.0/24, "2001:db8:ad::/48"]
"""


@dataclass(frozen=True)
class CloudZone:
    """`capacity` Machines in each of two Clusters; `package` and `module` are the engine's and Python's SDK names.
    `plugin`: what the package is made of, where it has no plugin of its own."""

    provider: Provider
    package: str
    module: str
    regions: tuple[str, str, str, str]
    capacity: int
    outputs: Mapping[str, Outputs]
    invokes: Mapping[str, Mapping[str, Any]]
    more: str = ""
    waived: str = _WAIVED
    plugin: str = ""

    @property
    def plugins(self) -> set[str]:
        """The executables that the engine starts: the control plane's, and the package's or what that is made of."""
        return {"hdpolicy", self.plugin or self.package}

    @property
    def spec(self) -> str:
        """As a user would write it."""
        return _SPEC.format(
            more=self.more,
            provider=self.provider.value,
            regions=self.regions,
            waived=self.waived,
            capacity=self.capacity,
        )

    @property
    def answers(self) -> Mapping[str, Outputs]:
        """What all providers of such a Zone add to the inputs."""
        return {**CONTROL_PLANE, **self.outputs}

    def graph(self) -> Graph:
        """All that our program registers."""
        let_regions_be_operators()
        plan = hd.planned(parse_spec(self.spec, "bench.yaml"))
        invokes = {token: (lambda _, answer=answer: answer) for token, answer in self.invokes.items()}
        record = Recorder(project="hdinfra", stack="bench", outputs=self.answers, invokes=invokes)
        return record(lambda: hd.declare(plan))


def let_regions_be_operators() -> None:
    """For all that this process plans."""
    planner.catalogue_of = _of_many_operators  # type: ignore[assignment]


def _of_many_operators(spec: Any) -> Catalogue:
    named = {cluster.provider for cluster in spec.clusters}
    shipped = load_catalogue(frozenset({*named, Provider.LOCAL}))
    regions = {key: replace(one, operator=f"{one.operator}-{one.name}") for key, one in shipped.regions.items()}
    return replace(shipped, regions=regions)


def _vpc(name: str, _: Mapping[str, Any]) -> dict[str, Any]:
    prefix = f"2a05:d0{crc32(name.encode()) % 256:02x}:1234:5600::/56"
    arn = f"arn:aws:ec2:eu-test-1:123456789012:vpc/{name}"
    return {"arn": arn, "defaultNetworkAclId": f"{name}-acl", "ipv6CidrBlock": prefix}


def _address(name: str) -> str:
    number = crc32(name.encode())
    return f"198.{18 + number % 2}.{number >> 8 & 255}.{number >> 16 & 255}"


def _ipv6(name: str) -> str:
    return f"2001:db8::{crc32(name.encode()) & 0xFFFF:x}"


_AWS: Mapping[str, Outputs] = {
    "aws:ec2/vpc:Vpc": _vpc,
    "aws:ec2/eip:Eip": lambda name, _: {"publicIp": _address(name)},
    "aws:cloudwatch/logGroup:LogGroup": lambda name, _: {"arn": f"arn:aws:logs:eu-test-1:123456789012:group:{name}"},
    "aws:iam/role:Role": lambda name, _: {"arn": f"arn:aws:iam::123456789012:role/{name}"},
    "aws:s3/bucket:Bucket": lambda name, _: {"arn": f"arn:aws:s3:::{name}"},
}
_AZURE: Mapping[str, Outputs] = {
    "azure-native:compute:VirtualMachine": lambda name, inputs: {
        "vmId": name,
        "storageProfile": {
            **inputs["storageProfile"],
            "imageReference": {**inputs["storageProfile"]["imageReference"], "exactVersion": "0.20261123.2305"},
        },
    },
    "azure-native:network:PublicIPAddress": lambda name, inputs: {
        "ipAddress": _address(name) if inputs["publicIPAddressVersion"] == "IPv4" else _ipv6(name)
    },
    "azure-native:resources:ResourceGroup": lambda name, _: {"name": f"{name}12345abc"},
    "azure-native:storage:StorageAccount": lambda _, inputs: {"name": inputs["accountName"]},
}
_DIGITALOCEAN: Mapping[str, Outputs] = {
    "digitalocean:index/droplet:Droplet": lambda name, _: {"id": str(crc32(name.encode()))},
    "digitalocean:index/reservedIp:ReservedIp": lambda name, _: {"ipAddress": _address(name)},
    "digitalocean:index/reservedIpv6:ReservedIpv6": lambda name, _: {"ip": _ipv6(name)},
    "digitalocean:index/tag:Tag": lambda name, _: {"name": f"{name}-12345ab"},
    "digitalocean:index/volume:Volume": lambda name, _: {"name": f"{name}-12345ab"},
    "digitalocean:index/spacesBucket:SpacesBucket": lambda name, _: {
        "name": f"{name}-12345ab",
        "bucketDomainName": f"{name}-12345ab.ams3.digitaloceanspaces.com",
    },
}
_GCP: Mapping[str, Outputs] = {
    "gcp:compute/address:Address": lambda name, inputs: {
        "address": _ipv6(name) if inputs.get("ipVersion") == "IPV6" else _address(name)
    },
    "gcp:compute/disk:Disk": lambda name, _: {"name": f"{name}-12345ab"},
    "gcp:compute/instance:Instance": lambda name, _: {
        "name": f"{name}-12345ab",
        "instanceId": str(crc32(name.encode())),
    },
    "gcp:compute/resourcePolicy:ResourcePolicy": lambda name, _: {"name": f"{name}-12345ab"},
    "gcp:compute/subnetwork:Subnetwork": lambda name, _: {"externalIpv6Prefix": f"{_ipv6(name)}/64"},
    "gcp:storage/bucket:Bucket": lambda name, _: {"name": f"{name}-12345ab"},
}

_IBM: Mapping[str, Outputs] = {
    "ibm:index/isFloatingIp:IsFloatingIp": lambda name, _: {"address": _address(name)},
}
_DEBIAN = {"id": "r010-found", "name": "ibm-debian-13-1-minimal-amd64-1", "architecture": "amd64"}

ZONES = (
    CloudZone(
        Provider.AWS,
        "aws",
        "pulumi_aws",
        ("eu-central-1", "eu-west-1", "eu-west-3", "eu-north-1"),
        13,
        _AWS,
        {"aws:ec2/getAmi:getAmi": {"id": "ami-found"}},
        more="snapshots: {every: day, keep: 7}",
        waived="{}",
    ),
    CloudZone(
        Provider.AZURE,
        "azure-native",
        "pulumi_azure_native",
        ("westeurope", "northeurope", "germanywestcentral", "swedencentral"),
        21,
        _AZURE,
        {},
        waived="{}",
    ),
    CloudZone(
        Provider.DIGITALOCEAN,
        "digitalocean",
        "pulumi_digitalocean",
        ("fra1", "ams3", "lon1", "nyc1"),
        17,
        _DIGITALOCEAN,
        {"digitalocean:index/getImage:getImage": {"id": 196578, "slug": "debian-13-x64"}},
    ),
    CloudZone(
        Provider.GCP,
        "gcp",
        "pulumi_gcp",
        ("europe-west3", "europe-west4", "europe-west9", "europe-southwest1"),
        15,
        _GCP,
        {"gcp:compute/getImage:getImage": {"selfLink": "image-found"}},
        more="snapshots: {every: day, keep: 7}",
        waived="{}",
    ),
    CloudZone(
        Provider.HETZNER,
        "hcloud",
        "pulumi_hcloud",
        ("fsn1", "nbg1", "hel1", "ash"),
        20,
        HETZNER,
        {token: answer({}) for token, answer in HETZNER_INVOKES.items()},
        more='bundles: {url: "https://bundles.example.test/hdinfra"}',
    ),
    CloudZone(
        Provider.IBM,
        "ibm",
        "hdinfra.sdks.ibm",
        ("eu-de", "eu-gb", "eu-es", "ca-tor"),
        13,
        _IBM,
        {"ibm:index/getIsImages:getIsImages": {"images": [_DEBIAN]}},
        more='bundles: {url: "https://bundles.example.test/hdinfra"}',
        waived="{ipv6: of a benchmark, volumes: of a benchmark}",
        plugin="terraform-provider",
    ),
    CloudZone(
        Provider.LINODE,
        "linode",
        "pulumi_linode",
        ("de-fra-2", "nl-ams", "se-sto", "it-mil"),
        38,
        LINODE,
        {},
    ),
)
