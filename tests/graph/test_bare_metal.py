"""What servers of one's own register: one resource each, under the Zone's control plane, that no input but its name
makes anew."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_interface
from typing import Any

import pulumi
import pytest

import hdinfra as hd
from hdinfra.components.bare_metal import BmcAccess
from hdinfra.machine.first_boot import FIRST_BOOT_PATH
from hdinfra.machine.metal.nut import password
from hdinfra.machine.metal.profile import PROFILE_PATH
from hdinfra.model.power import Battery, HostPower, Pace, Supply
from hdinfra.model.server import Addresses, Bonding, Disk, Link, ServerPlan
from hdinfra.model.typed import validated
from hdinfra.plugins.metal import resources
from hdinfra.protocol.order import unpacked
from hdinfra.protocol.token import read
from hdinfra.testing import Graph, Recorder, Registered, wrong_inputs
from tests.engine.replacements import is_stateful
from tests.graph.preview import REPLACE, UPDATE, Previewer, Step
from tests.graph.specs import clock, plan_of
from tests.graph.test_stock_mocks import Echo

SERVER = "hdmetal:index:Server"
SDK = {SERVER: resources.Server, "pulumi:providers:hdmetal": resources.Provider}
OUTPUTS = {SERVER: lambda name, _: {"installed": "ab" * 32, "key": f"{name}-key", "failures": []}}
CONFIG = {"hdinfra:namespace": "hd-test"}
MEDIA = hd.VirtualMedia("/srv/hdinfra/installer", {"serve": {"address": "192.0.2.5"}})
PLAN = ServerPlan(
    "rack1-srv1",
    (Disk("S1AAA", 228_936), Disk("S2BBB", 228_936)),
    (Link("52:54:00:00:00:01", "lan0"), Link("52:54:00:00:00:02", "lan1")),
    Addresses(
        ip_interface("192.0.2.10/24"),
        ip_address("192.0.2.1"),
        ip_interface("2001:db8::10/64"),
        ip_address("fe80::1"),
        (ip_address("192.0.2.53"),),
    ),
    swap_mib=4096,
)
BMC = BmcAccess("https://198.51.100.5", "operator", "recorded password", fingerprint="cd" * 32)
TUNNEL = {
    "tunnel": "paris",
    "package": {"url": "https://pkg.example.com/cloudflared.deb", "sha256": "d" * 64},
    "uplinks": [{"name": "north", "interface": "bond0", "address": "192.0.2.10", "gateway": "192.0.2.1"}],
}
Given = dict[str, Any]


def program(profile: Given | None = None, **server: Any) -> Callable[[], None]:
    """The local Zone with one server; `profile` and `server` are arguments that are not as usual."""

    def declared() -> None:
        zone = hd.Zone("local", hd.ZoneArgs(plan=plan_of(), clock=clock))
        common = {"zone": zone, "installer": MEDIA, **(profile or {})}
        metal = hd.BareMetalProfile("metal", hd.BareMetalProfileArgs(**common))
        usual = {"profile": metal, "server": PLAN, "role": "waf", "place": "a", "bmc": BMC}
        hd.BareMetalServer("a-rack1-srv1", hd.BareMetalServerArgs(**{**usual, **server}))

    return declared


@pytest.fixture(scope="module")
def graph() -> Graph:
    return Recorder(config=CONFIG, outputs=OUTPUTS)(program())


def server_of(graph: Graph) -> Registered:
    (found,) = graph.of_type(SERVER)
    return found


def test_a_server_is_one_resource_under_what_servers_have_in_common(graph: Graph) -> None:
    server = server_of(graph)
    assert (server.name, server.provider) == ("a-rack1-srv1-server", "metal-provider")
    (component,) = graph.of_type("hdinfra:index:BareMetalServer")
    assert graph.parent(server) == component and component.name == "a-rack1-srv1"
    assert {"metal", "metal-provider"} <= set(graph.names)


def test_it_keeps_the_rules_of_all_components(graph: Graph) -> None:
    assert graph.duplicates() == frozenset() and graph.orphans() == ()
    assert graph.without_provider() == () and graph.unfinished() == ()
    assert wrong_inputs(graph, SDK) == ()


def test_what_is_secret_is_secret_and_the_rest_can_be_read(graph: Graph) -> None:
    server = server_of(graph)
    assert server.secrets == {"bmc", "order", "report"}
    assert "recorded password" not in json.dumps({k: v for k, v in server.inputs.items() if k not in server.secrets})
    assert server.inputs["bmc"] == {
        "address": "https://198.51.100.5",
        "username": "operator",
        "password": "recorded password",
        "fingerprint": "cd" * 32,
    }


def test_it_is_told_its_zone_and_reports_what_it_was_installed_from(graph: Graph) -> None:
    server = server_of(graph)
    order = unpacked(base64.b64decode(server.inputs["order"]))
    boot = json.loads(order.laid[FIRST_BOOT_PATH][0])
    token = read(boot["token"], boot["signer"], "local", clock())
    assert (token.machine, token.role) == (PLAN.name, "waf")
    assert token.life_seconds == 900 + 3_600, "a quarter of an hour beyond what a report is waited for"
    assert order.laid[PROFILE_PATH][0].decode().strip() == server.inputs["profile"]
    assert order.laid[FIRST_BOOT_PATH][1] == 0o600
    report = server.inputs["report"]
    assert report["machine"] == PLAN.name and report["adminToken"] == "recorded token"
    assert {endpoint["name"] for endpoint in report["endpoints"]} == {"a-control-1", "b-control-1"}
    assert server.inputs["expect"] == {"macs": ["52:54:00:00:00:01", "52:54:00:00:00:02"]}


def test_no_order_lets_disks_be_overwritten_and_what_is_named_is_for_the_plugin(graph: Graph) -> None:
    asked = Recorder(config=CONFIG, outputs=OUTPUTS)(program(reinstall="iron-1", overwrite=("S2AAA",)))
    orders = [unpacked(base64.b64decode(server_of(each).inputs["order"])) for each in (graph, asked)]
    assert [(order.wipe, order.overwrite) for order in orders] == [(False, ())] * 2
    assert [server_of(each).inputs.get("overwrite") for each in (graph, asked)] == [None, ["S2AAA"]]


def test_disks_of_unequal_size_are_taken_and_said(graph: Graph) -> None:
    unequal = replace(PLAN, disks=(PLAN.disks[0], Disk("S2BBB", 228_000)))
    said = Recorder(config=CONFIG, outputs=OUTPUTS)(program(server=unequal)).messages
    assert graph.messages == () and any("uses 228,000 MiB of each" in str(message) for message in said)


def test_from_the_network_nothing_is_inserted() -> None:
    server = server_of(Recorder(config=CONFIG, outputs=OUTPUTS)(program({"installer": hd.Pxe()})))
    assert server.inputs["boot"] == "pxe" and {"order", "image", "media"}.isdisjoint(server.inputs)


def test_a_role_whose_code_lies_nowhere_is_refused_by_name() -> None:
    with pytest.raises(pulumi.RunError, match=r"fix: write one of .*waf"):
        Recorder(config=CONFIG, outputs=OUTPUTS)(program(role="ddos"))


def steps(profile: Given | None = None, **server: Any) -> list[Step]:
    """What the next preview does to a stack with one server, after this change."""
    previewer = Previewer(config=CONFIG, outputs=OUTPUTS)
    return [step for step in previewer.steps(program(profile, **server), previewer(program())) if step.type == SERVER]


def on_batteries() -> HostPower:
    """The server's part of a site with one battery, at its own cable."""
    own = PLAN.network
    supply = Supply("ups-red", 2, PLAN.name, own.ipv4.ip, own.ipv6.ip, 40)
    battery = Battery("ups-red", "usbhid-ups", "auto", None, 300)
    return HostPower(PLAN.name, own.ipv4.ip, own.ipv6.ip, (battery,), (supply,), (), (), (), 0, Pace())


FLIPS: dict[str, Given] = {
    "another disk": {"server": replace(PLAN, disks=(PLAN.disks[0], Disk("S3", 228_936)))},
    "a spare disk": {"server": replace(PLAN, spare_disks=(Disk("S3", 228_936),))},
    "another card": {"server": replace(PLAN, links=(PLAN.links[0], Link("52:54:00:00:00:09", "lan1")))},
    "LACP": {"server": replace(PLAN, bonding=Bonding.LACP)},
    "more swap": {"server": replace(PLAN, swap_mib=8192)},
    "another /boot": {"server": replace(PLAN, boot_mib=2048)},
    "another ESP": {"server": replace(PLAN, esp_mib=1024)},
    "another address": {"server": replace(PLAN, network=replace(PLAN.network, ipv4=ip_interface("192.0.2.11/24")))},
    "another role": {"role": "load-balancer"},
    "another place": {"place": "b"},
    "a tenant": {"tenant": "initech"},
    "another BMC address": {"bmc": replace(BMC, address="https://198.51.100.6")},
    "another password": {"bmc": replace(BMC, password="changed")},
    "an authority": {"bmc": replace(BMC, fingerprint=None, ca="PEM")},
    "a model": {"model": "PowerEdge R650"},
    "a serial": {"serial": "7XK2"},
    "reinstall": {"reinstall": "2026-11-29, new disks"},
    "overwrite": {"overwrite": (PLAN.disks[0].serial,)},
    "off": {"on_delete": "power-off"},
    "batteries": {"power": on_batteries(), "power_secret": "a site's secret that is long enough"},
    "a tunnel": {"tunnel": validated(hd.TunnelPlan, TUNNEL), "tunnel_token": "recorded tunnel token"},
    "wipe": {"on_delete": "wipe", "confirm_wipe": PLAN.name},
    "from the network": {"profile": {"installer": hd.Pxe()}},
    "another image": {"profile": {"installer": replace(MEDIA, image="/srv/hdinfra/next")}},
    "patience": {"profile": {"wait_seconds": 7_200}},
}
"""Each argument with another legal value."""


def test_every_argument_has_a_flip() -> None:
    flipped = {name for flip in FLIPS.values() for name in flip} - {"profile"}
    assert set(hd.BareMetalServerArgs.__dataclass_fields__) - {"profile"} == flipped
    told = {name for flip in FLIPS.values() for name in flip.get("profile", {})}
    assert set(hd.BareMetalProfileArgs.__dataclass_fields__) - {"zone"} == told
    plans = [flip["server"] for flip in FLIPS.values() if "server" in flip]
    changed = {
        name for name in ServerPlan.__dataclass_fields__ for plan in plans if getattr(plan, name) != getattr(PLAN, name)
    }
    assert changed == set(ServerPlan.__dataclass_fields__) - {"name"}


@pytest.mark.parametrize("flip", sorted(FLIPS))
def test_no_input_makes_a_server_anew(flip: str) -> None:
    given = dict(FLIPS[flip])
    deeds = [step.deed for step in steps(given.pop("profile", None), **given)]
    assert deeds in ([], [UPDATE]), flip


def test_another_server_is_another_server() -> None:
    assert is_stateful(SERVER)
    assert [step.deed for step in steps(server=replace(PLAN, name="rack1-srv9"))] == [REPLACE]


def test_the_same_program_changes_nothing() -> None:
    assert steps() == []


def test_under_stock_mocks(stock_mocks: None) -> None:  # noqa: ARG001  a loop, and closed again
    mocks = Echo()
    pulumi.runtime.set_mocks(mocks)
    pulumi.runtime.test(program())()
    assert {"metal", "metal-provider", "a-rack1-srv1", "a-rack1-srv1-server"} <= mocks.names


def test_a_server_on_batteries_is_told_of_them_in_secret() -> None:
    secret = "a site's secret that is long enough"
    graph = Recorder(config=CONFIG, outputs=OUTPUTS)(program(power=on_batteries(), power_secret=secret))
    server = server_of(graph)
    order = unpacked(base64.b64decode(server.inputs["order"]))
    content, mode = order.laid["/etc/nut/upsmon.conf"]
    assert mode == 0o600
    shown = password(secret, PLAN.name, PLAN.name)
    assert f"MONITOR ups-red@localhost 2 {PLAN.name} {shown} primary".encode() in content
    assert "nut-server" in order.laid["/etc/hdinfra/packages"][0].decode().split()
    rest = json.dumps({name: value for name, value in server.inputs.items() if name not in server.secrets})
    assert shown not in rest
    assert secret not in json.dumps(server.inputs)


@pytest.mark.parametrize("secret", [None, "short"])
def test_a_server_on_batteries_without_a_secret_is_refused(secret: str | None) -> None:
    with pytest.raises(Exception, match="power_secret"):
        Recorder(config=CONFIG, outputs=OUTPUTS)(program(power=on_batteries(), power_secret=secret))


def test_a_server_in_a_tunnel_is_told_its_token_in_its_order_alone() -> None:
    plan = validated(hd.TunnelPlan, TUNNEL)
    graph = Recorder(config=CONFIG, outputs=OUTPUTS)(program(tunnel=plan, tunnel_token="recorded tunnel token"))
    server = server_of(graph)
    order = unpacked(base64.b64decode(server.inputs["order"]))
    assert order.laid["/etc/hdinfra/tunnel/token"] == (b"recorded tunnel token\n", 0o600)
    assert b"TUNNEL_EDGE_BIND_ADDRESS=192.0.2.10" in order.laid["/etc/hdinfra/tunnel/north.env"][0]
    assert "order" in server.secrets
    assert "recorded tunnel token" not in json.dumps(server.inputs)


def test_a_server_in_a_tunnel_without_a_token_is_refused() -> None:
    plan = validated(hd.TunnelPlan, TUNNEL)
    with pytest.raises(Exception, match=r"tunnel_token=edge.tunnels\['paris'\].token"):
        Recorder(config=CONFIG, outputs=OUTPUTS)(program(tunnel=plan))
