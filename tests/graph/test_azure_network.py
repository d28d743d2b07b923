"""The network on Azure and what lies beside Machines: closed both ways, logged, balanced, readable as it should be."""

import json
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import pulumi
import pytest
from pulumi_azure_native import resources

from hdinfra.clouds.azure import AzureCloud
from hdinfra.clouds.azure_network import AzureNetwork
from hdinfra.clouds.azure_rules import at_the_doors, closed
from hdinfra.clouds.cloud import Ground, NetworkHandle
from hdinfra.components.ground import openings_of
from hdinfra.machine.first_boot import FIRST_BOOT_PATH
from hdinfra.machine.machine import Firewall
from hdinfra.model.mesh import PORTS as MESH_PORTS
from hdinfra.model.plan import ClusterPlan, Prefixes
from hdinfra.model.spec import Provider
from hdinfra.testing import Graph, Recorder
from tests.graph.azure_zone import GROUNDS, SCOPE, SPEC, declared, of_azure, plan_of, public_address, rules_of, told
from tests.graph.cis_azure import let_in

GROUPS = "azure-native:network:NetworkSecurityGroup"
DOORS = {"Tcp": {80, 443, 9000}, "Udp": set(MESH_PORTS)}
PORTS = (0, 1, 22, 53, 79, 80, 81, 442, 443, 444, 3389, 8080, 8999, 9000, 9001, 9100, 65_535)
"""Those of ours, their neighbours and others that people try."""


def allowed(zone: Graph, name: str, direction: str) -> list[tuple[str, Any, Any]]:
    """Protocol, ports and the other side of what a group lets through, in its order."""
    side = "source" if direction == "Inbound" else "destination"
    return [
        (
            rule["protocol"],
            rule.get("destinationPortRange") or rule["destinationPortRanges"],
            rule.get(f"{side}AddressPrefix") or rule[f"{side}AddressPrefixes"],
        )
        for rule in rules_of(zone, name, direction)
        if rule["access"] == "Allow"
    ]


# What is open


def test_every_group_denies_what_it_does_not_name_before_azures_own_rules(azure_zone: Graph) -> None:
    groups = azure_zone.of_type(GROUPS)
    assert len(groups) == 2 * 4 + 6
    for group in groups:
        for direction in ("Inbound", "Outbound"):
            *before, last = rules_of(azure_zone, group.name, direction)
            assert (last["access"], last["protocol"], last["priority"]) == ("Deny", "*", 4096)
            assert {last[key] for key in last if key.endswith(("Prefix", "Range"))} == {"*"}
            numbers = [rule["priority"] for rule in before]
            assert numbers == list(range(100, 100 + len(before))) and all(rule["access"] == "Allow" for rule in before)
        names = [rule["name"] for rule in group.inputs["securityRules"]]
        assert len(names) == len(set(names))


def test_nothing_is_open_to_the_world_but_edges(azure_zone: Graph) -> None:
    open_ = {
        group.name: {port for port in PORTS if let_in(group.inputs["securityRules"], "Tcp", port)}
        for group in azure_zone.of_type(GROUPS)
        if not group.name.endswith("-public")
    }
    edges = {name: ports for name, ports in open_.items() if ports}
    assert edges == {"fra-edge-firewall": {80, 443}, "cdf-edge-firewall": {80, 443}}


def test_who_may_come_in_is_named_in_both_families(azure_zone: Graph) -> None:
    places = ("fra-edge", "fra-edge-2", "cdf-edge")
    expected = [
        ("Tcp", "80", sorted(f"{known(f'{place}-address-{family}', version)}/{bits}" for place in places))
        for family, version, bits in (("ipv4", "IPv4", 32), ("ipv6", "IPv6", 128))
    ]
    found = [
        (protocol, port, sorted(who)) for protocol, port, who in allowed(azure_zone, "ams-web-firewall", "Inbound")
    ]
    assert found == [*expected, ("Icmp", "*", ["*"])]
    (_, port, ipv4), (_, _, ipv6), _ = allowed(azure_zone, "ams-control-firewall", "Inbound")
    assert (port, len(ipv4), len(ipv6)) == ("9000", 10, 10)
    assert ("203.0.113.0/24" in ipv4, "2001:db8:ad::/48" in ipv6) == (True, True)


def known(name: str, version: str) -> str:
    return str(public_address(name, {"publicIPAddressVersion": version})["ipAddress"])


def test_only_who_reaches_origins_may_go_out_to_any_port(azure_zone: Graph) -> None:
    always = [("Udp", ["53", "123"], "*"), ("Icmp", "*", "*")]
    for name in ("ams-web-firewall", "fra-edge-firewall"):
        assert allowed(azure_zone, name, "Outbound") == [("Tcp", "*", "*"), *always]
    assert allowed(azure_zone, "ams-control-firewall", "Outbound") == [
        ("Tcp", ["53", "80", "443", "9000"], "*"),
        *always,
    ]


def test_a_firewall_without_callers_opens_nothing() -> None:
    graph = declared(plan_of(SPEC.partition("edge:")[0]))
    assert allowed(graph, "ams-web-firewall", "Inbound") == [("Icmp", "*", "*")]


def test_a_public_subnet_lets_through_what_machines_of_it_do_and_no_more(azure_zone: Graph) -> None:
    for kind in ("Tcp", "Udp"):
        tried = {*PORTS, *MESH_PORTS}
        assert {port for port in tried if let_in(camel(at_the_doors()), kind, port)} == DOORS[kind]
    for group in azure_zone.of_type(GROUPS):
        if group.name.endswith("-firewall"):
            for protocol, ports, _ in allowed(azure_zone, group.name, "Inbound"):
                assert protocol == "Icmp" or int(ports) in DOORS[protocol], group.name
            doors = allowed(azure_zone, f"{group.name.partition('-')[0]}-network-public", "Outbound")
            for protocol, ports, _ in allowed(azure_zone, group.name, "Outbound"):
                wide = next(ports_ for protocol_, ports_, _ in doors if protocol_ == protocol)
                assert wide == "*" or set(ports) <= set(wide), group.name


def camel(rules: Any) -> list[dict[str, Any]]:
    """As they are registered."""

    def renamed(name: str) -> str:
        first, *rest = name.split("_")
        return first + "".join(part.title() for part in rest)

    return [{renamed(key): value for key, value in rule.items()} for rule in rules]


def test_a_private_subnet_lets_nothing_through(azure_zone: Graph) -> None:
    for name in GROUNDS:
        rules = azure_zone.named(f"{name}-network-private").inputs["securityRules"]
        assert rules == camel(closed()) and {rule["access"] for rule in rules} == {"Deny"}


PEERS = ["192.0.2.7", "2001:db8::7"]


def declared_group(firewall: Firewall, network: Callable[[], NetworkHandle] | None = None) -> Graph:
    """A group alone; in the set `mesh` are the peers."""
    prefixes = Prefixes(IPv4Network("10.66.0.0/21"), IPv6Network("fd00:0:0:1::/64"))
    place = ClusterPlan("ams", Provider.AZURE, "westeurope", "azure", prefixes)

    def program() -> None:
        provider = pulumi.ProviderResource("azure-native", "ams-provider", {})
        home = resources.ResourceGroup("ams-group", opts=pulumi.ResourceOptions(provider=provider))
        own = network() if network else AzureNetwork(home, home.id, group=home)
        ground = Ground("ams", AzureCloud(), SCOPE, provider, networks=(own,), plan=place)
        openings = openings_of(firewall, {"mesh": pulumi.Output.from_input(PEERS)}, {"mesh": {}})
        ground.cloud.group("ams-web", firewall, openings, 1, ground, ground.options(home))

    return Recorder()(program)


def test_udp_is_let_in_from_those_addresses_alone() -> None:
    graph = declared_group(Firewall(restricted_udp={51820: "mesh"}, outbound_udp={51820: "mesh"}))
    assert allowed(graph, "ams-web-firewall", "Inbound") == [
        ("Udp", "51820", ["192.0.2.7/32"]),
        ("Udp", "51820", ["2001:db8::7/128"]),
        ("Icmp", "*", "*"),
    ]
    assert ("Udp", ["53", "123", "51820"], "*") in allowed(graph, "ams-web-firewall", "Outbound")


def test_nothing_stands_in_another_clouds_network() -> None:
    somewhere: Any = None
    with pytest.raises(TypeError, match="not in a network on Azure"):
        declared_group(Firewall(), lambda: NetworkHandle(somewhere, pulumi.Output.from_input("vpc")))


# The network


def test_subnets_are_of_both_families_closed_and_have_no_way_out_by_default(azure_zone: Graph) -> None:
    for cluster in plan_of().clusters:
        inputs = azure_zone.named(f"{cluster.name}-network").inputs
        space = inputs["addressSpace"]["addressPrefixes"]
        assert space[0] == str(cluster.prefixes.ipv4)
        assert [subnet["name"] for subnet in inputs["subnets"]] == ["public-1", "public-2", "private-1", "private-2"]
        for part, subnet in zip(cluster.subnets, inputs["subnets"], strict=True):
            ipv4, ipv6 = subnet["addressPrefixes"]
            assert (ipv4, IPv6Network(ipv6).prefixlen, ipv6 in space) == (str(part.ipv4), 64, True)
            kind = "public" if part.public else "private"
            assert subnet["networkSecurityGroup"] == {"id": f"{cluster.name}-network-{kind}-id"}
            assert subnet["defaultOutboundAccess"] is False


def test_no_two_subnets_have_the_same_addresses(azure_zone: Graph) -> None:
    networks = [
        IPv6Network(prefix)
        for name in GROUNDS
        for subnet in azure_zone.named(f"{name}-network").inputs["subnets"]
        for prefix in subnet["addressPrefixes"][1:]
    ]
    assert len(networks) == len(set(networks)) == 4 * 4 - 2
    pool = networks[0].supernet(new_prefix=48)
    assert all(network.subnet_of(pool) for network in networks)


def test_a_region_without_zones_has_one_subnet_of_each_kind() -> None:
    def subnets(graph: Graph) -> dict[str, str]:
        return {one["name"]: one["addressPrefixes"][0] for one in graph.named("dub-network").inputs["subnets"]}

    graph = declared(plan_of(SPEC.replace("region: northeurope", "region: norwaywest, ipv4: 10.200.0.0/21")))
    assert subnets(graph) == {"public-1": "10.200.0.0/24", "private-1": "10.200.4.0/24"}
    small = declared(plan_of(SPEC.replace("region: northeurope", "region: norwaywest, ipv4: 10.200.0.0/24")))
    assert subnets(small) == {"public-1": "10.200.0.0/24"}
    machine = graph.named("dub-web-1")
    assert "zones" not in machine.inputs and machine.inputs["availabilitySet"] == {"id": "dub-web-spread-id"}
    assert "zones" not in graph.named("dub-web-1-volume").inputs


def test_flow_logs_are_kept_for_90_days_where_nobody_reads_them(azure_zone: Graph) -> None:
    logs = azure_zone.of_type("azure-native:network:FlowLog")
    assert {log.name for log in logs} == {f"{name}-network-flows" for name in GROUNDS}
    regions = {"ams": "westeurope", "dub": "northeurope", "fra": "germanywestcentral", "cdf": "ukwest"}
    for log in logs:
        place = log.name.partition("-")[0]
        assert log.inputs["networkWatcherName"] == f"NetworkWatcher_{regions[place]}"
        assert (log.inputs["targetResourceId"], log.inputs["storageId"]) == (
            f"{place}-network-id",
            f"{log.name}-store-id",
        )
        assert (log.inputs["enabled"], log.inputs["retentionPolicy"]) == (True, {"enabled": True, "days": 90})
        store = azure_zone.named(f"{log.name}-store").inputs
        assert (store["allowBlobPublicAccess"], store["networkRuleSet"]) == (
            False,
            {"defaultAction": "Deny", "bypass": "AzureServices"},
        )


# Load balancers


def test_a_load_balancer_passes_both_families_to_machines_that_are_well(azure_zone: Graph) -> None:
    inputs = azure_zone.named("fra-edge-balancer").inputs
    whole = (
        "/subscriptions/5ca1ab1e/resourceGroups/fra-group1234"
        "/providers/Microsoft.Network/loadBalancers/fra-edge-balancer"
    )
    assert (inputs["sku"]["name"], inputs["loadBalancerName"]) == ("Standard", "fra-edge-balancer")
    assert {one["name"]: one["publicIPAddress"]["id"] for one in inputs["frontendIPConfigurations"]} == {
        "ipv4": "fra-edge-balancer-ipv4-id",
        "ipv6": "fra-edge-balancer-ipv6-id",
    }
    rules = {rule["name"]: rule for rule in inputs["loadBalancingRules"]}
    assert rules.keys() == {f"{family}-{port}" for family in ("ipv4", "ipv6") for port in (80, 443)}
    for name, rule in rules.items():
        family, port = name.split("-")
        assert (rule["protocol"], rule["frontendPort"], rule["backendPort"]) == ("Tcp", int(port), int(port))
        assert rule["frontendIPConfiguration"] == {"id": f"{whole}/frontendIPConfigurations/{family}"}
        assert rule["backendAddressPool"] == {"id": f"{whole}/backendAddressPools/{family}"}
        assert rule["probe"] == {"id": f"{whole}/probes/health"}
    assert inputs["probes"] == [
        {
            "name": "health",
            "protocol": "Http",
            "port": 80,
            "requestPath": "/healthz",
            "intervalInSeconds": 5,
            "probeThreshold": 2,
        }
    ]


def test_it_finds_machines_by_the_addresses_of_their_interfaces(azure_zone: Graph) -> None:
    pools = {one["name"]: one for one in azure_zone.named("fra-edge-balancer").inputs["backendAddressPools"]}
    for number, family in enumerate(("ipv4", "ipv6")):
        own = {
            azure_zone.named(f"{name}-interface").inputs["ipConfigurations"][number]["privateIPAddress"]
            for name in ("fra-edge", "fra-edge-2")
        }
        addresses = pools[family]["loadBalancerBackendAddresses"]
        assert {one["ipAddress"] for one in addresses} == own and len(own) == 2
        assert {one["virtualNetwork"]["id"] for one in addresses} == {"fra-network-id"}


# Buckets


def test_anybody_may_fetch_from_the_bucket_over_tls_and_nobody_list_it(azure_zone: Graph) -> None:
    account = azure_zone.named("ams-bundles").inputs
    assert (account["minimumTlsVersion"], account["enableHttpsTrafficOnly"]) == ("TLS1_2", True)
    assert (account["allowBlobPublicAccess"], account["allowCrossTenantReplication"]) == (True, False)
    assert account["sku"] == {"name": "Standard_ZRS"}
    container = azure_zone.named("ams-bundles-container").inputs
    assert (container["publicAccess"], container["containerName"]) == ("Blob", "bundles")


def test_storage_accounts_have_names_of_their_own_that_azure_takes(azure_zone: Graph) -> None:
    accounts = azure_zone.of_type("azure-native:storage:StorageAccount")
    names = {one.inputs["accountName"] for one in accounts}
    assert len(names) == len(accounts) == 5
    assert all(len(name) == 24 and name.isalnum() and name == name.lower() for name in names)


def test_first_boots_fetch_bundles_by_their_content(azure_zone: Graph) -> None:
    made, account = azure_zone.named("ams-bundles-waf"), azure_zone.named("ams-bundles").inputs["accountName"]
    pin = json.loads(told(azure_zone.named("dub-web-1"))[FIRST_BOOT_PATH])["code"]
    assert pin["url"] == f"https://{account}.blob.core.windows.net/bundles/{made.inputs['blobName']}"
    assert made.inputs["blobName"].startswith(pin["sha256"])
    assert {"ams-bundles-waf", "ams-bundles-container"} <= azure_zone.named("dub-web-1").depends_on


def test_nothing_asks_for_more_than_it_declares(azure_zone: Graph) -> None:
    """No roles, no identities: what stands here may do nothing on Azure."""
    kinds = {one.type.split(":")[1] for one in of_azure(azure_zone)}
    assert kinds == {"compute", "network", "resources", "storage"}
