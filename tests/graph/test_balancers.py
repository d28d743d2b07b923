"""A place's load balancer on each cloud that has one: what it passes on to whom, and who reaches Machines behind it."""

import base64
import gzip
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import pulumi
import pytest
import yaml

import hdinfra as hd
from hdinfra.model.plan import ZonePlan
from hdinfra.testing import Graph, Recorder, Registered, wrong_inputs
from tests.graph import aws_zone, cis, hetzner_zone, rules_digitalocean, rules_hetzner, test_digitalocean
from tests.graph.clouds import SHAPES, sdk_classes
from tests.graph.specs import clock
from tests.graph.test_stock_mocks import Echo, Run, run  # noqa: F401  a fixture

BALANCED = "machines: 2, load_balancer: true"
WHY = "the other place takes over"
WORLD = {"0.0.0.0/0", "::/0"}


@dataclass(frozen=True)
class Cloud:
    """A Zone on one cloud whose `place` has two Machines behind a load balancer, and the same without one.

    `sdk`: package and module. `machine`: the type of its Machines. `health_port`: where the balancer asks.
    """

    place: str
    sdk: tuple[str, str]
    machine: str
    health_port: int
    balanced: Callable[[], ZonePlan]
    plain: Callable[[], ZonePlan]
    recorder: Callable[[], Recorder]


def _rhine(**more: Any) -> ZonePlan:
    place, other = test_digitalocean.RHINE["edge"]["places"]
    return test_digitalocean.plan_of(edge={"places": [{**place, **more}, other]})


def _balanced_rhine() -> ZonePlan:
    waivers = {**test_digitalocean.RHINE["edge"]["places"][0]["waivers"], "spread": WHY}
    return _rhine(waivers=waivers, machines=2, load_balancer=True)


DO_OUTPUTS = {"digitalocean:index/loadBalancer:LoadBalancer": lambda *_: {"ip": "203.0.113.5", "ipv6": "2001:db8::5"}}
CLOUDS = {
    "aws": Cloud(
        "par",
        ("aws", "pulumi_aws"),
        aws_zone.INSTANCE,
        80,
        lambda: aws_zone.plan_of(aws_zone.SPEC.replace("region: eu-west-3}", f"region: eu-west-3, {BALANCED}}}")),
        aws_zone.plan_of,
        lambda: Recorder(outputs=aws_zone.OUTPUTS, invokes=aws_zone.INVOKES),
    ),
    "digitalocean": Cloud(
        "lon",
        ("digitalocean", "pulumi_digitalocean"),
        "digitalocean:index/droplet:Droplet",
        80,
        _balanced_rhine,
        _rhine,
        lambda: Recorder(
            outputs={**test_digitalocean.Names().outputs(), **DO_OUTPUTS}, invokes=test_digitalocean.LOOK_UP
        ),
    ),
    "hetzner": Cloud(
        "east",
        ("hcloud", "pulumi_hcloud"),
        hetzner_zone.SERVER,
        8080,
        lambda: hetzner_zone.plan_of(hetzner_zone.SPEC.replace("region: hel1}", f"region: hel1, {BALANCED}}}")),
        hetzner_zone.plan_of,
        Recorder,
    ),
}
each_cloud = pytest.mark.parametrize("name", CLOUDS)


@cache
def balanced(name: str) -> Graph:
    """Everything that the Zone with the balancer declares, and where its edge is reached."""
    cloud = CLOUDS[name]
    plan = cloud.balanced()

    def program() -> None:
        edge = hd.declare(plan, clock).edge
        assert edge is not None
        pulumi.export("urls", [*edge.urls, *edge.https_urls])

    return cloud.recorder()(program)


@cache
def plain(name: str) -> Graph:
    """The same Zone without."""
    cloud = CLOUDS[name]
    plan = cloud.plain()
    return cloud.recorder()(lambda: hd.declare(plan, clock))


def of_the_balancer(name: str) -> list[Registered]:
    return [one for one in balanced(name).resources if one.name.startswith(f"{CLOUDS[name].place}-edge-balancer")]


def edges(name: str) -> list[Registered]:
    """The two Machines behind it."""
    cloud = CLOUDS[name]
    return [balanced(name).named(f"{cloud.place}-edge{number}", cloud.machine) for number in ("", "-2")]


def network_of(name: str) -> str:
    """The place's IPv4 network, in which its balancer is."""
    edge = CLOUDS[name].balanced().edge
    assert edge is not None
    place = edge.place(CLOUDS[name].place)
    assert place is not None
    return str(place.prefixes.ipv4)


def told(machine: Registered) -> dict[str, str]:
    """The files of its user data, however the cloud takes it."""
    raw = cis.user_data(machine) if "userDataBase64" in machine.inputs else machine.inputs["userData"]
    if not isinstance(raw, bytes) and not raw.startswith("#cloud-config"):
        raw = gzip.decompress(base64.b64decode(raw))
    return {file["path"]: file["content"] for file in yaml.load(raw, Loader=yaml.CSafeLoader)["write_files"]}


def classes_of(name: str) -> dict[str, type[pulumi.CustomResource]]:
    """Of every type of the cloud's in the graph; two of the SDKs have them all at the top."""
    package, module = CLOUDS[name].sdk
    if package == "aws":
        return sdk_classes(balanced(name), package, module)
    tokens = {one.type for one in balanced(name).resources if one.type.startswith(f"{package}:")}
    return {token: getattr(import_module(module), token.rpartition(":")[2]) for token in tokens}


@each_cloud
def test_it_keeps_the_rules_of_all_graphs(name: str) -> None:
    graph = balanced(name)
    assert (graph.duplicates(), graph.orphans(), graph.without_provider(), graph.unfinished(), graph.messages) == (
        frozenset(),
        (),
        (),
        (),
        (),
    )
    assert wrong_inputs(graph, classes_of(name)) == ()
    made = of_the_balancer(name)
    assert made and {one.provider for one in made} == {f"{CLOUDS[name].place}-provider"}
    assert {secret for one in made for secret in one.secrets} == set()


@each_cloud
def test_type_name_and_parent_are_kept(name: str) -> None:
    shape = {f"{one.type} {one.name} < {one.parent.rpartition('::')[2]}\n" for one in of_the_balancer(name)}
    assert "".join(sorted(shape)) == (SHAPES / f"{name}-balancer.txt").read_text()


@each_cloud
def test_the_first_machine_keeps_its_name_and_the_other_place_everything(name: str) -> None:
    before = {(one.type, one.name) for one in plain(name).resources}
    assert before <= {(one.type, one.name) for one in balanced(name).resources}
    (other,) = {one.name for one in plain(name).resources if one.name.endswith("-edge")} - {
        f"{CLOUDS[name].place}-edge"
    }
    there, machine = balanced(name).named(other, CLOUDS[name].machine), plain(name).named(other, CLOUDS[name].machine)
    assert there.request.replacement_trigger == machine.request.replacement_trigger


@each_cloud
def test_machines_behind_it_let_in_its_network_and_nobody_else(name: str) -> None:
    ports = ["443", "80"] if CLOUDS[name].health_port == 80 else ["443", "80", "8080"]
    for machine in edges(name):
        files = told(machine)
        rules = files["/etc/hdinfra/firewall.nft"].partition("chain forwarded")[0]
        assert re.findall(r"^\s*tcp dport (\d+) accept$", rules, re.MULTILINE) == []
        assert sorted(set(re.findall(r"saddr @balancer\d tcp dport (\d+) accept", rules))) == ports
        added = files["/etc/hdinfra/first/balancer.nft"]
        assert added == f"add element inet hdinfra balancer4 {{ {network_of(name)} }}\n"
        assert f"setenv HDINFRA_BALANCER '{network_of(name)}'\n" in files["/etc/hdinfra/haproxy.cfg"]
        own_door = "setenv HDINFRA_HEALTH_PORT 8080\n" in files["/etc/hdinfra/haproxy.cfg"]
        assert own_door == (CLOUDS[name].health_port == 8080)


def inbound(name: str) -> dict[str, set[str]]:
    """By TCP port, who is let in by the cloud's firewall of the Machines behind."""
    found: dict[str, set[str]] = {}
    place = CLOUDS[name].place
    match name:
        case "aws":
            group = balanced(name).named(f"{place}-edge-firewall").inputs
            for rule in group["ingress"]:
                if rule["protocol"] == "tcp":
                    sources = {*rule.get("cidrBlocks", ()), *rule.get("ipv6CidrBlocks", ())}
                    found.setdefault(str(rule["fromPort"]), set()).update(sources)
        case "digitalocean":
            for rule in balanced(name).named(f"{place}-edge-firewall").inputs["inboundRules"]:
                if rule["protocol"] == "tcp":
                    found.setdefault(rule["portRange"], set()).update(rule["sourceAddresses"])
        case _:
            for rule in balanced(name).named(f"{place}-edge-firewall").inputs["rules"]:
                if rule["direction"] == "in" and rule["protocol"] == "tcp":
                    found.setdefault(rule["port"], set()).update(rule["sourceIps"])
    return found


@each_cloud
def test_the_clouds_firewall_says_the_same(name: str) -> None:
    """Hetzner's does not see what comes over the network, so it has nothing to let in."""
    ports = {"80", "443"} if name != "hetzner" else set()
    assert inbound(name) == {port: {network_of(name)} for port in ports}


def test_rules_of_each_cloud_are_kept() -> None:
    assert [row for row, broken in cis.AWS.items() if broken(balanced("aws"))] == []
    assert [rule(balanced("digitalocean")) for rule in rules_digitalocean.RULES] == [()] * len(rules_digitalocean.RULES)
    assert rules_hetzner.broken(balanced("hetzner")) == set()


@each_cloud
def test_users_come_to_the_balancer_of_the_place_and_to_the_other_places_machine(name: str) -> None:
    place = CLOUDS[name].place
    match name:
        case "aws":
            kept = [balanced(name).named(f"{place}-edge-balancer-address-{number}") for number in (1, 2)]
            expected = {aws_zone.elastic(one.name, {})["publicIp"] for one in kept}
        case "digitalocean":
            expected = {"203.0.113.5"}
        case _:
            outputs = Recorder().outputs["hcloud:index/loadBalancer:LoadBalancer"]
            expected = {outputs(f"{place}-edge-balancer", {})["ipv4"]}
    urls = balanced(name).outputs["urls"]
    assert len(urls) == 2 * (len(expected) + 1) == len(set(urls))
    assert {f"{scheme}://{address}" for scheme in ("http", "https") for address in expected} < set(urls)


@each_cloud
def test_wafs_and_apis_know_every_machine_behind_it(name: str) -> None:
    control = balanced(name).named("control-policy").inputs["document"]
    waf = balanced(name).named("instance-web-policy").inputs["document"]
    assert len(waf["edges"]) == 2 * 3
    assert set(waf["edges"]) <= {caller.partition("/")[0] for caller in control["callers"]}
    members = balanced(name).named("edge-policy").inputs["members"]
    assert {f"{CLOUDS[name].place}-edge", f"{CLOUDS[name].place}-edge-2"} < members.keys()


def one_of(name: str, suffix: str = "") -> Mapping[str, Any]:
    return balanced(name).named(f"{CLOUDS[name].place}-edge-balancer{suffix}").inputs


def test_aws_has_an_address_of_each_family_in_every_zone_and_crosses_zones() -> None:
    made = one_of("aws")
    assert (made["loadBalancerType"], made["ipAddressType"], made["internal"]) == ("network", "dualstack", False)
    assert made["enableCrossZoneLoadBalancing"] is True
    assert len(made["name"]) <= 32
    for number, mapping in enumerate(made["subnetMappings"], 1):
        subnet = balanced("aws").named(f"par-network-public-{number}", "aws:ec2/subnet:Subnet").inputs
        assert mapping == {
            "subnetId": f"par-network-public-{number}-id",
            "allocationId": f"par-edge-balancer-address-{number}-id",
            "ipv6Address": subnet["ipv6CidrBlock"].replace("::/64", "::5"),
        }
    wall = one_of("aws", "-firewall")
    assert {(rule["fromPort"], *rule["cidrBlocks"], *rule["ipv6CidrBlocks"]) for rule in wall["ingress"]} == {
        (80, "0.0.0.0/0", "::/0"),
        (443, "0.0.0.0/0", "::/0"),
    }
    assert {(rule["fromPort"], *rule["cidrBlocks"]) for rule in wall["egress"]} == {
        (port, network_of("aws")) for port in (80, 443)
    }
    assert not any("ipv6CidrBlocks" in rule for rule in wall["egress"])


def test_aws_tells_the_visitor_in_a_header_and_asks_for_health() -> None:
    plans = {machine.name: machine for machine in CLOUDS["aws"].balanced().machines}
    for port in (80, 443):
        group = one_of("aws", f"-{port}")
        assert (group["protocol"], group["port"], group["targetType"]) == ("TCP", port, "ip")
        assert (group["proxyProtocolV2"], group["preserveClientIp"]) == (True, "false")
        assert group["healthCheck"] == {
            "protocol": "HTTP",
            "path": "/healthz",
            "port": "80",
            "matcher": "200",
            "interval": 5,
            "timeout": 3,
            "healthyThreshold": 2,
            "unhealthyThreshold": 2,
        }
        listener = one_of("aws", f"-{port}-listener")
        assert (listener["port"], listener["protocol"]) == (port, "TCP")
        for name in ("edge", "edge-2"):
            private = plans[f"par-{name}"].private
            assert private is not None
            assert one_of("aws", f"-{port}-{name}")["targetId"] == str(private.ipv4)


def test_aws_machines_of_a_place_stand_in_different_zones() -> None:
    assert [machine.zone for machine in CLOUDS["aws"].balanced().machines if machine.place == "par"] == [
        "eu-west-3a",
        "eu-west-3b",
    ]


def test_hetzner_keeps_both_addresses_and_reaches_servers_inside() -> None:
    made = one_of("hetzner")
    for family in ("ipv4", "ipv6"):
        kept = one_of("hetzner", f"-{family}")
        assert (kept["type"], kept["autoDelete"]) == (family, False)
    assert made["ipv4Id"] != made["ipv6Id"]
    assert (made["loadBalancerType"], made["location"]) == ("lb11", "hel1")
    assert one_of("hetzner", "-network")["ip"] == network_of("hetzner").replace(".0/21", ".5")
    for number in ("", "-2"):
        target = balanced("hetzner").named(f"east-edge-balancer-edge{number}")
        assert (target.inputs["type"], target.inputs["usePrivateIp"]) == ("server", True)
        assert {f"east-edge{number}-private", "east-edge-balancer-network"} <= target.depends_on
    servers = {one_of("hetzner", f"-edge{number}")["serverId"] for number in ("", "-2")}
    assert len(servers) == 2


def test_hetzner_passes_both_ports_on_with_a_header_and_asks_at_the_health_door() -> None:
    for port in (80, 443):
        service = one_of("hetzner", f"-{port}")
        assert (service["protocol"], service["listenPort"], service["destinationPort"]) == ("tcp", port, port)
        assert service["proxyprotocol"] is True
        assert service["healthCheck"] == {
            "protocol": "http",
            "port": 8080,
            "interval": 5,
            "timeout": 3,
            "retries": 2,
            "http": {"path": "/healthz", "statusCodes": ["200"], "tls": False},
        }


def test_digitalocean_takes_in_what_has_the_tag_of_the_edge() -> None:
    made = one_of("digitalocean")
    assert (made["type"], made["networkStack"], made["enableProxyProtocol"]) == ("REGIONAL", "DUALSTACK", True)
    for machine in edges("digitalocean"):
        assert made["dropletTag"] in machine.inputs["tags"]
    droplets = balanced("digitalocean").of_type("digitalocean:index/droplet:Droplet")
    assert len([one for one in droplets if made["dropletTag"] in one.inputs["tags"]]) == 2
    assert made["vpcUuid"] == edges("digitalocean")[0].inputs["vpcUuid"]
    assert made["forwardingRules"] == [
        {"entryPort": port, "entryProtocol": "tcp", "targetPort": port, "targetProtocol": "tcp"} for port in (80, 443)
    ]
    assert made["healthcheck"] == {
        "protocol": "http",
        "port": 80,
        "path": "/healthz",
        "checkIntervalSeconds": 5,
        "responseTimeoutSeconds": 3,
        "healthyThreshold": 2,
        "unhealthyThreshold": 2,
    }


def test_status_names_the_balancers_address() -> None:
    plan, found = CLOUDS["hetzner"].balanced(), []

    def program() -> None:
        status = hd.status_of(hd.declare(plan, clock))
        pulumi.Output.from_input(status["edge"]["urls"]).apply(found.append)

    Recorder()(program)
    assert found == [balanced("hetzner").outputs["urls"][:2]]
    assert json.dumps(found).count("203.0.113.") == 1


@each_cloud
def test_status_names_by_place_what_users_come_to_in_both_families(name: str) -> None:
    cloud, found = CLOUDS[name], []
    plan = cloud.balanced()

    def program() -> None:
        declared = hd.declare(plan, clock)
        assert declared.edge is not None
        behind = declared.edge.balancers[cloud.place]
        own = [machine for machine in declared.edge.machines.values() if machine.plan.place != cloud.place]
        pulumi.Output.all(
            pulumi.Output.from_input(hd.status_of(declared)["edge"]["addresses"]),
            pulumi.Output.all(*behind.ipv4, *behind.ipv6),
            pulumi.Output.all(own[0].ipv4, own[0].ipv6),
        ).apply(found.append)

    cloud.recorder()(program)
    told, balancer, machine = found[0]
    places = {one["place"]: one["addresses"] for one in told}
    assert places == {cloud.place: balancer, **{place: machine for place in places if place != cloud.place}}
    assert len(places) == 2
    assert all({":" in address for address in addresses} == {True, False} for addresses in places.values())


@each_cloud
def test_under_stock_mocks_that_know_addresses(
    run: Run,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    plan, recorder, echo = CLOUDS[name].balanced(), CLOUDS[name].recorder(), Echo.new_resource

    def answered(self: Echo, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, object]]:
        id_, given = echo(self, args)
        more = dict(recorder.outputs.get(args.typ, lambda *_: {})(args.name, given))
        return str(more.pop("id", id_)), {**given, **more}

    monkeypatch.setattr(Echo, "new_resource", answered)
    monkeypatch.setattr(Echo, "call", lambda _, args: dict(recorder.invokes[args.token](args.args)))
    names = run(lambda: hd.declare(plan))
    assert {f"{CLOUDS[name].place}-edge-2", f"{CLOUDS[name].place}-edge-balancer"} <= names
