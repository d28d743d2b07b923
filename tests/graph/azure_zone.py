"""A Zone on Azure alone, and what its provider would answer, for the tests of that adapter."""

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from typing import Any
from zlib import crc32

import yaml

import hdinfra as hd
from hdinfra.clouds.cloud import Scope
from hdinfra.model.plan import ZonePlan
from hdinfra.model.spec import Provider
from hdinfra.testing import Graph, Recorder, Registered
from tests.graph import cis
from tests.graph.clouds import plan_on
from tests.graph.specs import clock

SPEC = """
zone: europe
area: europe
clusters:
  - {name: ams, provider: azure, region: westeurope}
  - {name: dub, provider: azure, region: northeurope}
instances:
  - name: web
    capacity: 2
    volume_gib: 20
    tenants: [{name: acme, sites: [{host: shop.acme.test, origins: [{address: 192.0.2.7}]}]}]
edge:
  places:
    - {name: fra, provider: azure, region: germanywestcentral, machines: 2, load_balancer: true}
    - {name: cdf, provider: azure, region: ukwest}
control:
  admin_networks: [203.0.113.0/24, "2001:db8:ad::/48"]
"""
GROUNDS = ("ams", "dub", "fra", "cdf")
"""The last one's region has no availability zones."""
MACHINE = "azure-native:compute:VirtualMachine"
SCOPE = Scope("project", "stack", "project-stack", "europe")
IMAGES = {
    f"azure/{region}/amd64": "0.20260101.1" for region in ("westeurope", "northeurope", "germanywestcentral", "ukwest")
}
SUBSCRIPTION = "/subscriptions/5ca1ab1e"


def public_address(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    number = crc32(name.encode())
    ipv6 = f"2001:db8::{number >> 16:x}:{number & 0xFFFF:x}"
    ipv4 = str(IPv4Address("198.18.0.0") + number % 2**17)
    return {"ipAddress": ipv4 if inputs["publicIPAddressVersion"] == "IPv4" else ipv6}


def virtual_machine(name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    profile = inputs["storageProfile"]
    found = {**profile["imageReference"], "exactVersion": "0.20261123.2305"}
    return {"vmId": f"{name}-guid", "storageProfile": {**profile, "imageReference": found}}


OUTPUTS = {
    "azure-native:compute:VirtualMachine": virtual_machine,
    "azure-native:network:PublicIPAddress": public_address,
    "azure-native:resources:ResourceGroup": lambda name, _: {
        "id": f"{SUBSCRIPTION}/resourceGroups/{name}1234",
        "name": f"{name}1234",
    },
    "azure-native:storage:StorageAccount": lambda _, inputs: {"name": inputs["accountName"]},
}


def plan_of(text: str = SPEC, *, images: Mapping[str, str] = IMAGES) -> ZonePlan:
    plan = plan_on(Provider.AZURE, text)
    return plan_on(Provider.AZURE, text, plan.held.model_copy(update={"images": dict(images)}))


def declared(plan: ZonePlan, at: Callable[[], float] = clock, **settings: Any) -> Graph:
    return Recorder(outputs=OUTPUTS, **settings)(lambda: hd.declare(plan, at))


def of_azure(zone: Graph) -> tuple[Registered, ...]:
    return tuple(one for one in zone.resources if one.type.startswith("azure-native:"))


def machines(zone: Graph) -> dict[str, Registered]:
    return {one.name: one for one in zone.of_type(MACHINE)}


def told(machine: Registered) -> dict[str, str]:
    config = yaml.load(cis.custom_data(machine), Loader=yaml.CSafeLoader)
    return {file["path"]: file["content"] for file in config["write_files"]}


def rules_of(zone: Graph, name: str, direction: str) -> list[dict[str, Any]]:
    """A security group's, as Azure goes through them."""
    rules = zone.named(name, "azure-native:network:NetworkSecurityGroup").inputs["securityRules"]
    return sorted((rule for rule in rules if rule["direction"] == direction), key=lambda rule: rule["priority"])
