"""What Clusters and places on Hetzner Cloud declare."""

import base64
import gzip
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

import hdinfra as hd
from hdinfra.clouds.cloud import Scope
from hdinfra.clouds.hetzner import NETWORK_ZONES, HetznerCloud
from hdinfra.model.held import Held
from hdinfra.model.regions import load_catalogue
from hdinfra.model.spec import Provider
from hdinfra.testing import Graph, Recorder, Registered, wrong_inputs
from hdinfra.testing.hetzner import HETZNER
from hdinfra.testing.monitor import RecordingMonitor
from tests.graph import test_stock_mocks
from tests.graph.hetzner_zone import (
    ATTACHMENT,
    CROWD,
    FIREWALL,
    PRIMARY_IP,
    PROVIDER,
    SERVER,
    SPEC,
    TYPES,
    VOLUME,
    declared,
    plan_of,
)
from tests.graph.rules_hetzner import RULES, broken
from tests.graph.specs import clock
from tests.graph.test_stock_mocks import Run, run  # noqa: F401  a fixture

SHAPE = Path(__file__).parent / "shapes/hetzner.txt"


@pytest.fixture(scope="module")
def zone() -> Graph:
    return declared()


@pytest.fixture(scope="module")
def crowd() -> Graph:
    return declared(CROWD)


def ours(graph: Graph) -> list[Registered]:
    return [resource for resource in graph.resources if resource.type.startswith("hcloud:")]


def told(server: Registered) -> dict[str, Any]:
    """The cloud-config, decoded as cloud-init does (DataSourceHetzner, then gzip)."""
    text = gzip.decompress(base64.b64decode(server.inputs["userData"], validate=True)).decode()
    assert text.startswith("#cloud-config\n")
    config: dict[str, Any] = yaml.safe_load(text)
    return config


def file_of(server: Registered, path: str) -> str:
    (entry,) = [file for file in told(server)["write_files"] if file["path"] == path]
    return str(entry["content"])


def test_names_are_kept(zone: Graph) -> None:
    found = "".join(f"{type_} {name} < {parent or 'stack'}\n" for type_, name, parent in zone.shape())
    assert found == SHAPE.read_text()


def test_inputs_are_those_of_the_sdk(zone: Graph) -> None:
    assert {resource.type for resource in ours(zone)} == TYPES.keys()
    assert wrong_inputs(zone, TYPES) == ()


def test_everything_has_a_parent_a_provider_and_its_clusters_name(zone: Graph) -> None:
    assert (zone.duplicates(), zone.orphans(), zone.without_provider()) == (frozenset(), (), ())
    assert len(zone.names) == len(zone.resources)
    assert {provider.name for provider in zone.of_type(PROVIDER)} == {
        f"{n}-provider" for n in ("hf", "hn", "east", "west")
    }
    for resource in ours(zone):
        assert resource.provider == f"{resource.name.partition('-')[0]}-provider", resource.urn


def test_a_zone_keeps_every_rule(zone: Graph, crowd: Graph) -> None:
    assert len(zone.of_type(SERVER)) == 6 and len(zone.of_type(FIREWALL)) == 6
    assert (broken(zone), broken(crowd)) == (set(), set())


def rules(**more: Any) -> dict[str, Any]:
    """A firewall that lets the world in at 80 and out by ICMP, and `more`."""
    world = ["0.0.0.0/0", "::/0"]
    let_in = {"direction": "in", "protocol": "tcp", "port": "80", "sourceIps": world}
    let_out = {"direction": "out", "protocol": "icmp", "destinationIps": world}
    return {"rules": [let_in, let_out, *([{**let_in, **more}] if more else [])]}


NETS = {"ipv4Enabled": True, "ipv4": 1, "ipv6Enabled": True, "ipv6": 2}
SLIPS: list[tuple[str, str, dict[str, Any]]] = [
    ("firewall.world", "hf-web-firewall", rules(port="22")),
    ("firewall.world", "hf-web-firewall", rules(port="9000")),
    ("firewall.world", "hf-web-firewall", rules(port="any")),
    ("firewall.world", "hf-web-firewall", rules(protocol="udp")),
    ("firewall.families", "hf-web-firewall", rules(port="443", sourceIps=["0.0.0.0/0"])),
    ("firewall.families", "hf-web-firewall", rules(port="9000", sourceIps=["192.0.2.1/32"])),
    ("firewall.outbound", "hf-web-firewall", {"rules": rules()["rules"][:1]}),
    ("server.firewall", "hf-web-1", {"firewallIds": []}),
    ("server.addresses", "hf-web-1", {"publicNets": None}),
    ("server.addresses", "hf-web-1", {"publicNets": [{**NETS, "ipv6": None}]}),
    ("server.addresses", "hf-web-1", {"publicNets": [{**NETS, "ipv4Enabled": False}]}),
    ("server.backups", "hf-web-1", {"backups": False}),
    ("server.no-keys", "hf-web-1", {"sshKeys": ["me"]}),
    ("server.spread", "hf-web-1", {"placementGroupId": None}),
    ("server.user-data", "hf-web-1", {"userData": "QUJD\nREVG"}),
    ("server.user-data", "hf-web-1", {"userData": "QUJD" * 8193}),
    ("address.outlives", "hf-web-1-ipv4", {"autoDelete": True}),
    ("volume.outlives", "hf-web-1-volume", {"deleteProtection": False}),
    ("volume.outlives", "hf-web-1-volume", {"format": "ext4"}),
    ("provider.token", "hf-provider", {"token": "plain"}),
    ("location.data-centre", "hf-web-1", {"datacenter": "fsn1-dc14"}),
    ("labels.syntax", "hf-network", {"labels": {"hdinfra.stack": "-dash"}}),
    ("labels.syntax", "hf-network", {"labels": {"hdinfra.stack": "x" * 64}}),
    ("labels.syntax", "hf-network", {"labels": {"hdinfra.stack ": "x"}}),
]


@pytest.mark.parametrize(("rule", "name", "slip"), SLIPS)
def test_each_rule_sees_its_slip(zone: Graph, rule: str, name: str, slip: Mapping[str, Any]) -> None:
    resources = [replace(r, inputs={**r.inputs, **slip}) if r.name == name else r for r in zone.resources]
    assert broken(replace(zone, resources=tuple(resources))) == {(rule, name)}


def test_a_plain_user_data_and_a_volume_that_goes_are_seen(zone: Graph) -> None:
    bare = Recorder()(lambda: pulumi.CustomResource(VOLUME, "bare", {"deleteProtection": True})).named("bare")
    plain = replace(zone.named("hf-web-1"), secrets=frozenset())
    graph = Graph((bare, plain), {})
    assert broken(graph) == {("volume.outlives", "bare"), ("server.user-data", "hf-web-1")}


def test_a_full_placement_group_is_seen(crowd: Graph) -> None:
    (first,) = {crowd.named(f"hf-web-{n}").inputs["placementGroupId"] for n in range(1, 11)}
    slip = {"placementGroupId": first}
    resources = [replace(r, inputs={**r.inputs, **slip}) if r.name == "hf-web-11" else r for r in crowd.resources]
    assert broken(replace(crowd, resources=tuple(resources))) == {
        ("server.spread", f"hf-web-{n}") for n in range(1, 12)
    }


def test_every_rule_has_a_slip() -> None:
    assert {rule for rule, _, _ in SLIPS} == RULES.keys()


def test_machines_stand_apart_in_tens(crowd: Graph) -> None:
    groups = Counter(s.inputs["placementGroupId"] for s in crowd.of_type(SERVER) if s.name.startswith("hf-web-"))
    assert sorted(groups.values()) == [1, 10]


def test_only_80_and_443_are_open_to_the_world_and_only_at_the_edge(zone: Graph) -> None:
    for firewall in zone.of_type(FIREWALL):
        world = {
            (rule["protocol"], rule.get("port"), who)
            for rule in firewall.inputs["rules"]
            for who in rule.get("sourceIps", ())
            if ip_network(who).prefixlen == 0
        }
        ping = {("icmp", None, "0.0.0.0/0"), ("icmp", None, "::/0")}
        edge = {("tcp", port, who) for port in ("80", "443") for who in ("0.0.0.0/0", "::/0")}
        assert world == (ping | edge if "edge" in firewall.name else ping), firewall.name


def test_machines_let_in_the_addresses_from_which_others_speak(zone: Graph) -> None:
    """IPv4 is the primary IP's own, IPv6 the first address of its /64."""
    sources = {
        who
        for rule in zone.named("hf-web-firewall").inputs["rules"]
        if rule.get("port") == "80"
        for who in rule["sourceIps"]
    }
    expected = set()
    for edge in ("east-edge", "west-edge"):
        answers = {f: HETZNER[PRIMARY_IP](f"{edge}-{f}", {"type": f}) for f in ("ipv4", "ipv6")}
        nets = zone.named(edge).inputs["publicNets"]
        assert nets == [{"ipv4Enabled": True, "ipv6Enabled": True, **{f: int(answers[f]["id"]) for f in answers}}]
        expected |= {f"{answers['ipv4']['ipAddress']}/32", f"{answers['ipv6']['ipAddress']}1/128"}
    assert sources == expected
    endpoints = zone.named("control-policy").inputs["endpoints"]
    assert [endpoint["port"] for endpoint in endpoints] == [9000, 9000]


def test_what_goes_out_is_named(zone: Graph) -> None:
    """WAFs and edges reach addresses that policy gives them: at any TCP port, which their own firewall narrows."""
    for name, tcp in (("hf-control", {"53", "80", "443", "9000"}), ("hf-web", {"any"}), ("east-edge", {"any"})):
        out = [r for r in zone.named(f"{name}-firewall").inputs["rules"] if r["direction"] == "out"]
        assert {(r["protocol"], r.get("port")) for r in out} == {
            ("icmp", None),
            *(("tcp", port) for port in tcp),
            *(("udp", port) for port in ("53", "67", "123", "547")),
        }


def test_the_volume_is_told_and_the_machine_finds_it(zone: Graph) -> None:
    device = HETZNER[VOLUME]("hf-web-1-volume", {})["linuxDevice"]
    assert file_of(zone.named("hf-web-1"), "/etc/hdinfra/volume") == f"{device}\n"
    assert zone.named("hf-web-1-volume").inputs["size"] == 20
    assert {attachment.inputs["automount"] for attachment in zone.of_type(ATTACHMENT)} == {False}


def test_a_machine_is_made_anew_when_its_description_changes_and_then_its_old_one_goes_first(zone: Graph) -> None:
    later = Recorder()(lambda: hd.declare(plan_of(), lambda: clock() + 9))
    for server in zone.of_type(SERVER):
        again = later.named(server.name)
        assert again.inputs["userData"] != server.inputs["userData"]
        assert list(server.request.ignoreChanges) == ["userData"]
        assert server.request.deleteBeforeReplace and server.request.deleteBeforeReplaceDefined
        trigger = server.request.replacement_trigger.string_value
        assert len(trigger) == 64 and trigger == again.request.replacement_trigger.string_value
    assert len({server.request.replacement_trigger.string_value for server in zone.of_type(SERVER)}) == 6


def test_a_volume_is_not_torn_from_a_running_machine(zone: Graph) -> None:
    """The engine deletes early what has a property of a server that is made anew; this has none, and goes with it."""
    for attachment in zone.of_type(ATTACHMENT):
        server = attachment.name.removesuffix("-volume-attachment")
        assert not attachment.request.propertyDependencies["serverId"].urns
        assert server in attachment.depends_on
        assert attachment.request.deletedWith == zone.named(server).urn
        assert attachment.request.deleteBeforeReplace
        assert attachment.inputs["serverId"] == int(HETZNER[SERVER](server, {})["id"])


def test_user_data_and_tokens_are_nowhere_in_plain(zone: Graph) -> None:
    tokens = [json.loads(file_of(server, "/etc/hdinfra/first-boot.json"))["token"] for server in zone.of_type(SERVER)]
    assert len(set(tokens)) == 6
    for resource in zone.resources:
        plain = json.dumps({key: value for key, value in resource.inputs.items() if key not in resource.secrets})
        assert not any(token in plain for token in tokens), resource.urn
        assert "userData" not in plain, resource.urn
    for server in zone.of_type(SERVER):
        assert server.secrets == {"userData"}


def test_no_password_is_set_at_a_first_boot(zone: Graph) -> None:
    """Without SSH keys Hetzner hands a root password's hash to cloud-init, where nothing takes it up."""
    for server in zone.of_type(SERVER):
        config = told(server)
        modules = {m for key in config if key.startswith("cloud_") for m in config[key]}
        assert modules and not modules & {"set_passwords", "set-passwords", "users_groups", "users-groups", "ssh"}
        assert config["users"] == []


def test_private_addresses_are_the_plans(zone: Graph) -> None:
    plan = {machine.name: machine for machine in plan_of().machines}
    for server in zone.of_type(SERVER):
        private = zone.named(f"{server.name}-private").inputs
        assert private["ip"] == str(plan[server.name].private.ipv4)
        assert private["subnetId"].endswith("/21")


def test_every_location_of_the_table_has_a_network_zone() -> None:
    assert NETWORK_ZONES.keys() == set(load_catalogue().region_names(Provider.HETZNER))


def test_an_image_is_looked_up_with_the_clusters_provider_until_it_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Mapping[str, Any]]] = []
    invoke = RecordingMonitor.Invoke

    def remembered(self: RecordingMonitor, request: Any) -> Any:
        asked.append((request.provider.rpartition("::")[0].rpartition("::")[2], dict(request.args.items())))
        return invoke(self, request)

    monkeypatch.setattr(RecordingMonitor, "Invoke", remembered)
    found = declared()
    assert {server.inputs["image"] for server in found.of_type(SERVER)} == {"13"}
    assert {provider for provider, _ in asked} == {"hf-provider", "hn-provider", "east-provider", "west-provider"}
    assert all(args == {"name": "debian-13", "withArchitecture": "x86"} for _, args in asked)
    asked.clear()
    held = Held(images={f"hetzner/{region}/amd64": "161547269" for region in NETWORK_ZONES})
    assert {server.inputs["image"] for server in declared(held=held).of_type(SERVER)} == {"161547269"}
    assert asked == []


def test_without_snapshots_there_are_no_backups() -> None:
    graph = declared(SPEC.replace("snapshots: {every: day, keep: 7}\n", ""))
    assert {server.inputs["backups"] for server in graph.of_type(SERVER)} == {False}


def test_long_names_are_cut_and_stay_apart() -> None:
    cluster, instance = "c" * 31, "i" * 28
    text = SPEC.replace("hf,", f"{cluster}1,").replace("hn,", f"{cluster}2,").replace("name: web", f"name: {instance}")
    graph = declared(text, Recorder(stack="s" * 90, project="p_-" * 30))
    taking = [resource for resource in ours(graph) if "labels" in resource.inputs]
    named = [resource for resource in taking if resource.inputs.get("name")]
    assert any(resource.type == SERVER for resource in named)
    assert all(len(resource.inputs["name"]) <= 63 for resource in named)
    assert len({(resource.type, resource.inputs["name"]) for resource in named}) == len(named)
    assert all(
        len(resource.name) <= 55 for resource in ours(graph) if "labels" in resource.inputs and resource not in named
    )
    assert broken(graph) == set()


ACCOUNT = SPEC.replace("region: fsn1", "region: fsn1, account: second")


def test_an_account_has_its_own_token() -> None:
    record = Recorder(config={"hdinfra:account-second": '{"token": "t0ken"}'})
    graph = declared(ACCOUNT, record)
    provider = graph.named("hf-provider")
    assert (provider.inputs, provider.secrets) == ({"token": "t0ken"}, {"token"})
    assert graph.named("hn-provider").inputs == {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('{"token": "t0ken", "region": "s3cret"}', "has the setting `region`, and its provider takes token; fix: "),
        (
            "{}",
            "account `second` has no `token`; fix: pulumi config set --secret --path 'hdinfra:account-second.token'",
        ),
    ],
)
def test_a_wrong_account_says_what_to_do(settings: str, message: str) -> None:
    """Only the provider: a whole Zone that is left in the middle leaves much behind for the next test."""
    cluster = plan_of(ACCOUNT).clusters[0]
    scope = Scope("project", "stack", "namespace", "europe")
    with pytest.raises(pulumi.RunError) as refused:
        Recorder(config={"hdinfra:account-second": settings})(
            lambda: HetznerCloud().provider("hf-provider", cluster, scope, pulumi.ResourceOptions())
        )
    assert message in str(refused.value) and "s3cret" not in str(refused.value)


def test_what_the_plan_refuses_is_never_asked_for(tmp_path: Path) -> None:
    nothing: Any = None
    with pytest.raises(NotImplementedError, match="over S3"):
        HetznerCloud().bucket("bundles", nothing, nothing)
    with pytest.raises(NotImplementedError, match="nothing that holds bundles"):
        HetznerCloud().bundle(nothing, tmp_path, nothing, nothing, nothing)


class Answering(test_stock_mocks.Echo):
    """Stock mocks that answer as Hetzner does."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, object]]:
        id_, outputs = super().new_resource(args)
        answer = dict(HETZNER[args.typ](args.name, args.inputs)) if args.typ in HETZNER else {}
        return str(answer.pop("id", id_)), {**outputs, **answer}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, object], list[tuple[str, str]] | None]:
        assert args.token == "hcloud:index/getImage:getImage"
        return {"id": 13}, []


def test_under_stock_mocks(run: Run, monkeypatch: pytest.MonkeyPatch, zone: Graph) -> None:  # noqa: F811
    monkeypatch.setattr(test_stock_mocks, "Echo", Answering)
    plan = plan_of()
    assert run(lambda: hd.declare(plan, clock)) == zone.names
