"""What a Machine's firewall lets through by UDP, every cloud's firewall lets through too, and for nobody else."""

from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import pulumi
import pytest

from hdinfra.clouds.aws import AwsCloud
from hdinfra.clouds.cloud import Cloud, Ground, NetworkHandle, Scope
from hdinfra.clouds.digitalocean import DigitalOceanCloud
from hdinfra.clouds.hetzner import HetznerCloud
from hdinfra.clouds.linode import LinodeCloud
from hdinfra.components.ground import openings_of
from hdinfra.machine.machine import Firewall
from hdinfra.model.plan import ClusterPlan, Prefixes
from hdinfra.model.spec import Provider
from hdinfra.testing import Recorder

PEERS = ["192.0.2.7", "2001:db8::7"]
NETWORKS = {"192.0.2.7/32", "2001:db8::7/128"}
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


Reader = Callable[[Mapping[str, Any], str], Let]
CLOUDS: list[tuple[Cloud, Reader]] = [
    (AwsCloud(), of_aws),
    (DigitalOceanCloud(), of_digitalocean),
    (HetznerCloud(), of_hetzner),
    (LinodeCloud(), of_linode),
]


def declared(cloud: Cloud, firewall: Firewall, name: str) -> Mapping[str, Any]:
    """The inputs of the cloud's own firewall; in the set of that name are the peers."""
    prefixes = Prefixes(IPv4Network("10.66.0.0/21"), IPv6Network("fd00:0:0:1::/64"))
    place = ClusterPlan("fra", Provider.HETZNER, "fsn1", "hetzner", prefixes)

    def program() -> None:
        provider = pulumi.ProviderResource("none", "fra-provider")
        network = NetworkHandle(provider, pulumi.Output.from_input("network"))
        ground = Ground("fra", cloud, Scope("p", "s", "n", "rhine"), provider, networks=(network,), plan=place)
        openings = openings_of(firewall, {name: pulumi.Output.from_input(PEERS)}, {})
        cloud.group("fra-web", firewall, openings, 1, ground, ground.options(provider))

    return Recorder()(program).named("fra-web-firewall").inputs


@pytest.mark.parametrize(("cloud", "read"), CLOUDS, ids=lambda one: type(one).__name__)
def test_udp_is_let_in_from_those_addresses_alone(cloud: Cloud, read: Reader) -> None:
    firewall = Firewall(restricted_udp={51820: "mesh"}, outbound_udp={51820: "mesh"})
    inputs = declared(cloud, firewall, "mesh")
    assert {(protocol, who) for protocol, port, who in read(inputs, "in") if port == "51820"} == {
        ("udp", network) for network in NETWORKS
    }
    out = {(protocol, who) for protocol, port, who in read(inputs, "out") if port == "51820"}
    assert out == {("udp", "0.0.0.0/0"), ("udp", "::/0")}


@pytest.mark.parametrize(("cloud", "read"), CLOUDS, ids=lambda one: type(one).__name__)
def test_without_udp_nothing_of_it_is_let_in(cloud: Cloud, read: Reader) -> None:
    firewall = Firewall(restricted_tcp={80: "edges"})
    inputs = declared(cloud, firewall, "edges")
    assert {(protocol, port) for protocol, port, _ in read(inputs, "in")} >= {("tcp", "80")}
    assert not [rule for rule in read(inputs, "in") if rule[0] == "udp"]
    assert {port for protocol, port, _ in read(inputs, "out") if protocol == "udp"} <= {"53", "67", "123", "547"}
