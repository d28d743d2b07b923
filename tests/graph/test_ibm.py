"""What Clusters and places on IBM Cloud declare."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pulumi
import pytest
import yaml

import hdinfra as hd
from hdinfra.clouds.ibm import IbmCloud, newest
from hdinfra.model.held import Held
from hdinfra.model.refusal import RefusedError
from hdinfra.sdks.ibm import Image, Provider
from hdinfra.testing import Graph, Registered, wrong_inputs
from hdinfra.testing.monitor import RecordingMonitor
from tests.graph import test_stock_mocks
from tests.graph.answers import INVOKES, OUTPUTS
from tests.graph.clouds import SHAPES, shape_text
from tests.graph.ibm_zone import (
    BALANCER,
    CLASSES,
    CROWD,
    INSTANCE,
    INTERFACE,
    POOL,
    PROVIDER,
    RULE,
    SPEC,
    WAIVED,
    changed,
    declared,
    plan_of,
    recorder,
)
from tests.graph.rules_ibm import RULES, WORLD, broken
from tests.graph.specs import clock
from tests.graph.test_stock_mocks import Run, run  # noqa: F401  a fixture


@pytest.fixture(scope="module")
def zone() -> Graph:
    return declared()


@pytest.fixture(scope="module")
def crowd() -> Graph:
    return declared(CROWD)


def ours(graph: Graph) -> list[Registered]:
    return [resource for resource in graph.resources if resource.type.startswith("ibm:")]


def file_of(instance: Registered, path: str) -> str:
    config = yaml.safe_load(instance.inputs["userData"])
    (entry,) = [file for file in config["write_files"] if file["path"] == path]
    return str(entry["content"])


def rules_of(graph: Graph, group: str, direction: str) -> Iterator[tuple[str, int | None, str]]:
    for rule in graph.of_type(RULE):
        said = rule.inputs
        if said["group"] == f"{group}-id" and said["direction"] == direction:
            yield said["protocol"], said.get("portMin"), said["remote"]


def test_names_are_kept(zone: Graph) -> None:
    assert shape_text(zone) == (SHAPES / "ibm.txt").read_text()


def test_inputs_are_those_of_the_sdk(zone: Graph) -> None:
    assert {resource.type for resource in ours(zone)} == CLASSES.keys()
    assert wrong_inputs(zone, {**CLASSES, PROVIDER: Provider}) == ()
    assert {pulumi.get_type_token(class_) for class_ in CLASSES.values()} == CLASSES.keys()


def test_a_slip_inside_a_dictionary_is_seen(zone: Graph) -> None:
    graph = changed(zone, "fra-web-1", metadataService={"enabled": "no"}, bootVolume={"sise": 10})
    assert [slip.partition(":")[0] for slip in wrong_inputs(graph, CLASSES)] == [
        "fra-web-1.bootVolume",
        "fra-web-1.metadataService",
    ]


def test_everything_has_a_parent_a_provider_and_its_clusters_name(zone: Graph) -> None:
    assert (zone.duplicates(), zone.orphans(), zone.without_provider()) == (frozenset(), (), ())
    assert {provider.name for provider in zone.of_type(PROVIDER)} == {
        f"{name}-provider" for name in ("fra", "lon", "mad", "tor")
    }
    for resource in ours(zone):
        assert resource.provider == f"{resource.name.partition('-')[0]}-provider", resource.urn


def test_everything_is_of_the_package_that_was_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `pulumi package add terraform-provider ibm-cloud/ibm` would have it; once a run."""
    asked: list[Any] = []
    register = RecordingMonitor.RegisterPackage

    def remembered(self: RecordingMonitor, request: Any) -> Any:
        asked.append(request)
        return register(self, request)

    monkeypatch.setattr(RecordingMonitor, "RegisterPackage", remembered)
    graph = declared()
    (request,) = asked
    assert (request.name, request.version, request.download_url) == ("terraform-provider", "1.1.3", "")
    assert (request.parameterization.name, request.parameterization.version) == ("ibm", "2.5.0")
    assert json.loads(request.parameterization.value) == {
        "remote": {"url": "registry.opentofu.org/ibm-cloud/ibm", "version": "2.5.0"}
    }
    for resource in (*ours(graph), *graph.of_type(PROVIDER)):
        assert resource.request.packageRef == "terraform-provider", resource.urn


def test_a_zone_keeps_every_rule(zone: Graph, crowd: Graph) -> None:
    assert len(zone.of_type(INSTANCE)) == 8
    assert (broken(zone), broken(crowd)) == (set(), set())


def acl(*actions: str) -> dict[str, Any]:
    every = {"direction": "inbound", "source": WORLD, "destination": WORLD, "protocol": "tcp"}
    ports = (22, 3389, 0)[: len(actions)]
    return {"rules": [{**every, "action": one, "portMin": port} for one, port in zip(actions, ports, strict=True)]}


IN_80 = "mad-edge-firewall-in-tcp-80-world"
SLIPS: list[tuple[str, str, dict[str, Any]]] = [
    ("network.closed", "fra-network", {"noSgAclRules": False}),
    ("network.prefixes", "fra-network", {"addressPrefixManagement": None}),
    ("subnet.acl", "fra-network-public-1", {"networkAcl": None}),
    ("subnet.gateway", "fra-network-public-1", {"publicGateway": "gateway"}),
    ("acl.admin", "fra-network-acl", acl("allow", "deny", "deny")),
    ("acl.admin", "fra-network-acl", acl("deny", "allow")),
    ("rule.world", IN_80, {"portMin": 22, "portMax": 22}),
    ("rule.world", IN_80, {"portMax": 81}),
    ("rule.world", IN_80, {"protocol": "udp"}),
    ("rule.world", "fra-web-firewall-in-tcp-80-mad-edge", {"remote": WORLD, "portMin": 9000, "portMax": 9000}),
    ("rule.named", "fra-web-firewall-in-tcp-80-mad-edge", {"remote": ""}),
    ("rule.named", "fra-web-firewall-in-icmp", {"protocol": None, "portMin": None, "direction": "outbound"}),
    ("interface.group", "fra-web-1-interface", {"securityGroups": []}),
    ("interface.outlives", "fra-web-1-interface", {"autoDelete": True}),
    ("interface.spoofing", "fra-web-1-interface", {"allowIpSpoofing": True}),
    ("interface.spoofing", "fra-web-1-interface", {"enableInfrastructureNat": None}),
    ("address.zone", "fra-web-1-address", {"zone": None}),
    ("instance.interface", "fra-web-1", {"primaryNetworkAttachment": {"virtualNetworkInterface": {"subnet": "x"}}}),
    ("instance.metadata", "fra-web-1", {"metadataService": {"enabled": True}}),
    ("instance.no-keys", "fra-web-1", {"keys": ["me"]}),
    ("instance.snapshots", "fra-web-1", {"bootVolume": {"tags": []}}),
    ("instance.spread", "fra-web-1", {"placementGroup": None}),
    ("instance.user-data", "fra-web-1", {"userData": "I2Nsb3VkLWNvbmZpZw=="}),
    ("instance.user-data", "fra-web-1", {"userData": "#cloud-config\n" + "#" * 65_523}),
    ("snapshots.kept", "fra-network-snapshots-plan", {"deletionTrigger": {"deleteOverCount": "8"}}),
    ("balancer.group", "tor-edge-balancer", {"securityGroups": []}),
    ("balancer.health", "tor-edge-balancer-80-pool", {"healthType": "tcp"}),
    ("balancer.health", "tor-edge-balancer-80-pool", {"proxyProtocol": "disabled"}),
    ("provider.key", "fra-provider", {"ibmcloudApiKey": "plain"}),
    ("tags.syntax", "fra-network", {"tags": ["hdinfra.stack"]}),
    ("tags.syntax", "fra-network", {"tags": ["hdinfra.stack:Live"]}),
    ("tags.syntax", "fra-network", {"tags": ["hdinfra.stack:" + "x" * 115]}),
]


@pytest.mark.parametrize(("rule", "name", "slip"), SLIPS)
def test_each_rule_sees_its_slip(zone: Graph, rule: str, name: str, slip: Mapping[str, Any]) -> None:
    assert broken(changed(zone, name, **slip)) == {(rule, name)}


def test_a_group_without_rules_and_plain_user_data_are_seen(zone: Graph) -> None:
    kept = [r for r in zone.resources if r.type != RULE or r.inputs["group"] != "fra-web-firewall-id"]
    kept = [replace(r, secrets=frozenset()) if r.name == "fra-web-1" else r for r in kept]
    assert broken(replace(zone, resources=tuple(kept))) == {
        ("group.outbound", "fra-web-firewall"),
        ("instance.user-data", "fra-web-1"),
    }


def test_a_full_placement_group_is_seen(crowd: Graph) -> None:
    first = crowd.named("fra-web-1").inputs["placementGroup"]
    assert crowd.named("fra-web-13").inputs["placementGroup"] != first
    assert broken(changed(crowd, "fra-web-13", placementGroup=first)) == {
        ("instance.spread", f"fra-web-{number}") for number in range(1, 14)
    }


def test_every_rule_has_a_slip() -> None:
    assert {rule for rule, _, _ in SLIPS} | {"group.outbound"} == RULES.keys()


def test_machines_let_in_the_addresses_from_which_others_speak(zone: Graph) -> None:
    """A rule an address, with the name of whose it is: a new edge adds a rule and moves none."""
    edges = {zone.named(rule).inputs["remote"] for rule in edge_rules(zone)}
    assert edges == {address_of(zone, edge) for edge in ("mad-edge", "tor-edge")}
    assert ("tcp", 9000, "203.0.113.0/24") in set(rules_of(zone, "fra-control-firewall", "inbound"))
    asking = {remote for _, port, remote in rules_of(zone, "fra-control-firewall", "inbound") if port == 9000}
    assert asking == {"203.0.113.0/24", *(address_of(zone, one.name) for one in zone.of_type(INSTANCE))}


def edge_rules(zone: Graph) -> list[str]:
    return sorted(name for name in zone.names if name.startswith("fra-web-firewall-in-tcp-80-"))


def address_of(zone: Graph, machine: str) -> str:
    """What is kept for it, as the provider gave it: the association's floating IP."""
    association = zone.named(f"{machine}-address-association").inputs
    assert association["floatingIp"] == f"{machine}-address-id"
    return str(recorder().outputs["ibm:index/isFloatingIp:IsFloatingIp"](f"{machine}-address", {})["address"])


def test_what_goes_out_is_named(zone: Graph) -> None:
    """WAFs and edges reach addresses that policy gives them: at any TCP port, which their own firewall narrows."""
    for name, tcp in (("fra-control", {53, 80, 443, 9000}), ("fra-web", {1}), ("mad-edge", {1})):
        out = set(rules_of(zone, f"{name}-firewall", "outbound"))
        assert out == {
            ("icmp", None, WORLD),
            *(("tcp", port, WORLD) for port in tcp),
            *(("udp", port, WORLD) for port in (53, 67, 123)),
        }


def test_a_load_balancer_reaches_its_machines_and_they_let_in_nobody_else(zone: Graph) -> None:
    (balancer,) = zone.of_type(BALANCER)
    inside = str(plan_of().edge.place("tor").prefixes.ipv4)  # type: ignore[union-attr]
    assert balancer.inputs["subnets"] == ["tor-network-public-1-id", "tor-network-public-2-id"]
    assert set(rules_of(zone, "tor-edge-balancer-firewall", "outbound")) == {
        ("tcp", port, inside) for port in (80, 443, 8080)
    }
    web = {(port, remote) for protocol, port, remote in rules_of(zone, "tor-edge-firewall", "inbound") if port}
    assert web == {(port, inside) for port in (80, 443, 8080)}
    assert {pool.inputs["healthMonitorPort"] for pool in zone.of_type(POOL)} == {8080}
    member = zone.named("tor-edge-balancer-443-tor-edge").inputs
    (edge,) = [machine for machine in plan_of().machines if machine.name == "tor-edge"]
    assert edge.private and member["targetAddress"] == str(edge.private.ipv4)


def test_a_load_balancer_is_changed_one_thing_at_a_time(zone: Graph) -> None:
    order = ["80-pool", "80-tor-edge", "80-listener", "443-pool", "443-tor-edge", "443-listener"]
    for before, after in zip(["tor-edge-balancer", *order], order, strict=False):
        first = before if before == "tor-edge-balancer" else f"tor-edge-balancer-{before}"
        waits = zone.named(f"tor-edge-balancer-{after}").depends_on
        assert first in waits, (before, after)


def test_a_machine_is_made_anew_when_its_description_changes_and_then_its_old_one_goes_first(zone: Graph) -> None:
    later = recorder()(lambda: hd.declare(plan_of(), lambda: clock() + 9))
    for instance in zone.of_type(INSTANCE):
        again = later.named(instance.name)
        assert again.inputs["userData"] != instance.inputs["userData"]
        assert list(instance.request.ignoreChanges) == ["userData", "image"]
        assert instance.request.deleteBeforeReplace and instance.request.deleteBeforeReplaceDefined
        trigger = instance.request.replacement_trigger.string_value
        assert len(trigger) == 64 and trigger == again.request.replacement_trigger.string_value


def test_nothing_of_an_interface_depends_on_its_instance(zone: Graph) -> None:
    """So that addresses and rules stay when an instance is made anew."""
    instances = {instance.name for instance in zone.of_type(INSTANCE)}
    for interface in zone.of_type(INTERFACE):
        assert not interface.depends_on & instances
    for instance in zone.of_type(INSTANCE):
        assert f"{instance.name}-address-association" in instance.depends_on


def test_user_data_and_tokens_are_nowhere_in_plain(zone: Graph) -> None:
    tokens = [json.loads(file_of(one, "/etc/hdinfra/first-boot.json"))["token"] for one in zone.of_type(INSTANCE)]
    assert len(set(tokens)) == 8
    for resource in zone.resources:
        plain = json.dumps({key: value for key, value in resource.inputs.items() if key not in resource.secrets})
        assert not any(token in plain for token in tokens), resource.urn
        assert "userData" not in plain, resource.urn


def test_private_addresses_and_zones_are_the_plans(zone: Graph) -> None:
    plan = {machine.name: machine for machine in plan_of().machines}
    for instance in zone.of_type(INSTANCE):
        planned, interface = plan[instance.name], zone.named(f"{instance.name}-interface").inputs
        assert planned.private and interface["primaryIp"]["address"] == str(planned.private.ipv4)
        zones = {instance.inputs["zone"], zone.named(f"{instance.name}-address").inputs["zone"]}
        assert zones == {planned.zone} == {zone.named(interface["subnet"].removesuffix("-id")).inputs["zone"]}
    assert {zone.named(f"fra-web-{number}").inputs["zone"] for number in (1, 2)} == {"eu-de-1", "eu-de-2"}


def test_nobody_has_ipv6(zone: Graph) -> None:
    """Not in firewalls, not in policies, not in what a first boot is told: the empty text stands for none."""
    assert {rule.inputs["remote"] for rule in zone.of_type(RULE) if ":" in rule.inputs["remote"]} == set()
    (instance,) = zone.named("edge-policy").inputs["document"]["instances"]
    assert {backend["ipv6"] for backend in instance["backends"]} == {""}
    assert all(backend["ipv4"] for backend in instance["backends"])
    control = zone.named("control-policy").inputs["document"]
    assert {api["ipv6"] for api in control["apis"]} == {""}
    assert {one for one in control["callers"] if ":" in one} == {"2001:db8:77::/48"}
    assert all(":" not in edge for edge in zone.named("instance-web-policy").inputs["document"]["edges"])
    told = json.loads(file_of(zone.named("fra-web-1"), "/etc/hdinfra/first-boot.json"))
    assert [(endpoint["ipv6"], bool(endpoint["ipv4"])) for endpoint in told["endpoints"]] == [("", True)] * 2


def test_without_a_reason_ipv4_alone_is_refused() -> None:
    with pytest.raises(RefusedError) as refused:
        plan_of(SPEC.replace(f"region: eu-de, waivers: {WAIVED}", "region: eu-de"))
    assert [(one.path, one.rule) for one in refused.value.refusals] == [("clusters[0]", "cloud.no-ipv6")]


def images(*names: str) -> list[Image]:
    return [Image(id=name, name=name, architecture="amd64") for name in names]


def test_the_newest_debian_is_taken_by_numbers() -> None:
    found = images(
        "ibm-debian-13-9-minimal-amd64-9", "ibm-debian-13-10-minimal-amd64-1", "ibm-debian-12-12-minimal-amd64-9"
    )
    assert newest(found, "amd64") == "ibm-debian-13-10-minimal-amd64-1"
    assert newest(images("ibm-debian-13-9-minimal-amd64-2", "ibm-debian-13-9-minimal-amd64-10"), "amd64").endswith(
        "-10"
    )
    for others in (images("my-ibm-debian-13-9-minimal-amd64-1", "ibm-debian-12-12-minimal-amd64-9"), found):
        with pytest.raises(pulumi.RunError, match="shows no image"):
            newest(others, "arm64")


def test_an_image_is_looked_up_with_the_clusters_provider_until_it_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, Mapping[str, Any]]] = []
    invoke = RecordingMonitor.Invoke

    def remembered(self: RecordingMonitor, request: Any) -> Any:
        asked.append((request.provider.rpartition("::")[0].rpartition("::")[2], request.packageRef, dict(request.args)))
        return invoke(self, request)

    monkeypatch.setattr(RecordingMonitor, "Invoke", remembered)
    found = declared()
    assert {instance.inputs["image"] for instance in found.of_type(INSTANCE)} == {"r010-1"}
    assert sorted(provider for provider, _, _ in asked) == [f"{name}-provider" for name in ("fra", "lon", "mad", "tor")]
    args = {"visibility": "public", "status": "available", "remoteAccountId": "provider"}
    assert all((ref, dict(told)) == ("terraform-provider", args) for _, ref, told in asked)
    asked.clear()
    held = Held(images={f"ibm/{region}/amd64": "r010-7" for region in ("eu-de", "eu-gb", "eu-es", "ca-tor")})
    assert {instance.inputs["image"] for instance in declared(held=held).of_type(INSTANCE)} == {"r010-7"}
    assert asked == []


def test_long_names_are_cut_and_stay_apart() -> None:
    cluster, instance = "c" * 31, "i" * 28
    text = (
        SPEC.replace("fra,", f"{cluster}1,").replace("lon,", f"{cluster}2,").replace("name: web", f"name: {instance}")
    )
    graph = declared(text, recorder(stack="S" * 90, project="p_-" * 30))
    named = [resource for resource in ours(graph) if resource.inputs.get("name")]
    assert any(resource.type == INSTANCE for resource in named)
    assert all(len(resource.inputs["name"]) <= 63 for resource in named)
    assert len({(resource.type, resource.inputs["name"]) for resource in named}) == len(named)
    assert broken(graph) == set()


def test_what_the_plan_never_asks_for_says_so() -> None:
    nothing: Any = None
    with pytest.raises(NotImplementedError):
        IbmCloud().bucket("x", nothing, nothing)
    with pytest.raises(NotImplementedError):
        IbmCloud().bundle(nothing, nothing, nothing, nothing, nothing)
    assert IbmCloud().volume(nothing, nothing, nothing) is None


class Answering(test_stock_mocks.Echo):
    """Stock mocks that answer as IBM Cloud does."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, object]]:
        id_, outputs = super().new_resource(args)
        answer = (
            OUTPUTS[args.typ](args.name, args.inputs) if args.typ.startswith("ibm:") and args.typ in OUTPUTS else {}
        )
        return id_, {**outputs, **answer}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, object], list[tuple[str, str]] | None]:
        return dict(INVOKES[args.token]({})), []


def test_under_stock_mocks(run: Run, monkeypatch: pytest.MonkeyPatch, zone: Graph) -> None:  # noqa: F811  a fixture
    monkeypatch.setattr(test_stock_mocks, "Echo", Answering)
    plan = plan_of()
    assert run(lambda: hd.declare(plan, clock)) == zone.names
