"""What Clusters and places on Linode declare."""

import base64
import gzip
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv6Network, ip_network
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

import hdinfra as hd
from hdinfra.clouds.cloud import Boot, Ground, Scope
from hdinfra.clouds.linode import BUCKETS, KEPT, SPREAD, LinodeCloud
from hdinfra.machine.bundle import bundle_of
from hdinfra.machine.cloud_init import description_digest
from hdinfra.machine.roles import machine_of
from hdinfra.model.regions import load_catalogue
from hdinfra.model.spec import Provider
from hdinfra.testing import Graph, Recorder, Registered, wrong_inputs
from hdinfra.testing.linode import LINODE
from tests.graph import test_stock_mocks
from tests.graph.clouds import SHAPES, shape_text
from tests.graph.linode_zone import (
    BUCKET,
    CROWD,
    FIREWALL,
    INSTANCE,
    OBJECT,
    PROVIDER,
    RESERVED_IP,
    SPEC,
    SUBNET,
    TYPES,
    VOLUME,
    declared,
    plan_of,
)
from tests.graph.rules_linode import RULES, broken, opened, rules_of, who
from tests.graph.specs import clock
from tests.graph.test_stock_mocks import Run, run  # noqa: F401  a fixture


@pytest.fixture(scope="module")
def zone() -> Graph:
    return declared()


@pytest.fixture(scope="module")
def crowd() -> Graph:
    return declared(CROWD)


def ours(graph: Graph) -> list[Registered]:
    return [made for made in graph.resources if made.type in TYPES]


def told(made: Registered) -> dict[str, Any]:
    """The cloud-config, decoded as cloud-init does (DataSourceAkamai, then gzip)."""
    (metadata,) = made.inputs["metadatas"]
    text = gzip.decompress(base64.b64decode(metadata["userData"], validate=True)).decode()
    assert text.startswith("#cloud-config\n")
    config: dict[str, Any] = yaml.safe_load(text)
    return config


def file_of(made: Registered, path: str) -> str:
    (entry,) = [file for file in told(made)["write_files"] if file["path"] == path]
    return str(entry["content"])


def test_names_are_kept(zone: Graph) -> None:
    assert shape_text(zone) == (SHAPES / "linode.txt").read_text()


def test_inputs_are_those_of_the_sdk(zone: Graph) -> None:
    assert {made.type for made in zone.resources if "linode" in made.type} == TYPES.keys()
    assert wrong_inputs(zone, TYPES) == ()


def test_everything_has_a_parent_a_provider_and_its_grounds_name(zone: Graph) -> None:
    assert (zone.duplicates(), zone.orphans(), zone.without_provider()) == (frozenset(), (), ())
    assert {made.name for made in zone.of_type(PROVIDER)} == {f"{n}-provider" for n in ("maa", "bom", "west", "south")}
    assert len(ours(zone)) > 40
    for made in ours(zone):
        assert made.is_provider or made.provider == f"{made.name.partition('-')[0]}-provider", made.urn


def test_a_zone_keeps_every_rule(zone: Graph, crowd: Graph) -> None:
    assert len(zone.of_type(INSTANCE)) == 6 and len(zone.of_type(FIREWALL)) == 6
    assert (broken(zone), broken(crowd)) == (set(), set())


def rules(**more: Any) -> dict[str, Any]:
    """A firewall's inbound rules: the world at 80, and `more`."""
    first = {"protocol": "TCP", "ports": "80", "ipv4s": ["0.0.0.0/0"], "ipv6s": ["::/0"]}
    return {"inbounds": [first, {**first, **more}]}


def out(**more: Any) -> dict[str, Any]:
    """One outbound rule to the world."""
    return {"outbounds": [{"protocol": "UDP", "ports": "53", "ipv4s": ["0.0.0.0/0"], "ipv6s": ["::/0"], **more}]}


MANY = [f"192.0.2.{n}/32" for n in range(256)]
INTERFACE = {
    "purpose": "vpc",
    "ipv4": {"vpc": "10.0.0.10", "nat11": "198.18.0.1"},
    "ipv6": {"isPublic": True, "slaacs": [{"range": "2001:db8::/64"}]},
}


def at(**more: Any) -> dict[str, Any]:
    """A Linode's interface, but for `more`."""
    return {"ipv4s": ["198.18.0.1"], "interfaces": [{**INTERFACE, **more}]}


SLIPS: list[tuple[str, str, dict[str, Any]]] = [
    ("firewall.default", "maa-web-firewall", {"inboundPolicy": "ACCEPT"}),
    ("firewall.default", "maa-web-firewall", {"outboundPolicy": "ACCEPT"}),
    ("firewall.default", "maa-web-firewall", {"disabled": True}),
    ("firewall.world", "maa-web-firewall", rules(ports="22")),
    ("firewall.world", "maa-web-firewall", rules(ports="80,9000")),
    ("firewall.world", "maa-web-firewall", rules(protocol="UDP")),
    ("firewall.families", "maa-web-firewall", rules(ports="443", ipv6s=[])),
    ("firewall.families", "maa-web-firewall", rules(ports="9000", ipv4s=["192.0.2.1/32"], ipv6s=[])),
    ("firewall.outbound", "maa-web-firewall", out(ports="1-65535")),
    ("firewall.outbound", "maa-web-firewall", out(protocol="TCP", ports="22")),
    ("firewall.limits", "maa-web-firewall", {"inbounds": rules()["inbounds"] * 13}),
    ("firewall.limits", "maa-web-firewall", rules(ports="9000", ipv4s=MANY, ipv6s=["2001:db8::1/128"])),
    ("instance.firewall", "maa-web-1", {"firewallId": None}),
    ("instance.addresses", "maa-web-1", {"interfaces": None}),
    ("instance.addresses", "maa-web-1", {"interfaceGeneration": "linode"}),
    ("instance.addresses", "maa-web-1", at(purpose="public")),
    ("instance.addresses", "maa-web-1", at(ipv4={"vpc": "10.0.0.10", "nat11": "any"})),
    ("instance.addresses", "maa-web-1", at(ipv6={"isPublic": False, "slaacs": INTERFACE["ipv6"]["slaacs"]})),
    ("instance.addresses", "maa-web-1", at(ipv6={"isPublic": True})),
    ("instance.encrypted", "maa-web-1", {"diskEncryption": "disabled"}),
    ("instance.no-keys", "maa-web-1", {"authorizedKeys": ["ssh-ed25519 AAAA"]}),
    ("instance.spread", "maa-web-1", {"placementGroup": None}),
    ("instance.user-data", "maa-web-1", {"metadatas": [{"userData": "#cloud-config"}]}),
    ("instance.user-data", "maa-web-1", {"metadatas": [{"userData": "QUJD" * 4097}]}),
    ("volume.encrypted", "maa-web-1-volume", {"encryption": None}),
    ("bucket.private", "bom-bundles", {"acl": "public-read"}),
    ("object.private", "bom-bundle-waf", {"key": "keys"}),
    ("provider.token", "maa-provider", {"token": "plain"}),
    ("labels.syntax", "maa-network", {"label": "two--dashes"}),
    ("labels.syntax", "maa-web-firewall", {"label": "x" * 33}),
    ("tags.length", "maa-web-1", {"tags": ["x" * 51]}),
]


@pytest.mark.parametrize(("rule", "name", "slip"), SLIPS)
def test_each_rule_sees_its_slip(zone: Graph, rule: str, name: str, slip: Mapping[str, Any]) -> None:
    made = [replace(r, inputs={**r.inputs, **slip}) if r.name == name else r for r in zone.resources]
    assert broken(replace(zone, resources=tuple(made))) == {(rule, name)}


def test_what_is_told_in_plain_is_seen(zone: Graph) -> None:
    plain = replace(zone.named("maa-web-1"), secrets=frozenset())
    assert broken(Graph((plain,), {})) == {("instance.user-data", "maa-web-1"), ("instance.password", "maa-web-1")}


def test_a_full_placement_group_is_seen(crowd: Graph) -> None:
    first = crowd.named("maa-web-1").inputs["placementGroup"]
    sixth = replace(crowd.named("maa-web-6"), inputs={**crowd.named("maa-web-6").inputs, "placementGroup": first})
    made = [sixth if one.name == "maa-web-6" else one for one in ours(crowd)]
    assert broken(Graph(tuple(made), {})) == {("instance.spread", f"maa-web-{n}") for n in range(1, 7)}


def test_every_rule_has_a_slip() -> None:
    assert {rule for rule, _, _ in SLIPS} | {"instance.password"} == RULES.keys()


def test_machines_stand_apart_in_fives(crowd: Graph) -> None:
    groups = Counter(
        made.inputs["placementGroup"]["id"] for made in crowd.of_type(INSTANCE) if made.name.startswith("maa-web-")
    )
    assert sorted(groups.values()) == [1, SPREAD]


def test_only_80_and_443_are_open_to_the_world_and_only_at_the_edge(zone: Graph) -> None:
    for firewall in zone.of_type(FIREWALL):
        world = {
            (*each, address)
            for rule in rules_of(firewall, "inbounds")
            for each in opened(rule)
            for address in who(rule)
            if ip_network(address).prefixlen == 0
        }
        ports = {("ICMP", None), *([("TCP", "80"), ("TCP", "443")] if "edge" in firewall.name else [])}
        assert world == {(*port, address) for port in ports for address in ("0.0.0.0/0", "::/0")}, firewall.name


def kept_of(graph: Graph, name: str) -> tuple[str, str]:
    """The addresses that others know of a Machine."""
    place = name.partition("-")[0]
    ipv4 = LINODE[RESERVED_IP](f"{name}-ipv4", {})["address"]
    subnet = LINODE[SUBNET](f"{place}-network-subnet", {"ipv6s": [{"range": "/56"}]})
    block = IPv6Network(subnet["ipv6s"][0]["allocatedRange"])
    number = int(graph.named(name).inputs["interfaces"][0]["ipv4"]["vpc"].rpartition(".")[2])
    return ipv4, str(list(block.subnets(new_prefix=64))[number][KEPT])


def test_machines_let_in_the_addresses_from_which_others_speak(zone: Graph) -> None:
    rules_80 = [r for r in rules_of(zone.named("maa-web-firewall"), "inbounds") if r.get("ports") == "80"]
    assert {address for rule in rules_80 for address in who(rule)} == {
        f"{address}/{128 if ':' in address else 32}"
        for edge in ("west-edge", "south-edge")
        for address in kept_of(zone, edge)
    }


def test_a_machine_has_its_kept_addresses(zone: Graph) -> None:
    plan = {machine.name: machine for machine in plan_of().machines}
    for made in zone.of_type(INSTANCE):
        ipv4, ipv6 = kept_of(zone, made.name)
        (interface,) = made.inputs["interfaces"]
        assert made.inputs["ipv4s"] == [ipv4]
        assert interface["ipv4"] == {"vpc": str(plan[made.name].private.ipv4), "nat11": ipv4}
        (part,) = interface["ipv6"]["slaacs"]
        assert IPv6Network(part["range"])[KEPT] == IPv6Network(ipv6)[0]
    parts = [made.inputs["interfaces"][0]["ipv6"]["slaacs"][0]["range"] for made in zone.of_type(INSTANCE)]
    assert len(set(parts)) == 6


def test_an_address_is_kept_whatever_its_tags_say(zone: Graph) -> None:
    """Whether another tag makes another address nobody has said: unknown counts as replaced."""
    addresses = zone.of_type(RESERVED_IP)
    assert len(addresses) == 6
    assert all(list(address.request.ignoreChanges) == ["tags"] for address in addresses)


def test_what_goes_out_is_named(zone: Graph) -> None:
    """WAFs and edges reach addresses that policy gives them: at any TCP port, which their own firewall narrows."""
    for name, tcp in (
        ("maa-control", {"53", "80", "443", "9000"}),
        ("maa-web", {"1-65535"}),
        ("west-edge", {"1-65535"}),
    ):
        found = {each for rule in rules_of(zone.named(f"{name}-firewall"), "outbounds") for each in opened(rule)}
        assert found == {
            ("ICMP", None),
            *(("TCP", port) for port in tcp),
            *(("UDP", port) for port in ("53", "67", "123", "547")),
        }


def test_what_is_open_to_nobody_has_no_rule() -> None:
    text = SPEC[: SPEC.index("edge:")] + SPEC[SPEC.index("control:") :]
    (rule,) = rules_of(declared(text).named("maa-web-firewall"), "inbounds")
    assert rule["protocol"] == "ICMP"


def test_the_volume_is_told_and_the_machine_finds_it(zone: Graph) -> None:
    volume = zone.named("maa-web-1-volume")
    device = f"/dev/disk/by-id/scsi-0Linode_Volume_{volume.inputs['label']}"
    assert file_of(zone.named("maa-web-1"), "/etc/hdinfra/volume") == f"{device}\n"
    assert (volume.inputs["size"], volume.inputs["region"]) == (20, "in-maa")
    assert volume.inputs["linodeId"] == int(LINODE[INSTANCE]("maa-web-1", {})["id"])
    assert volume.request.retainOnDelete and not volume.request.deletedWith
    assert len({made.inputs["label"] for made in zone.of_type(VOLUME)}) == 2


def test_a_machine_is_made_anew_when_its_description_changes_and_then_its_old_one_goes_first(zone: Graph) -> None:
    later = Recorder()(lambda: hd.declare(plan_of(), lambda: clock() + 9))
    plan = plan_of()
    for machine in plan.machines:
        made, again = zone.named(machine.name), later.named(machine.name)
        assert again.inputs["metadatas"] != made.inputs["metadatas"]
        assert again.inputs["rootPass"] != made.inputs["rootPass"]
        assert set(made.request.ignoreChanges) == {"metadatas", "rootPass", "image"}
        assert made.request.deleteBeforeReplace and made.request.deleteBeforeReplaceDefined
        trigger = made.request.replacement_trigger.string_value
        assert trigger == description_digest(machine_of(plan.zone, machine))


def test_user_data_and_tokens_are_nowhere_in_plain(zone: Graph) -> None:
    tokens = [json.loads(file_of(made, "/etc/hdinfra/first-boot.json"))["token"] for made in zone.of_type(INSTANCE)]
    assert len(set(tokens)) == 6
    passwords = {made.inputs["rootPass"] for made in zone.of_type(INSTANCE)}
    assert len(passwords) == 6 and all(len(password) == 44 for password in passwords)
    for made in zone.resources:
        kept = {path.partition("[")[0].partition(".")[0] for path in made.secrets}
        plain = json.dumps({key: value for key, value in made.inputs.items() if key not in kept})
        assert not any(secret in plain for secret in (*tokens, *passwords)), made.urn
        assert "userData" not in plain, made.urn


def test_a_machine_is_as_planned(zone: Graph) -> None:
    plan = plan_of().instance("web").machines[0]
    made = zone.named(plan.name)
    assert (made.inputs["region"], made.inputs["type"], made.inputs["image"]) == (
        plan.region,
        plan.size.name,
        "linode/debian13",
    )
    assert made.inputs["backupsEnabled"] is True
    assert {"hdinfra-zone:india", "hdinfra-role:waf", f"hdinfra-place:{plan.place}"} < set(made.inputs["tags"])
    assert zone.named(f"{plan.place}-network-subnet").inputs["ipv4"].endswith("/21")


def test_without_snapshots_there_are_no_backups() -> None:
    graph = declared(SPEC.replace("snapshots: {every: week, keep: 2}\n", ""))
    assert {made.inputs["backupsEnabled"] for made in graph.of_type(INSTANCE)} == {False}


def test_bundles_lie_in_a_bucket_that_nobody_lists(zone: Graph) -> None:
    bundles = zone.of_type(OBJECT)
    assert {made.name for made in bundles} == {f"bom-bundle-{role}" for role in ("control", "load-balancer", "waf")}
    (bucket,) = zone.of_type(BUCKET)
    assert (bucket.inputs["acl"], bucket.inputs["region"]) == ("private", "in-bom-2")
    host = LINODE[BUCKET](bucket.name, bucket.inputs)["hostname"]
    assert f"https://{host}/{zone.named('bom-bundle-waf').inputs['key']}" in str(told(zone.named("maa-web-1")))


def test_a_region_without_object_storage_keeps_its_bundles_near() -> None:
    graph = declared(SPEC.replace("region: in-bom-2", "region: ap-west").replace("west, provider", "w, provider"))
    (bucket,) = graph.of_type(BUCKET)
    assert (bucket.name, bucket.inputs["region"]) == ("bom-bundles", "in-bom-2")
    known = set(load_catalogue().region_names(Provider.LINODE))
    assert {*BUCKETS, *BUCKETS.values()} <= known and not BUCKETS.keys() & set(BUCKETS.values())


def test_two_stacks_in_one_account_never_meet(zone: Graph) -> None:
    other = declared(record=Recorder(stack="other"))
    labels = [{made.inputs["label"] for made in ours(graph) if "label" in made.inputs} for graph in (zone, other)]
    assert labels[0] and not labels[0] & labels[1]


def test_another_network_is_a_subnet_that_can_stand_beside_the_old_one(zone: Graph) -> None:
    moved = declared(SPEC.replace("region: in-maa, waivers", "region: in-maa, ipv4: 192.168.64.0/21, waivers"))
    before, after = (graph.named("maa-network-subnet").inputs for graph in (zone, moved))
    assert (before["ipv4"] != after["ipv4"], before["label"] != after["label"]) == (True, True)
    assert zone.named("maa-network").inputs["label"] == moved.named("maa-network").inputs["label"]


def test_long_names_are_cut_and_stay_apart() -> None:
    cluster, instance = "c" * 31, "i" * 28
    text = SPEC.replace("name: maa,", f"name: {cluster}1,").replace("name: bom,", f"name: {cluster}2,")
    text = text.replace("name: web", f"name: {instance}")
    graph = declared(text, Recorder(stack="s" * 90, project="p_-" * 30))
    labelled = [made for made in ours(graph) if "label" in made.inputs]
    assert len({(made.type, made.inputs["label"]) for made in labelled}) == len(labelled) > 20
    assert broken(graph) == set()


def test_a_machine_without_address_or_firewall_is_no_machine() -> None:
    ground = Ground("maa", LinodeCloud(), Scope("p", "s", "n", "india"), provider=None)  # type: ignore[arg-type]
    user_data: Any = "#cloud-config"
    with pytest.raises(ValueError, match="no address, no firewall or no network"):
        LinodeCloud().machine(plan_of().machines[0], Boot(user_data, "", "", ()), ground, pulumi.ResourceOptions())


def test_bundles_lie_nowhere_else() -> None:
    ground = Ground("maa", LinodeCloud(), Scope("p", "s", "n", "india"), provider=None)  # type: ignore[arg-type]
    store: Any = None
    with pytest.raises(TypeError, match="in a bucket"):
        LinodeCloud().bundle(bundle_of("waf"), Path(), store, ground, pulumi.ResourceOptions())


class Answering(test_stock_mocks.Echo):
    """Stock mocks that answer as Linode does."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, object]]:
        id_, outputs = super().new_resource(args)
        answer = dict(LINODE[args.typ](args.name, args.inputs)) if args.typ in LINODE else {}
        return str(answer.pop("id", id_)), {**outputs, **answer}


def test_under_stock_mocks(run: Run, monkeypatch: pytest.MonkeyPatch, zone: Graph) -> None:  # noqa: F811
    monkeypatch.setattr(test_stock_mocks, "Echo", Answering)
    plan = plan_of()
    assert run(lambda: hd.declare(plan, clock)) == zone.names
