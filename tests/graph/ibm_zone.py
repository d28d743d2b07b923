"""A Zone on IBM Cloud alone: its regions play operators of their own, so that the rules of a Zone hold."""

from dataclasses import replace
from typing import Any

import hdinfra as hd
from hdinfra.model.held import Held
from hdinfra.model.plan import ZonePlan
from hdinfra.model.planner import NOTHING_HELD
from hdinfra.model.spec import Provider
from hdinfra.sdks import ibm
from hdinfra.sdks.ibm.package import IbmResource
from hdinfra.testing import Graph, Recorder
from tests.graph.answers import INVOKES, OUTPUTS
from tests.graph.clouds import plan_on
from tests.graph.specs import clock

WAIVED = "{ipv6: users of this test have IPv4, balancer-ipv6: users of this test have IPv4}"
SPEC = f"""
zone: europe
area: world
clusters:
  - {{name: fra, provider: ibm, region: eu-de, waivers: {WAIVED}}}
  - {{name: lon, provider: ibm, region: eu-gb, waivers: {WAIVED}}}
snapshots: {{every: day, keep: 7}}
instances:
  - name: web
    capacity: 2
    tenants:
      - name: acme
        sites:
          - {{host: shop.acme.test, origins: [{{address: 192.0.2.7}}]}}
edge:
  places:
    - {{name: mad, provider: ibm, region: eu-es, waivers: {WAIVED}}}
    - {{name: tor, provider: ibm, region: ca-tor, waivers: {WAIVED}, load_balancer: true}}
control: {{admin_networks: [203.0.113.0/24, "2001:db8:77::/48"]}}
bundles: {{url: "https://bundles.example.test/hdinfra"}}
"""
CROWD = SPEC.replace("capacity: 2\n", "capacity: 13\n")
"""Thirteen Machines in each Cluster: one more than a placement group takes."""

PROVIDER = "pulumi:providers:ibm"
CLASSES: dict[str, type[Any]] = {
    class_.token(): class_
    for class_ in map(ibm.__dict__.get, ibm.__all__)
    if isinstance(class_, type) and issubclass(class_, IbmResource)
}
INSTANCE, RULE, GROUP = ibm.IsInstance.token(), ibm.IsSecurityGroupRule.token(), ibm.IsSecurityGroup.token()
INTERFACE, PLACEMENT = ibm.IsVirtualNetworkInterface.token(), ibm.IsPlacementGroup.token()
VPC, SUBNET, ACL = ibm.IsVpc.token(), ibm.IsSubnet.token(), ibm.IsNetworkAcl.token()
FLOATING_IP, POOL, BALANCER = ibm.IsFloatingIp.token(), ibm.IsLbPool.token(), ibm.IsLb.token()
PLAN = ibm.IsBackupPolicyPlan.token()


def plan_of(text: str = SPEC, held: Held = NOTHING_HELD) -> ZonePlan:
    """The plan of a spec that is not refused."""
    return plan_on(Provider.IBM, text, held)


def recorder(**more: Any) -> Recorder:
    """With what IBM Cloud answers."""
    return Recorder(outputs=OUTPUTS, invokes=INVOKES, **more)


def declared(text: str = SPEC, record: Recorder | None = None, held: Held = NOTHING_HELD) -> Graph:
    """All that a spec declares."""
    plan = plan_of(text, held)
    return (record or recorder())(lambda: hd.declare(plan, clock))


def changed(graph: Graph, name: str, **inputs: Any) -> Graph:
    """The same graph, but for some inputs of one resource."""
    resources = [replace(r, inputs={**r.inputs, **inputs}) if r.name == name else r for r in graph.resources]
    return replace(graph, resources=tuple(resources))
