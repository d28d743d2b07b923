"""Machines of a cloud without IPv6 (decision 22): the empty text travels, and nobody is sent there."""

import asyncio
import json
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any

import pytest

from hdinfra.agent import first_boot, load_balancer, look, mesh_policy, wireguard
from hdinfra.agent.endpoints import _endpoint_of
from hdinfra.agent.fields import PolicyError
from hdinfra.agent.policy import ControlPolicy, LoadBalancerPolicy, WafPolicy, parse
from hdinfra.control import peers
from hdinfra.control.settings import named_endpoints
from hdinfra.model import policy as model
from hdinfra.model.policies import control_policy, waf_policy
from hdinfra.protocol.endpoint import Endpoint
from tests.graph.specs import plan_of

BACKENDS = [
    {"name": "aws-shop-1", "cluster": "aws", "ipv4": "192.0.2.2", "ipv6": "2001:db8::2"},
    {"name": "ibm-shop-1", "cluster": "ibm", "ipv4": "192.0.2.1", "ipv6": ""},
]
SITE = {"host": "a.test", "instance": "shop", "health_path": "/health", "response_timeout_seconds": 2}
EDGE = {
    "app": "load-balancer",
    "schema_version": 1,
    "instances": [{"name": "shop", "backends": BACKENDS}],
    "sites": [SITE],
}


def edge() -> LoadBalancerPolicy:
    """As a machine reads what the model writes."""
    text = model.canonical(model.LoadBalancerPolicy.model_validate(EDGE))
    assert json.loads(text)["instances"][0]["backends"][1]["ipv6"] == ""
    read = parse(text.encode()).policy
    assert isinstance(read, LoadBalancerPolicy)
    return read


def test_an_edge_has_one_server_for_such_a_machine() -> None:
    files = load_balancer.render(edge())
    text = files["/etc/hdinfra/policy/haproxy/edge.cfg"]
    assert "server ibm-shop-1.ipv4 ipv4@192.0.2.1:80" in text and "server aws-shop-1.ipv6 ipv6@[2001:db8::2]:80" in text
    assert "ibm-shop-1.ipv6" not in text and "None" not in text
    upstreams = files["/etc/hdinfra/policy/firewall/upstreams.nft"]
    assert "192.0.2.1 . 80" in upstreams and "None" not in upstreams


def test_an_edge_tells_of_one_family(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "statistics", lambda: [])
    found = {(one["name"], one["family"]) for one in look.servers(edge())}
    assert found == {("ibm-shop-1", "ipv4"), ("aws-shop-1", "ipv4"), ("aws-shop-1", "ipv6")}


@pytest.mark.parametrize("wrong", [None, "none", "192.0.2.1"])
def test_anything_else_than_the_empty_text_is_refused(wrong: object) -> None:
    odd: dict[str, Any] = json.loads(json.dumps(EDGE))
    odd["instances"][0]["backends"][1]["ipv6"] = wrong
    with pytest.raises(PolicyError, match="ipv6"):
        parse(json.dumps(odd).encode())


def test_the_apis_of_a_control_policy_are_known_by_ipv4() -> None:
    document = control_policy(["203.0.113.0/24"], [("192.0.2.1", "")], {"ibm-control-1": ("192.0.2.9", "")})
    told = document.model_dump(mode="json")
    assert told["callers"] == ["192.0.2.1/32", "203.0.113.0/24"]
    read = parse(model.canonical(document).encode()).policy
    assert isinstance(read, ControlPolicy)
    assert _endpoint_of(read.apis[0]).addresses == ("192.0.2.9",)
    assert named_endpoints(told) == (Endpoint("ibm-control-1", "192.0.2.9", "", 9000),)


def test_the_edges_of_a_waf_are_those_that_have_an_address() -> None:
    read = parse(model.canonical(waf_policy(plan_of().instance("web"), LAB, ["192.0.2.1", ""])).encode()).policy
    assert isinstance(read, WafPolicy)
    assert read.edges == (ip_address("192.0.2.1"),)


LAB = {"acme-shop": ("192.0.2.7", "2001:db8::7"), "globex-blog": ("192.0.2.8", "2001:db8::8")}


def test_a_first_boot_asks_where_there_is_something() -> None:
    told = {"name": "ibm-control-1", "ipv4": "192.0.2.9", "ipv6": "", "port": 9000}
    assert first_boot._endpoint(told).addresses == ("192.0.2.9",)


def test_an_api_machine_asks_its_peer_over_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def connect(address: str, *_: object, **__: object) -> tuple[None, None]:
        asked.append(address)
        return None, None

    context = SimpleNamespace(load_cert_chain=lambda _: None)
    monkeypatch.setattr(peers.ssl, "create_default_context", lambda **_: context)
    monkeypatch.setattr(peers.asyncio, "open_connection", connect)
    node: Any = SimpleNamespace(settings=SimpleNamespace(root="", server=""))
    asyncio.run(peers._connected(node, Endpoint("ibm-control-1", "192.0.2.9", "", 9000)))
    assert asked == ["192.0.2.9"]


def test_a_tunnel_ends_at_ipv4_where_a_peer_has_nothing_else() -> None:
    """In the document, in the firewall's set, and whichever family is tried next."""
    inner = {"inner_ipv4": "10.0.0.1", "inner_ipv6": "fd00::1"}
    machine = {"name": "ibm-shop-1", "place": "ibm", "ipv4": "192.0.2.1", "ipv6": "", **inner}
    mesh = model.Mesh.model_validate({"version": 1, "mtu": 1380, "members": [machine], "peers": [machine]})
    assert mesh.model_dump(mode="json")["peers"][0]["ipv6"] == ""
    read = mesh_policy.mesh_policy(mesh.model_dump(mode="json"), "mesh")
    assert read.outside() == [ip_address("192.0.2.1")]
    ran: list[tuple[str, ...]] = []

    def run(command: tuple[str, ...]) -> Any:
        ran.append(command)
        return SimpleNamespace(code=0, said="")

    link: Any = SimpleNamespace(interface="mesh0", port=51_820)
    device: Any = SimpleNamespace(run=run, _tries={})
    for family in (0, 1):
        wireguard.Device._meet(device, link, "public", read.peers[0], family)
    assert [command[command.index("endpoint") + 1] for command in ran] == ["192.0.2.1:51820"] * 2
