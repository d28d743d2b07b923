"""Every row of the CIS benchmark of Google Cloud that applies holds, and sees what breaks it."""

from collections.abc import Iterator
from typing import Any

import pytest

from hdinfra.testing import Graph, Registered
from tests.graph import cis_gcp as cis
from tests.graph import gcp_zone as gcp
from tests.graph.clouds import graph_of, registered

FIREWALL, SUBNET = "gcp:compute/firewall:Firewall", "gcp:compute/subnetwork:Subnetwork"
DENIED = {"network": "net-id", "denies": [{"protocol": "all"}]}
NET = registered(SUBNET, "subnet", {"network": "net-id", "logConfig": {"aggregationInterval": "INTERVAL_5_SEC"}})


@pytest.mark.parametrize("row", cis.GCP)
def test_cis_row_holds(gcp_zone: Graph, row: str) -> None:
    assert cis.GCP[row](gcp_zone) == []


def test_there_is_something_to_hold_each_row_against(gcp_zone: Graph) -> None:
    assert len(gcp.instances(gcp_zone)) == 9
    assert len(gcp_zone.of_type(FIREWALL)) > 20 and len(gcp_zone.of_type(cis.DISK)) == 4


def test_without_an_own_key_disks_have_googles() -> None:
    """Row 4.7 is held where the account names a key; without, `disk-encryption` is Google's own."""
    plain = gcp.SPEC.replace(", account: main", "")
    assert set(cis.own_keys(gcp.declared(gcp.plan_of(plain)))) >= {"fra-web-1", "fra-web-1-volume"}


def rule(name: str = "rule", **inputs: Any) -> Graph:
    """A firewall rule that lets in by TCP."""
    return graph_of([registered(FIREWALL, name, {"direction": "INGRESS", **inputs})])


def instance(*also: Registered, **inputs: Any) -> Graph:
    """An instance, and what it stands beside."""
    return graph_of([*also, registered(cis.INSTANCE, "machine", inputs)])


def all_denied() -> Iterator[Registered]:
    """As our networks are."""
    for way, ranges in (("INGRESS", "sourceRanges"), ("EGRESS", "destinationRanges")):
        for world in ("0.0.0.0/0", "::/0"):
            yield registered(FIREWALL, f"{way} {world}", {**DENIED, "direction": way, ranges: [world]})


SSH = [{"protocol": "tcp", "ports": ["20-30"]}]
RDP = [{"protocol": "all"}]
PUBLIC = [{"subnetwork": "subnet-id", "accessConfigs": [{"natIp": "192.0.2.1"}]}]
TAGGED = registered(FIREWALL, "let-in", {"targetTags": ["web"], "sourceRanges": ["192.0.2.1/32"]})
FULL = "https://www.googleapis.com/auth/cloud-platform"
DEFAULT = "123456-compute@developer.gserviceaccount.com"
BROKEN: list[tuple[str, Graph, str]] = [
    ("3.6", rule(allows=SSH, sourceRanges=["0.0.0.0/0"]), "rule"),
    ("3.6", rule(allows=SSH, sourceRanges=["192.0.2.1/32", "::/0"]), "rule"),
    ("3.6", rule(allows=SSH), "rule"),
    ("3.7", rule(allows=RDP, sourceRanges=["::/0"]), "rule"),
    ("3.7", rule(allows=[{"protocol": "udp", "ports": ["3389"]}], sourceRanges=["0.0.0.0/0"]), "rule"),
    ("3.8", graph_of([registered(SUBNET, "subnet", {})]), "subnet"),
    ("3.8", graph_of([NET]), "subnet"),
    ("4.1", instance(serviceAccount={"scopes": ["logging-write"]}), "machine"),
    ("4.1", instance(serviceAccount={"email": DEFAULT, "scopes": []}), "machine"),
    ("4.2", instance(serviceAccount={"email": "own@acme.iam.gserviceaccount.com", "scopes": [FULL]}), "machine"),
    ("4.3", instance(metadata={}), "machine"),
    ("4.4", instance(metadata={"enable-oslogin": "FALSE"}), "machine"),
    ("4.5", instance(metadata={"serial-port-enable": "TRUE"}), "machine"),
    ("4.5", instance(metadata={}), "machine"),
    ("4.6", instance(canIpForward=True), "machine"),
    ("4.7", instance(bootDisk={"initializeParams": {}}), "machine"),
    ("4.7", graph_of([registered(cis.DISK, "disk", {"size": 20})]), "disk"),
    ("4.8", instance(shieldedInstanceConfig={"enableVtpm": True}), "machine"),
    ("4.9", instance(NET, TAGGED, networkInterfaces=PUBLIC, tags=["web"]), "machine"),
    ("4.9", instance(NET, TAGGED, *all_denied(), networkInterfaces=PUBLIC, tags=["other"]), "machine"),
]


@pytest.mark.parametrize(("row", "graph", "name"), BROKEN, ids=[f"{row}-{i}" for i, (row, *_) in enumerate(BROKEN)])
def test_cis_row_sees_what_breaks_it(row: str, graph: Graph, name: str) -> None:
    assert set(cis.GCP[row](graph)) == {name}


def test_what_is_closed_breaks_nothing() -> None:
    kept = instance(NET, TAGGED, *all_denied(), networkInterfaces=PUBLIC, tags=["web"])
    assert cis.public_addresses(kept) == []
    assert cis.ssh(rule(allows=SSH, sourceRanges=["0.0.0.0/0"], disabled=True)) == []


def test_every_cis_row_has_something_that_breaks_it() -> None:
    assert {row for row, *_ in BROKEN} == set(cis.GCP)
