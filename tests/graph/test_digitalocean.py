"""DigitalOcean's adapter: a whole Zone on it, recorded, as if each of its regions were an operator of its own."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pulumi_digitalocean as do
import pytest

import hdinfra as hd
from hdinfra.clouds.cloud import Boot, Ground, Scope
from hdinfra.clouds.digitalocean import DigitalOceanCloud
from hdinfra.machine.bundle import bundle_of
from hdinfra.machine.cloud_init import description_digest
from hdinfra.machine.roles import machine_of
from hdinfra.model.plan import ZonePlan
from hdinfra.model.planner import plan_zone
from hdinfra.model.regions import Catalogue, load_catalogue
from hdinfra.model.spec import ZoneSpec
from hdinfra.model.typed import validated
from hdinfra.testing import Graph, Recorder, Registered, wrong_inputs
from tests.graph import rules_digitalocean as rules
from tests.graph.specs import clock

SHAPE = Path(__file__).parent / "shapes/digitalocean.txt"
OURS = "digitalocean:index/"
IMAGE_ID = 196578
LOOK_UP = {OURS + "getImage:getImage": lambda args: {"id": IMAGE_ID, "slug": args["slug"]}}
_WHY = "nothing is kept there but logs"
_WAIVED = {"disk-encryption": _WHY, "volume-snapshots": _WHY}
RHINE: dict[str, Any] = {
    "zone": "rhine",
    "area": "europe",
    "clusters": [
        {"name": "fra", "provider": "digitalocean", "region": "fra1", "waivers": _WAIVED},
        {"name": "ams", "provider": "digitalocean", "region": "ams3", "waivers": _WAIVED},
    ],
    "instances": [{"name": "web", "memory_mib": 2048, "volume_gib": 20, "tenants": [{"name": "acme"}]}],
    "edge": {
        "places": [
            {"name": "lon", "provider": "digitalocean", "region": "lon1", "waivers": _WAIVED},
            {"name": "main", "provider": "digitalocean", "region": "fra1", "waivers": _WAIVED},
        ]
    },
    "control": {"admin_networks": ["192.0.2.0/24", "2001:db8::/48"]},
    "snapshots": {"every": "week", "keep": 4},
}
CLASSES: dict[str, type[pulumi.CustomResource]] = {
    "pulumi:providers:digitalocean": do.Provider,
    OURS + "droplet:Droplet": do.Droplet,
    OURS + "firewall:Firewall": do.Firewall,
    OURS + "reservedIp:ReservedIp": do.ReservedIp,
    OURS + "reservedIpAssignment:ReservedIpAssignment": do.ReservedIpAssignment,
    OURS + "reservedIpv6:ReservedIpv6": do.ReservedIpv6,
    OURS + "reservedIpv6Assignment:ReservedIpv6Assignment": do.ReservedIpv6Assignment,
    OURS + "spacesBucket:SpacesBucket": do.SpacesBucket,
    OURS + "spacesBucketObject:SpacesBucketObject": do.SpacesBucketObject,
    OURS + "tag:Tag": do.Tag,
    OURS + "volume:Volume": do.Volume,
    OURS + "volumeAttachment:VolumeAttachment": do.VolumeAttachment,
    OURS + "vpc:Vpc": do.Vpc,
}


def apart() -> Catalogue:
    """The shipped tables, but one operator a region: else no legal Zone lies on one provider."""
    shipped = load_catalogue()
    regions = {key: replace(one, operator=f"{one.provider}-{one.name}") for key, one in shipped.regions.items()}
    return replace(shipped, regions=regions)


def plan_of(**changes: Any) -> ZonePlan:
    """The plan of RHINE with these parts changed."""
    return plan_zone(validated(ZoneSpec, {**RHINE, **changes}), catalogue=apart())


class Names:
    """What DigitalOcean adds: numbers, names and addresses, each its own."""

    def __init__(self) -> None:
        self.given: dict[str, int] = {}

    def number(self, name: str) -> int:
        """The same for the same name."""
        return self.given.setdefault(name, len(self.given) + 1)

    def outputs(self) -> dict[str, Callable[[str, Mapping[str, Any]], Mapping[str, Any]]]:
        """By type, as the recorder takes them."""
        return {
            OURS + "droplet:Droplet": lambda name, _: {"id": str(1000 + self.number(name))},
            OURS + "reservedIp:ReservedIp": lambda name, _: {"ipAddress": f"198.51.100.{self.number(name)}"},
            OURS + "reservedIpv6:ReservedIpv6": lambda name, _: {"ip": f"2001:db8::{self.number(name):x}"},
            OURS + "tag:Tag": lambda name, _: {"name": f"{name}-12345ab"},
            OURS + "volume:Volume": lambda name, _: {"name": f"{name}-12345ab"},
            OURS + "spacesBucket:SpacesBucket": lambda name, given: {
                "name": f"{name}-12345ab",
                "bucketDomainName": f"{name}-12345ab.{given['region']}.digitaloceanspaces.com",
            },
        }


def recorded(plan: ZonePlan, **config: str) -> Graph:
    """Everything that the plan's Zone declares."""
    recorder = Recorder(config=config, outputs=Names().outputs(), invokes=LOOK_UP)
    return recorder(lambda: hd.declare(plan, clock))


@pytest.fixture(scope="module")
def rhine() -> Graph:
    """The Zone as it is."""
    return recorded(plan_of())


def theirs(graph: Graph) -> list[Registered]:
    """DigitalOcean's resources and providers."""
    return [made for made in graph.resources if made.type in CLASSES]


def droplet(graph: Graph, name: str) -> Registered:
    """A Machine's."""
    return graph.named(name, OURS + "droplet:Droplet")


def test_every_type_is_used_and_every_input_is_one(rhine: Graph) -> None:
    assert {made.type for made in rhine.resources if "digitalocean" in made.type} == CLASSES.keys()
    assert wrong_inputs(rhine, CLASSES) == ()


def test_everything_has_provider_parent_and_its_grounds_prefix(rhine: Graph) -> None:
    assert (rhine.without_provider(), rhine.orphans(), rhine.duplicates(), rhine.unfinished()) == (
        (),
        (),
        frozenset(),
        (),
    )
    assert len(theirs(rhine)) > 50
    for made in theirs(rhine):
        ground = made.name.partition("-")[0]
        assert ground in {"fra", "ams", "lon", "main"}, made.name
        assert made.is_provider or made.provider == f"{ground}-provider", made.name


def test_shape_is_kept(rhine: Graph) -> None:
    shape = "".join(f"{type_} {name} < {parent or 'stack'}\n" for type_, name, parent in rhine.shape())
    assert shape == SHAPE.read_text()


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_keeps(rhine: Graph, rule: Callable[[Graph], tuple[str, ...]]) -> None:
    assert rule(rhine) == ()


def firewall(**inputs: Any) -> Callable[[], object]:
    """A program of one firewall."""
    return lambda: do.Firewall("bad", **inputs)


def bare(**inputs: Any) -> Callable[[], object]:
    """A program of one Droplet."""
    return lambda: do.Droplet("bad", image="debian-13-x64", size="s-1vcpu-1gb", **inputs)


def rule_of(protocol: str, port: str, *sources: str) -> dict[str, Any]:
    """An inbound rule."""
    return {"protocol": protocol, "port_range": port, "source_addresses": list(sources)}


def out(protocol: str, port: str) -> dict[str, Any]:
    """An outbound rule to the world."""
    return {"protocol": protocol, "port_range": port, "destination_addresses": ["0.0.0.0/0", "::/0"]}


BAD: list[tuple[Callable[[Graph], tuple[str, ...]], Callable[[], object]]] = [
    (rules.open_to_the_world, firewall(inbound_rules=[rule_of("tcp", "22", "0.0.0.0/0", "::/0")])),
    (rules.open_to_the_world, firewall(inbound_rules=[rule_of("tcp", "3389", "::/0", "192.0.2.1")])),
    (rules.open_to_the_world, firewall(inbound_rules=[rule_of("tcp", "1-65535", "0.0.0.0/0", "::/0")])),
    (rules.open_to_the_world, firewall(inbound_rules=[rule_of("udp", "80", "0.0.0.0/0", "::/0")])),
    (rules.one_family_alone, firewall(inbound_rules=[rule_of("tcp", "80", "0.0.0.0/0")])),
    (rules.one_family_alone, firewall(inbound_rules=[rule_of("tcp", "80", "::/0")])),
    (rules.wide_way_out, firewall(outbound_rules=[out("udp", "1-65535")])),
    (rules.wide_way_out, firewall(outbound_rules=[out("tcp", "22")])),
    (rules.behind_no_firewall, bare(tags=["alone"])),
    (rules.another_way_in, bare(droplet_agent=False, ssh_keys=["1"])),
    (rules.another_way_in, bare()),
    (rules.told_in_plain, bare(user_data="#cloud-config")),
    (rules.listed_by_anybody, lambda: do.SpacesBucket("bad", acl="public-read")),
    (
        rules.listed_by_anybody,
        lambda: do.SpacesBucketObject("bad", bucket="b", key="secrets", region="fra1", acl="public-read"),
    ),
]


@pytest.mark.parametrize(("rule", "program"), BAD, ids=[rule.__name__ for rule, _ in BAD])
def test_reports(rule: Callable[[Graph], tuple[str, ...]], program: Callable[[], object]) -> None:
    assert rule(Recorder()(program)) == ("bad",)


def test_every_rule_has_something_that_breaks_it() -> None:
    assert {rule for rule, _ in BAD} == set(rules.RULES)


def test_a_firewall_lets_in_whom_the_machines_own_does(rhine: Graph) -> None:
    def inbound(name: str) -> dict[str, set[str]]:
        rows = rhine.named(f"{name}-firewall").inputs["inboundRules"]
        return {row.get("portRange", row["protocol"]): set(row["sourceAddresses"]) for row in rows}

    kept = {made.name: made for made in rhine.of_type(OURS + "reservedIp:ReservedIp")}
    assert len(kept) == 6
    open_ = {"icmp": rules.WORLD, "80": rules.WORLD, "443": rules.WORLD}
    assert inbound("lon-edge") == inbound("main-edge") == open_
    edges = inbound("fra-web")["80"]
    assert inbound("fra-web") == {"icmp": rules.WORLD, "80": edges}
    assert sorted(":" in address for address in edges) == [False, False, True, True]
    callers = inbound("ams-control")["9000"]
    assert edges < callers
    assert {"192.0.2.0/24", "2001:db8::/48"} < callers
    assert len(callers) == 2 * 6 + 2


def test_what_is_open_to_nobody_has_no_rule() -> None:
    graph = recorded(plan_of(edge=None))
    (rule,) = graph.named("fra-web-firewall").inputs["inboundRules"]
    assert rule["protocol"] == "icmp"


def test_only_proxies_have_all_of_tcp_outward(rhine: Graph) -> None:
    def tcp(name: str) -> list[str]:
        rows = rhine.named(f"{name}-firewall").inputs["outboundRules"]
        return [row["portRange"] for row in rows if row["protocol"] == "tcp"]

    assert tcp("fra-web") == tcp("lon-edge") == ["1-65535"]
    assert tcp("fra-control") == ["53", "80", "443", "9000"]


def test_a_droplet_is_never_without_its_firewall(rhine: Graph) -> None:
    tags = droplet(rhine, "fra-web-1").request.propertyDependencies["tags"].urns
    assert {"fra-web-tag", "fra-web-firewall"} < {urn.rpartition("::")[2] for urn in tags}


def test_a_machine_is_as_planned(rhine: Graph) -> None:
    plan = plan_of().instance("web").machines[0]
    made = droplet(rhine, plan.name)
    assert made.inputs["image"] == str(IMAGE_ID)
    assert (made.inputs["name"], made.inputs["region"]) == (plan.name, plan.region)
    assert made.inputs["size"] == plan.size.name
    assert (made.inputs["ipv6"], made.inputs["vpcUuid"]) == (True, f"{plan.place}-network-id")
    assert (made.inputs["backups"], made.inputs["backupPolicy"]) == (
        True,
        {"plan": "weekly", "weekday": "SUN", "hour": 4},
    )
    tags = {"hdinfra-zone:rhine", "hdinfra-role:waf", f"hdinfra-place:{plan.place}", "hdinfra-project:project"}
    assert tags < set(made.inputs["tags"])
    assert rhine.named(f"{plan.place}-network").inputs["ipRange"].endswith("/21")


def test_daily_backups_and_none() -> None:
    daily = recorded(plan_of(snapshots={"every": "day", "keep": 7}))
    assert droplet(daily, "fra-web-1").inputs["backupPolicy"] == {"plan": "daily", "hour": 4}
    none = recorded(plan_of(snapshots=None))
    assert droplet(none, "fra-web-1").inputs["backups"] is False
    assert "backupPolicy" not in droplet(none, "fra-web-1").inputs


def test_a_new_machine_is_made_for_another_description_alone(rhine: Graph) -> None:
    plan = plan_of()
    for machine in plan.machines:
        request = droplet(rhine, machine.name).request
        assert list(request.ignoreChanges) == ["userData"]
        assert request.replacement_trigger.string_value == description_digest(machine_of(plan.zone, machine))
        assert not request.deleteBeforeReplace


def test_user_data_is_plain_text_and_secret_and_nowhere_else(rhine: Graph) -> None:
    told = [made.inputs["userData"] for made in rhine.of_type(OURS + "droplet:Droplet")]
    assert len(told) == 6
    assert all(text.startswith("#cloud-config\n") and len(text.encode()) < 65_536 for text in told)
    for made in theirs(rhine):
        others = {name: value for name, value in made.inputs.items() if name != "userData"}
        assert "enrol" not in json.dumps(others), made.name


def test_an_address_is_there_before_its_machine_and_moves(rhine: Graph) -> None:
    for family, key in (("ipv4", "ipAddress"), ("ipv6", "ip")):
        kept, moved = rhine.named(f"fra-web-1-{family}"), rhine.named(f"fra-web-1-{family}-assignment")
        assert not any("fra-web-1" in urn for urn in kept.request.dependencies)
        assert kept.name in {urn.rpartition("::")[2] for urn in moved.request.propertyDependencies[key].urns}
        assert isinstance(moved.inputs["dropletId"], int)
        assert moved.request.deletedWith == droplet(rhine, "fra-web-1").urn
        assert not moved.request.deleteBeforeReplace


def test_an_address_is_given_up_after_its_machine(rhine: Graph) -> None:
    tags = droplet(rhine, "fra-web-1").request.propertyDependencies["tags"].urns
    assert {"fra-web-1-ipv4", "fra-web-1-ipv6"} < {urn.rpartition("::")[2] for urn in tags}


def test_policy_waits_until_a_machine_has_its_addresses(rhine: Graph) -> None:
    waits = rhine.named("instance-web-policy").request.propertyDependencies["generations"].urns
    assert {"fra-web-1-ipv4-assignment", "fra-web-1-ipv6-assignment"} <= {urn.rpartition("::")[2] for urn in waits}
    assert not any("attachment" in urn for urn in waits)


def test_a_volume_outlives_its_machine_and_its_place_in_the_spec(rhine: Graph) -> None:
    volume, attachment = rhine.named("fra-web-1-volume"), rhine.named("fra-web-1-attachment")
    assert (volume.inputs["size"], volume.request.retainOnDelete) == (20, True)
    assert "droplet" not in str(volume.request.dependencies)
    assert attachment.request.deleteBeforeReplace
    assert not attachment.request.deletedWith
    device = "/dev/disk/by-id/scsi-0DO_Volume_fra-web-1-volume-12345ab"
    assert device in droplet(rhine, "fra-web-1").inputs["userData"]


def test_long_names_fit_into_a_volumes_64_characters() -> None:
    clusters = [{**one, "name": f"{one['name']}-of-a-long-name-here"} for one in RHINE["clusters"]]
    names = [f"{'i' * 30}{number}x" for number in (1, 2)]
    instances = [{**RHINE["instances"][0], "name": name} for name in names]
    graph = recorded(plan_of(clusters=clusters, instances=instances))
    volumes = {made.name for made in graph.of_type(OURS + "volume:Volume")}
    assert len(volumes) == 4
    assert all(len(f"{name}-1234567") <= 64 and name.startswith(("fra-of-", "ams-of-")) for name in volumes)


def test_bundles_lie_in_a_space_that_nobody_lists(rhine: Graph) -> None:
    bundles = rhine.of_type(OURS + "spacesBucketObject:SpacesBucketObject")
    assert {made.name for made in bundles} == {f"ams-bundle-{role}" for role in ("control", "load-balancer", "waf")}
    (bucket,) = rhine.of_type(OURS + "spacesBucket:SpacesBucket")
    assert (bucket.inputs["acl"], bucket.inputs["region"]) == ("private", "ams3")
    pinned = f"https://ams-bundles-12345ab.ams3.digitaloceanspaces.com/{rhine.named('ams-bundle-waf').inputs['key']}"
    assert pinned in droplet(rhine, "fra-web-1").inputs["userData"]


def test_new_york_without_spaces_keeps_its_bundles_in_new_york() -> None:
    clusters = [{**RHINE["clusters"][0], "name": "nyc", "region": "nyc1"}, {**RHINE["clusters"][1], "region": "tor1"}]
    clusters[1]["name"] = "tor"
    graph = recorded(plan_of(area="north-america", clusters=clusters, edge=None))
    (bucket,) = graph.of_type(OURS + "spacesBucket:SpacesBucket")
    assert (bucket.name, bucket.inputs["region"]) == ("nyc-bundles", "nyc3")


@pytest.mark.usefixtures("stock_mocks")
def test_stands_under_stock_mocks() -> None:
    outputs, names = Names().outputs(), set()

    class Stock(pulumi.runtime.Mocks):
        def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, object]]:
            names.add(args.name)
            added = dict(outputs[args.typ](args.name, args.inputs)) if args.typ in outputs else {}
            return str(added.pop("id", f"{args.name}-id")), {**args.inputs, **added}

        def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, object], list[tuple[str, str]] | None]:
            return LOOK_UP[args.token](args.args), []

    plan = plan_of()
    pulumi.runtime.set_mocks(Stock())
    pulumi.runtime.test(lambda: hd.declare(plan))()
    assert {machine.name for machine in plan.machines} < names


def test_a_machine_without_address_or_firewall_is_no_machine() -> None:
    plan = plan_of().machines[0]
    ground = Ground("fra", DigitalOceanCloud(), Scope("p", "s", "n", "rhine"), provider=None)  # type: ignore[arg-type]
    user_data: Any = "#cloud-config"
    boot = Boot(user_data, "", "", ())
    with pytest.raises(ValueError, match="no address or no firewall"):
        DigitalOceanCloud().machine(plan, boot, ground, pulumi.ResourceOptions())


def test_bundles_lie_nowhere_else() -> None:
    ground = Ground("fra", DigitalOceanCloud(), Scope("p", "s", "n", "rhine"), provider=None)  # type: ignore[arg-type]
    store: Any = None
    with pytest.raises(TypeError, match="in a Space"):
        DigitalOceanCloud().bundle(bundle_of("waf"), Path(), store, ground, pulumi.ResourceOptions())
