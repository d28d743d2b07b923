"""A NodeBalancer before two edge Machines of one place."""

from typing import Any

import pulumi_linode as linode
import pytest

from hdinfra.clouds.linode_balancer import PORTS
from hdinfra.testing import Graph, Registered, wrong_inputs
from hdinfra.testing.linode import LINODE
from tests.graph.linode_zone import FIREWALL, RESERVED_IP, SPEC, SUBNET, TYPES, declared, plan_of
from tests.graph.rules_linode import broken, opened, rules_of, who

BALANCER = "linode:index/nodeBalancer:NodeBalancer"
CONFIG = "linode:index/nodeBalancerConfig:NodeBalancerConfig"
NODE = "linode:index/nodeBalancerNode:NodeBalancerNode"
BALANCED = SPEC.replace("region: ap-west}", "region: ap-west, machines: 2, load_balancer: true}")
ALL: dict[str, Any] = {
    **TYPES,
    BALANCER: linode.NodeBalancer,
    CONFIG: linode.NodeBalancerConfig,
    NODE: linode.NodeBalancerNode,
}


@pytest.fixture(scope="module")
def zone() -> Graph:
    return declared(BALANCED)


def config_of(graph: Graph, port: int) -> Registered:
    return graph.named(f"west-edge-balancer-{port}", CONFIG)


def test_it_keeps_every_rule_and_the_sdks_types(zone: Graph) -> None:
    assert {made.type for made in zone.resources if "linode" in made.type} == ALL.keys()
    assert (wrong_inputs(zone, ALL), zone.duplicates(), zone.orphans()) == ((), frozenset(), ())
    # Machines behind a NodeBalancer let in its own range alone, which is IPv4: visitors of both families reach that.
    assert broken(zone) == {("firewall.families", "west-edge-firewall")}
    assert zone.without_provider() == ()


def test_it_stands_in_the_places_network_with_a_kept_address(zone: Graph) -> None:
    made = zone.named("west-edge-balancer", BALANCER)
    subnet = LINODE[SUBNET]("west-network-subnet", {})
    (vpc,) = made.inputs["vpcs"]
    prefix = next(place for place in plan_of(BALANCED).edge.places if place.name == "west").prefixes.ipv4
    last = str(list(prefix.subnets(new_prefix=24))[-1])
    assert vpc == {"subnetId": int(subnet["id"]), "ipv4Range": last}
    assert made.request.deleteBeforeReplace and made.request.deleteBeforeReplaceDefined
    assert made.inputs["ipv4"] == LINODE[RESERVED_IP]("west-edge-balancer-ipv4", {})["address"]
    assert made.inputs["firewallId"] == int(LINODE[FIREWALL]("west-edge-balancer-firewall", {})["id"])


def test_each_port_goes_to_each_machine_behind_a_header(zone: Graph) -> None:
    plan = plan_of(BALANCED)
    machines = {machine.name: machine for machine in plan.edge.machines if machine.place == "west"}
    assert set(machines) == {"west-edge", "west-edge-2"}
    for port in PORTS:
        config = config_of(zone, port).inputs
        assert (config["port"], config["protocol"], config["proxyProtocol"]) == (port, "tcp", "v2")
        nodes = {n.name: n.inputs for n in zone.of_type(NODE) if n.name.startswith(f"west-edge-balancer-{port}-")}
        assert {(node["address"], node["mode"]) for node in nodes.values()} == {
            (f"{machine.private.ipv4}:{port}", "accept") for machine in machines.values()
        }


def test_health_is_asked_over_http_where_it_can_be(zone: Graph) -> None:
    plain, tls = config_of(zone, 80).inputs, config_of(zone, 443).inputs
    assert (plain["check"], plain["checkPath"], plain["checkPassive"]) == ("http", "/healthz", False)
    assert tls["check"] == "connection" and "checkPath" not in tls
    for config in (plain, tls):
        assert (config["checkInterval"], config["checkTimeout"], config["checkAttempts"]) == (5, 3, 2)


def test_the_world_comes_to_the_balancer_and_it_alone_to_the_machines(zone: Graph) -> None:
    (rule,) = rules_of(zone.named("west-edge-balancer-firewall", FIREWALL))
    assert (opened(rule), set(who(rule))) == ({("TCP", "80"), ("TCP", "443")}, {"0.0.0.0/0", "::/0"})
    network = zone.named("west-network-subnet").inputs["ipv4"]
    inner = [rule for rule in rules_of(zone.named("west-edge-firewall"), "inbounds") if rule["protocol"] == "TCP"]
    assert {port for rule in inner for _, port in opened(rule)} == {"80", "443"}
    assert {address for rule in inner for address in who(rule)} == {network}
