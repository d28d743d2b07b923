"""Every row of the CIS Azure Foundations Benchmark that applies holds, and sees what breaks it."""

from typing import Any

import pytest

from hdinfra.testing import Graph, Registered
from tests.graph.cis_azure import AZURE, NETWORK
from tests.graph.clouds import graph_of, registered


@pytest.mark.parametrize("row", AZURE)
def test_cis_row_holds(azure_zone: Graph, row: str) -> None:
    assert AZURE[row](azure_zone) == []


def group(name: str, *rules: dict[str, Any]) -> Registered:
    return registered(f"{NETWORK}NetworkSecurityGroup", name, {"securityRules": rules})


def allowed(protocol: str, ports: str, source: str = "*", priority: int = 100) -> dict[str, Any]:
    return {
        "direction": "Inbound",
        "access": "Allow",
        "priority": priority,
        "protocol": protocol,
        "sourceAddressPrefix": source,
        "destinationPortRange": ports,
    }


DENIED = {**allowed("*", "*", priority=90), "access": "Deny"}
VNET = registered(f"{NETWORK}VirtualNetwork", "net", {"subnets": [{"name": "one"}]})
RULE = registered(f"{NETWORK}SecurityRule", "rule", {**allowed("Tcp", "3389", "Internet")})
SEVERAL = {
    **allowed("Tcp", ""),
    "sourceAddressPrefixes": ["192.0.2.0/24", "::/0"],
    "destinationPortRanges": ["80", "22"],
}
FACE = registered(
    f"{NETWORK}NetworkInterface", "face", {"networkSecurityGroup": {"id": "wall-id"}, "tags": {"hdinfra.role": "waf"}}
)
GATED = registered(
    f"{NETWORK}VirtualNetwork", "home", {"subnets": [{"name": "one", "networkSecurityGroup": {"id": "gate-id"}}]}
)


def log(**inputs: Any) -> Registered:
    return registered(f"{NETWORK}FlowLog", "log", {"targetResourceId": "net-id", **inputs})


BROKEN: list[tuple[str, Graph, str]] = [
    ("7.1", graph_of([group("wall", allowed("*", "3000-4000"))]), "wall"),
    ("7.1", graph_of([RULE]), "rule"),
    ("7.2", graph_of([group("wall", allowed("Tcp", "22", "0.0.0.0/0"))]), "wall"),
    ("7.2", graph_of([group("wall", SEVERAL)]), "wall"),
    ("7.2", graph_of([group("wall", allowed("Tcp", "*"), {**DENIED, "priority": 4096})]), "wall"),
    ("7.3", graph_of([group("wall", allowed("Udp", "51820", "::/0"))]), "wall"),
    (
        "7.3",
        graph_of([group("gate", allowed("Udp", "51820")), GATED, registered(f"{NETWORK}NetworkInterface", "bare", {})]),
        "gate",
    ),
    ("7.4", graph_of([group("wall", allowed("Tcp", "443")), FACE]), "face"),
    ("7.8", graph_of([VNET]), "net"),
    ("7.8", graph_of([VNET, log(enabled=False, retentionPolicy={"enabled": True, "days": 90})]), "net"),
    ("7.8", graph_of([VNET, log(enabled=True, retentionPolicy={"enabled": True, "days": 30})]), "net"),
    ("7.11", graph_of([VNET]), "net"),
    ("7.11", graph_of([registered(f"{NETWORK}Subnet", "one", {"addressPrefix": "10.0.0.0/24"})]), "one"),
]


@pytest.mark.parametrize(("row", "graph", "name"), BROKEN, ids=[f"{row}-{i}" for i, (row, *_) in enumerate(BROKEN)])
def test_cis_row_sees_what_breaks_it(row: str, graph: Graph, name: str) -> None:
    assert set(AZURE[row](graph)) == {name}


def test_every_cis_row_has_something_that_breaks_it() -> None:
    assert {row for row, *_ in BROKEN} == set(AZURE)


def test_a_rule_before_it_decides() -> None:
    graph = graph_of([group("wall", allowed("Tcp", "22"), DENIED)])
    assert [row for row, broken in AZURE.items() if broken(graph)] == []
