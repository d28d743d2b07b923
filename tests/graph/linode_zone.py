"""A Zone on Linode alone: its regions play operators of their own, so that the rules of a Zone hold."""

from typing import Any

import pulumi_linode as linode

import hdinfra as hd
from hdinfra.model.held import Held
from hdinfra.model.plan import ZonePlan
from hdinfra.model.planner import NOTHING_HELD
from hdinfra.model.spec import Provider
from hdinfra.testing import Graph, Recorder
from tests.graph.clouds import plan_on
from tests.graph.specs import clock

SPEC = """
zone: india
area: india
clusters:
  - {name: maa, provider: linode, region: in-maa, waivers: {volume-snapshots: nothing but logs lies there}}
  - {name: bom, provider: linode, region: in-bom-2, waivers: {volume-snapshots: nothing but logs lies there}}
snapshots: {every: week, keep: 2}
instances:
  - name: web
    capacity: 1
    volume_gib: 20
    tenants: [{name: acme, sites: [{host: shop.acme.test, origins: [{address: 192.0.2.7}]}]}]
edge:
  places:
    - {name: west, provider: linode, region: ap-west}
    - {name: south, provider: linode, region: in-maa}
control: {admin_networks: [203.0.113.0/24, "2001:db8:77::/48"]}
"""
CROWD = SPEC.replace("capacity: 1\n", "capacity: 6\n")
"""Six Machines in each Cluster: one more than a placement group takes."""

PROVIDER = "pulumi:providers:linode"
BUCKET = "linode:index/objectStorageBucket:ObjectStorageBucket"
FIREWALL = "linode:index/firewall:Firewall"
INSTANCE = "linode:index/instance:Instance"
OBJECT = "linode:index/objectStorageObject:ObjectStorageObject"
RESERVED_IP = "linode:index/reservedIp:ReservedIp"
SUBNET = "linode:index/vpcSubnet:VpcSubnet"
VOLUME = "linode:index/volume:Volume"
TYPES: dict[str, Any] = {
    PROVIDER: linode.Provider,
    BUCKET: linode.ObjectStorageBucket,
    FIREWALL: linode.Firewall,
    INSTANCE: linode.Instance,
    OBJECT: linode.ObjectStorageObject,
    "linode:index/placementGroup:PlacementGroup": linode.PlacementGroup,
    RESERVED_IP: linode.ReservedIp,
    VOLUME: linode.Volume,
    "linode:index/vpc:Vpc": linode.Vpc,
    SUBNET: linode.VpcSubnet,
}


def plan_of(text: str = SPEC, held: Held = NOTHING_HELD) -> ZonePlan:
    """The plan of a spec that is not refused."""
    return plan_on(Provider.LINODE, text, held)


def declared(text: str = SPEC, record: Recorder | None = None, held: Held = NOTHING_HELD) -> Graph:
    """All that a spec declares."""
    plan = plan_of(text, held)
    return (record or Recorder())(lambda: hd.declare(plan, clock))
