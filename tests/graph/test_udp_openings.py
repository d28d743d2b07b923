"""What a Machine's firewall lets through by UDP, every cloud's firewall lets through too, and for nobody else."""

from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest

from hdinfra.clouds.aws import AwsCloud
from hdinfra.clouds.azure import AzureCloud
from hdinfra.clouds.azure_network import AzureNetwork
from hdinfra.clouds.cloud import Cloud, Ground, NetworkHandle, Scope
from hdinfra.clouds.digitalocean import DigitalOceanCloud
from hdinfra.clouds.gcp import GcpCloud
from hdinfra.clouds.hetzner import HetznerCloud
from hdinfra.clouds.ibm import IbmCloud
from hdinfra.clouds.linode import LinodeCloud
from hdinfra.components.ground import openings_of
from hdinfra.machine.machine import Firewall
from hdinfra.model.plan import ClusterPlan, Prefixes
from hdinfra.model.spec import Provider
from hdinfra.testing import Graph, Recorder

PEERS = ["192.0.2.7", "2001:db8::7"]
NETWORKS = {"192.0.2.7/32", "2001:db8::7/128"}
WORLD = {"0.0.0.0/0", "::/0"}
Let = set[tuple[str, str, str]]
"""Protocol, port and network."""


def of_aws(inputs: Mapping[str, Any], key: str) -> Let:
    return {
        (rule["protocol"], str(rule["toPort"]), block)
        for rule in inputs["ingress" if key == "in" else "egress"]
        for block in (*rule.get("cidrBlocks", ()), *rule.get("ipv6CidrBlocks", ()))
    }


def of_digitalocean(inputs: Mapping[str, Any], key: str) -> Let:
    rules, side = ("inboundRules", "sourceAddresses") if key == "in" else ("outboundRules", "destinationAddresses")
    whole = {"192.0.2.7": "192.0.2.7/32", "2001:db8::7": "2001:db8::7/128"}
    return {
        (rule["protocol"], rule.get("portRange", ""), whole.get(who, who))
        for rule in inputs[rules]
        for who in rule[side]
    }


def of_hetzner(inputs: Mapping[str, Any], key: str) -> Let:
    side = "sourceIps" if key == "in" else "destinationIps"
    return {
        (rule["protocol"], rule.get("port", ""), who)
        for rule in inputs["rules"]
        if rule["direction"] == key
        for who in rule[side]
    }


def of_linode(inputs: Mapping[str, Any], key: str) -> Let:
    return {
        (rule["protocol"].lower(), port, who)
        for rule in inputs["inbounds" if key == "in" else "outbounds"]
        for port in rule.get("ports", "").split(",")
        for who in (*rule.get("ipv4s", ()), *rule.get("ipv6s", ()))
    }


def of_azure(inputs: Mapping[str, Any], key: str) -> Let:
    side, direction = ("source", "Inbound") if key == "in" else ("destination", "Outbound")
    return {
        (rule["protocol"].lower(), port, who)
        for rule in inputs["securityRules"]
        if (rule["access"], rule["direction"]) == ("Allow", direction)
        for port in rule.get("destinationPortRanges", [rule.get("destinationPortRange")])
        for address in rule.get(f"{side}AddressPrefixes", [rule.get(f"{side}AddressPrefix")])
        for who in (WORLD if address == "*" else {address})
    }


def of_gcp(graph: Graph, key: str) -> Let:
    direction, ranges = ("INGRESS", "sourceRanges") if key == "in" else ("EGRESS", "destinationRanges")
    return {
        (allowed["protocol"], port, who)
        for rule in graph.of_type("gcp:compute/firewall:Firewall")
        if rule.inputs["direction"] == direction and not rule.inputs.get("disabled")
        for allowed in rule.inputs["allows"]
        for port in allowed.get("ports", [""])
        for who in rule.inputs[ranges]
    }


def of_ibm(graph: Graph, key: str) -> Let:
    return {
        (
            rule.inputs["protocol"],
            str(int(rule.inputs.get("portMin", 0))),
            {"192.0.2.7": "192.0.2.7/32"}.get(remote, remote),
        )
        for rule in graph.of_type("ibm:index/isSecurityGroupRule:IsSecurityGroupRule")
        if rule.inputs["direction"] == f"{key}bound"
        for remote in [rule.inputs["remote"]]
    }


def of_one(read: Callable[[Mapping[str, Any], str], Let]) -> "Reader":
    """Of a cloud whose firewall is one resource."""
    return lambda graph, key: read(graph.named("fra-web-firewall").inputs, key)


Reader = Callable[[Graph, str], Let]
CLOUDS: dict[Provider, tuple[Cloud, Reader]] = {
    Provider.AWS: (AwsCloud(), of_one(of_aws)),
    Provider.AZURE: (AzureCloud(), of_one(of_azure)),
    Provider.DIGITALOCEAN: (DigitalOceanCloud(), of_one(of_digitalocean)),
    Provider.GCP: (GcpCloud(), of_gcp),
    Provider.HETZNER: (HetznerCloud(), of_one(of_hetzner)),
    Provider.IBM: (IbmCloud(), of_ibm),
    Provider.LINODE: (LinodeCloud(), of_one(of_linode)),
}
every_cloud = pytest.mark.parametrize("provider", CLOUDS)


def declared(provider: Provider, firewall: Firewall, name: str) -> Graph:
    """The cloud's own firewall; in the set of that name are the peers."""
    cloud = CLOUDS[provider][0]
    prefixes = Prefixes(IPv4Network("10.66.0.0/21"), IPv6Network("fd00:0:0:1::/64"))
    region = {Provider.AZURE: "westeurope"}.get(provider, "fsn1")
    place = ClusterPlan("fra", provider, region, provider.value, prefixes)

    def program() -> None:
        explicit = pulumi.ProviderResource("none", "fra-provider")
        network = NetworkHandle(explicit, pulumi.Output.from_input("network"))
        if provider is Provider.AZURE:
            home: Any = SimpleNamespace(name="home")
            network = AzureNetwork(explicit, network.native_id, group=home)
        ground = Ground("fra", cloud, Scope("p", "s", "n", "rhine"), explicit, networks=(network,), plan=place)
        peers = pulumi.Output.from_input(PEERS)
        openings = openings_of(firewall, {name: peers}, {name: {"peer": PEERS[0]}})
        cloud.group("fra-web", firewall, openings, 1, ground, ground.options(explicit))

    return Recorder()(program)


def of_its_families(provider: Provider, networks: set[str]) -> set[str]:
    """A cloud without IPv6 names none of it."""
    return {each for each in networks if ":" not in each or provider is not Provider.IBM}


def test_no_cloud_with_a_firewall_of_its_own_is_left_out() -> None:
    assert set(CLOUDS) == set(Provider) - {Provider.LOCAL}


@every_cloud
def test_udp_is_let_in_from_those_addresses_alone(provider: Provider) -> None:
    firewall, read = Firewall(restricted_udp={51820: "mesh"}, outbound_udp={51820: "mesh"}), CLOUDS[provider][1]
    graph = declared(provider, firewall, "mesh")
    assert {(protocol, who) for protocol, port, who in read(graph, "in") if port == "51820"} == {
        ("udp", network) for network in of_its_families(provider, NETWORKS)
    }
    out = {(protocol, who) for protocol, port, who in read(graph, "out") if port == "51820"}
    assert out == {("udp", network) for network in of_its_families(provider, WORLD)}


@every_cloud
def test_without_udp_nothing_of_it_is_let_in(provider: Provider) -> None:
    firewall, read = Firewall(restricted_tcp={80: "edges"}), CLOUDS[provider][1]
    graph = declared(provider, firewall, "edges")
    assert {(protocol, port) for protocol, port, _ in read(graph, "in")} >= {("tcp", "80")}
    assert not [rule for rule in read(graph, "in") if rule[0] == "udp"]
    assert {port for protocol, port, _ in read(graph, "out") if protocol == "udp"} <= {"53", "67", "123", "547"}
