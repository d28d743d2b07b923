"""The network on Google Cloud and what lies beside Machines: closed both ways, logged, balanced, and readable."""

import json
from collections import defaultdict
from ipaddress import IPv6Address

import pulumi

import hdinfra as hd
from hdinfra.clouds.cloud import Ground, NetworkHandle
from hdinfra.clouds.gcp import GcpCloud
from hdinfra.components.ground import openings_of
from hdinfra.machine.first_boot import FIRST_BOOT_PATH
from hdinfra.machine.machine import Firewall
from hdinfra.model.spec import Feature
from hdinfra.testing import Graph, Registered
from tests.graph.gcp_zone import (
    ADDRESS,
    FIREWALL,
    GROUNDS,
    OUTPUTS,
    POLICY,
    REGIONS,
    SCOPE,
    SPEC,
    SUBNET,
    UNCOPIED,
    clusters_alone,
    declared,
    instances,
    of_gcp,
    plan_of,
    recorder,
    told,
)
from tests.graph.specs import clock

WORLD = {"0.0.0.0/0": 4, "::/0": 6}
Allowed = set[tuple[str, str]]


def rules(zone: Graph, tag: str, direction: str) -> dict[int, list[Registered]]:
    """By family what lets those Machines be reached, or reach others."""
    found: dict[int, list[Registered]] = defaultdict(list)
    for rule in zone.of_type(FIREWALL):
        if rule.inputs.get("targetTags") == [tag] and rule.inputs["direction"] == direction:
            ranges = rule.inputs["sourceRanges" if direction == "INGRESS" else "destinationRanges"]
            (family,) = {6 if ":" in each else 4 for each in ranges}
            found[family].append(rule)
    return found


def allowed(rule: Registered) -> Allowed:
    return {(one["protocol"], port) for one in rule.inputs["allows"] for port in one.get("ports", ["all"])}


def of_the_world(found: list[Registered], ranges: str) -> Allowed:
    return {each for rule in found if rule.inputs[ranges][0] in WORLD for each in allowed(rule)}


def kept(name: str, version: str = "IPV4") -> str:
    """The static address of that name."""
    return str(OUTPUTS[ADDRESS](name, {"ipVersion": version})["address"])


# What is open


def test_nothing_passes_in_any_network_that_no_rule_opens(gcp_zone: Graph) -> None:
    for name in GROUNDS:
        denied = {
            (rule.inputs["direction"], *rule.inputs.get("sourceRanges", rule.inputs.get("destinationRanges", ())))
            for rule in gcp_zone.of_type(FIREWALL)
            if rule.inputs["network"] == f"{name}-network-id" and rule.inputs.get("denies") == [{"protocol": "all"}]
        }
        assert denied == {(way, world) for way in ("INGRESS", "EGRESS") for world in WORLD}
    lowest = max(rule.inputs["priority"] for rule in gcp_zone.of_type(FIREWALL) if "allows" in rule.inputs)
    assert all(rule.inputs["priority"] > lowest for rule in gcp_zone.of_type(FIREWALL) if "denies" in rule.inputs)
    assert all(rule.inputs.get("targetTags") for rule in gcp_zone.of_type(FIREWALL) if "allows" in rule.inputs)


def test_nothing_is_open_to_the_world_but_edges_and_in_both_families_alike(gcp_zone: Graph) -> None:
    edge = {("tcp", "80"), ("tcp", "443")}
    for place, label in [(place, label) for place in ("fra", "ams") for label in ("web", "control")]:
        found = rules(gcp_zone, f"{place}-{label}-firewall", "INGRESS")
        assert of_the_world(found[4], "sourceRanges") == {("icmp", "all")}
        assert of_the_world(found[6], "sourceRanges") == {("58", "all")}
    for place in ("par", "mad"):
        found = rules(gcp_zone, f"{place}-edge-firewall", "INGRESS")
        assert of_the_world(found[4], "sourceRanges") == {("icmp", "all"), *edge}
        assert of_the_world(found[6], "sourceRanges") == {("58", "all"), *edge}


def test_who_may_come_in_is_named_in_both_families(gcp_zone: Graph) -> None:
    edges = ("par-edge", "par-edge-2", "mad-edge")
    ipv4 = gcp_zone.named("fra-web-firewall-tcp-80-ipv4").inputs
    ipv6 = gcp_zone.named("fra-web-firewall-tcp-80-ipv6").inputs
    assert {*ipv4["sourceRanges"]} == {f"{kept(f'{name}-ipv4')}/32" for name in edges}
    assert {*ipv6["sourceRanges"]} == {f"{IPv6Address(kept(f'{name}-ipv6', 'IPV6'))}/128" for name in edges}
    assert (ipv4["disabled"], ipv6["disabled"]) == (False, False)
    callers = [gcp_zone.named(f"fra-control-firewall-tcp-9000-{family}").inputs for family in ("ipv4", "ipv6")]
    assert [len(one["sourceRanges"]) for one in callers] == [10, 10]
    assert "203.0.113.0/24" in callers[0]["sourceRanges"] and "2001:db8:ad::/48" in callers[1]["sourceRanges"]


def test_only_who_reaches_origins_may_go_out_to_any_port(gcp_zone: Graph) -> None:
    def out(tag: str) -> tuple[Allowed, Allowed]:
        found = rules(gcp_zone, tag, "EGRESS")
        return of_the_world(found[4], "destinationRanges"), of_the_world(found[6], "destinationRanges")

    udp = {("udp", "53"), ("udp", "123")}
    for tag in ("fra-web-firewall", "par-edge-firewall"):
        assert out(tag) == ({("icmp", "all"), ("tcp", "all"), *udp}, {("58", "all"), ("tcp", "all"), *udp})
    some = {("tcp", port) for port in ("53", "80", "443", "9000")}
    assert out("fra-control-firewall") == ({("icmp", "all"), *some, *udp}, {("58", "all"), *some, *udp})


def test_a_rule_without_callers_is_off_and_names_nobody() -> None:
    graph = declared(plan_of(SPEC.partition("edge:")[0]))
    for family, nobody in (("ipv4", "192.0.2.0/32"), ("ipv6", "2001:db8::/128")):
        rule = graph.named(f"fra-web-firewall-tcp-80-{family}").inputs
        assert (rule["disabled"], rule["sourceRanges"]) == (True, [nobody])


def test_udp_is_let_in_from_those_addresses_alone_and_out_at_its_port() -> None:
    place = plan_of().clusters[0]
    firewall = Firewall(restricted_udp={51820: "mesh"}, outbound_udp={51820: "mesh"})

    def program() -> None:
        provider = pulumi.ProviderResource("none", f"{place.name}-provider")
        network = NetworkHandle(provider, pulumi.Output.from_input("network"))
        ground = Ground(place.name, GcpCloud(), SCOPE, provider, networks=(network,), plan=place)
        peers = pulumi.Output.from_input(["198.51.100.7", "2001:db8:7::7"])
        openings = openings_of(firewall, {"mesh": peers}, {"mesh": {}})
        ground.cloud.group("ams-web", firewall, openings, 1, ground, ground.options(provider))

    graph = recorder()(program)
    for family, peer in (("ipv4", "198.51.100.7/32"), ("ipv6", "2001:db8:7::7/128")):
        rule = graph.named(f"ams-web-firewall-udp-51820-{family}")
        assert (rule.inputs["sourceRanges"], allowed(rule)) == ([peer], {("udp", "51820")})
        out = allowed(graph.named(f"ams-web-firewall-out-{family}"))
        assert {port for protocol, port in out if protocol == "udp"} == {"53", "123", "51820"}


# The network


def test_subnets_are_dual_stack_and_what_is_private_has_no_public_address(gcp_zone: Graph) -> None:
    for cluster in plan_of().clusters:
        network = gcp_zone.named(f"{cluster.name}-network").inputs
        assert (network["autoCreateSubnetworks"], network["enableUlaInternalIpv6"]) == (False, True)
        assert network["mtu"] == 1500
        for part in cluster.subnets:
            inputs = gcp_zone.named(f"{cluster.name}-network-{part.name}", SUBNET).inputs
            assert (inputs["ipCidrRange"], inputs["region"]) == (str(part.ipv4), REGIONS[cluster.name])
            assert inputs["stackType"] == "IPV4_IPV6"
            assert inputs["ipv6AccessType"] == ("EXTERNAL" if part.public else "INTERNAL")
            assert inputs["privateIpGoogleAccess"] is not part.public
        assert {part.public for part in cluster.subnets} == {True, False}


def test_nothing_is_copied_where_nobody_asked() -> None:
    graph = declared(plan_of(UNCOPIED))
    assert [name for name in graph.names if "snapshots" in name] == []


def test_a_waiver_of_snapshots_is_its_clusters_alone() -> None:
    waived = f"region: europe-west3, waivers: {{{Feature.SNAPSHOTS}: logs are kept elsewhere}}"
    graph = clusters_alone(plan_of(SPEC.replace("region: europe-west3", waived)))
    assert {one.name for one in graph.of_type(POLICY)} == {"ams-network-snapshots"}


# The balancer


def test_a_balancer_asks_its_machines_and_has_an_address_of_each_family(gcp_zone: Graph) -> None:
    check = gcp_zone.named("par-edge-balancer-health").inputs
    assert check["httpHealthCheck"] == {"port": 80, "requestPath": "/healthz"}
    assert (check["checkIntervalSec"], check["timeoutSec"], check["unhealthyThreshold"]) == (5, 3, 2)
    service = gcp_zone.named("par-edge-balancer-service").inputs
    assert service["healthChecks"] == "par-edge-balancer-health-id"
    assert {each["group"] for each in service["backends"]} == {
        f"par-edge-balancer-europe-west9-{letter}-id" for letter in "ab"
    }
    for family, kind in (("ipv4", None), ("ipv6", "NETLB")):
        rule = gcp_zone.named(f"par-edge-balancer-{family}-rule").inputs
        address = gcp_zone.named(f"par-edge-balancer-{family}").inputs
        assert (rule["ports"], rule["ipAddress"]) == (["80", "443"], f"par-edge-balancer-{family}-id")
        assert rule["backendService"] == "par-edge-balancer-service-id"
        assert (address.get("ipv6EndpointType"), rule.get("ipVersion")) == (kind, "IPV6" if kind else None)
    assert not [name for name in gcp_zone.names if name.startswith("mad-edge-balancer")]


def test_a_machine_joins_the_group_of_its_zone_by_a_resource_of_its_own(gcp_zone: Graph) -> None:
    joined = {one.name: one for one in gcp_zone.of_type("gcp:compute/instanceGroupMembership:InstanceGroupMembership")}
    assert joined.keys() == {"par-edge-balancer-par-edge", "par-edge-balancer-par-edge-2"}
    for name, one in joined.items():
        machine = instances(gcp_zone)[name.removeprefix("par-edge-balancer-")]
        zone = machine.inputs["zone"]
        assert (one.inputs["zone"], one.inputs["instance"]) == (zone, f"{machine.name}-id")
        assert one.inputs["instanceGroup"] == f"par-edge-balancer-{zone}-id"
        assert list(gcp_zone.named(f"par-edge-balancer-{zone}").request.ignoreChanges) == ["instances"]


def test_users_come_to_the_balancer_where_there_is_one() -> None:
    said: list[str] = []

    def program() -> None:
        edge = hd.declare(plan_of(), clock).edge
        assert edge is not None
        pulumi.Output.all(*edge.urls).apply(said.extend)

    recorder()(program)
    assert {*said} == {f"http://{kept('par-edge-balancer-ipv4')}", f"http://{kept('mad-edge-ipv4')}"}


# Bundles


def test_anybody_may_fetch_from_the_bucket_and_nobody_list_it(gcp_zone: Graph) -> None:
    bucket = gcp_zone.named("ams-bundles").inputs
    assert (bucket["uniformBucketLevelAccess"], bucket["location"]) == (True, "europe-west4")
    readers = gcp_zone.named("ams-bundles-readers").inputs
    assert (readers["member"], readers["role"]) == ("allUsers", "roles/storage.legacyObjectReader")
    assert len(gcp_zone.of_type("gcp:storage/bucketIAMMember:BucketIAMMember")) == 1


def test_first_boots_fetch_bundles_by_a_name_of_both_families(gcp_zone: Graph) -> None:
    made = gcp_zone.named("ams-bundles-waf")
    pin = json.loads(told(gcp_zone.named("fra-web-1"))[FIRST_BOOT_PATH])["code"]
    assert pin["url"] == f"https://storage.googleapis.com/ams-bundles-12345ab/{made.inputs['name']}"
    assert pin["sha256"] in made.inputs["name"]
    assert {"ams-bundles-waf", "ams-bundles-readers"} <= gcp_zone.named("fra-web-1").depends_on


def test_labels_come_from_one_place(gcp_zone: Graph) -> None:
    for name, machine in instances(gcp_zone).items():
        labels = machine.inputs["labels"]
        assert (labels["hdinfra-place"], labels["hdinfra-zone"]) == (name.partition("-")[0], "europe")
        assert labels["hdinfra-stack"] == "stack"
    labelled = [one for one in of_gcp(gcp_zone) if "labels" in one.inputs]
    assert all({"hdinfra-zone", "hdinfra-place"} <= one.inputs["labels"].keys() for one in labelled)
    assert len(labelled) > 30
