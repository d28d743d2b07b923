"""A Zone on Hetzner Cloud alone: its locations play operators of their own, so that the rules of a Zone hold."""

from dataclasses import replace

import pulumi_hcloud as hcloud

import hdinfra as hd
from hdinfra.model.held import Held
from hdinfra.model.plan import ZonePlan
from hdinfra.model.planner import NOTHING_HELD, plan_zone
from hdinfra.model.regions import Catalogue, load_catalogue
from hdinfra.model.spec import Provider
from hdinfra.model.spec_file import parse_spec
from hdinfra.testing import Graph, Recorder
from tests.graph.specs import clock

SPEC = """
zone: europe
area: world
clusters:
  - {name: hf, provider: hetzner, region: fsn1, waivers: WAIVED}
  - {name: hn, provider: hetzner, region: nbg1, waivers: WAIVED}
snapshots: {every: day, keep: 7}
instances:
  - name: web
    capacity: 1
    volume_gib: 20
    tenants:
      - name: acme
        sites:
          - {host: shop.acme.test, origins: [{address: 192.0.2.7}]}
edge:
  places:
    - {name: east, provider: hetzner, waivers: WAIVED, region: hel1}
    - {name: west, provider: hetzner, waivers: WAIVED, region: ash}
control: {admin_networks: [203.0.113.0/24, "2001:db8:77::/48"]}
bundles: {url: "https://bundles.example.test/hdinfra"}
""".replace("WAIVED", "{disk-encryption: only logs lie there, volume-snapshots: only logs lie there}")
CROWD = SPEC.replace("capacity: 1\n", "capacity: 11\n")
"""Eleven Machines in each Cluster: one more than a placement group takes."""

TYPES = {
    f"hcloud:index/{class_.__name__[0].lower()}{class_.__name__[1:]}:{class_.__name__}": class_
    for class_ in (
        hcloud.Firewall,
        hcloud.Network,
        hcloud.NetworkSubnet,
        hcloud.PlacementGroup,
        hcloud.PrimaryIp,
        hcloud.Server,
        hcloud.ServerNetwork,
        hcloud.Volume,
        hcloud.VolumeAttachment,
    )
}
PROVIDER = "pulumi:providers:hcloud"
SERVER = "hcloud:index/server:Server"
FIREWALL = "hcloud:index/firewall:Firewall"
PRIMARY_IP = "hcloud:index/primaryIp:PrimaryIp"
VOLUME = "hcloud:index/volume:Volume"
ATTACHMENT = "hcloud:index/volumeAttachment:VolumeAttachment"


def many_operators() -> Catalogue:
    """The shipped tables, each of Hetzner's locations its own company."""
    shipped = load_catalogue()
    regions = {
        key: replace(region, operator=region.name) if key[0] is Provider.HETZNER else region
        for key, region in shipped.regions.items()
    }
    return replace(shipped, regions=regions)


def plan_of(text: str = SPEC, held: Held = NOTHING_HELD) -> ZonePlan:
    """The plan of a spec that is not refused."""
    return plan_zone(parse_spec(text, "test.yaml"), held, many_operators())


def declared(text: str = SPEC, record: Recorder | None = None, held: Held = NOTHING_HELD) -> Graph:
    """All that a spec declares."""
    plan = plan_of(text, held)
    return (record or Recorder())(lambda: hd.declare(plan, clock))
