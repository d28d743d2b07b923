"""Zones know nothing of one another: no secret, token, address or name is in the inputs of two of them."""

import base64
import gzip
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from hdinfra.testing import Graph
from tests.graph.bases import BASES, WORLD
from tests.graph.twins import Told, addresses_of, first_of, names_of, other_of, secrets_of, tokens_of, told

Twins = tuple[tuple[Told, ...], tuple[Told, ...]]
EVERYBODYS = frozenset(
    ip_network(each)
    for each in (
        *("0.0.0.0/0", "::/0", "0.0.0.0/32", "::/128", "127.0.0.1/32"),
        "169.254.169.254/32",  # where machines ask their cloud about themselves
        *("203.0.113.0/24", "2001:db8:ad::/48"),  # the operators' own, which both specs name
        *("192.0.2.10/32", "198.51.100.20/32"),  # an origin that both specs name
    )
)
KEY_OF_NOBODY = "AAAAC3NzaC1lZDI1NTE5AAAAILG3WhzOAQ8gIqxVMm7KcKd5PTvYh1+DIaPNfwoIpiGo"
"""Azure wants an SSH key where there is no password; whose private half this was, it was never kept."""
MAY_BE_ALIKE = {
    ("aws:ebs/volumeAttachment:VolumeAttachment", "deviceName"),  # of one machine
    ("aws:ec2/volumeAttachment:VolumeAttachment", "deviceName"),
    ("aws:s3/bucketObjectv2:BucketObjectv2", "key"),  # in the Zone's own bucket
    ("azure-native:network:FlowLog", "networkWatcherName"),  # Azure's own, one for each region
    ("azure-native:network:FlowLog", "resourceGroupName"),
    ("azure-native:storage:Blob", "blobName"),  # in the Zone's own storage account
    ("azure-native:storage:Blob", "containerName"),
    ("azure-native:storage:BlobContainer", "containerName"),
    ("digitalocean:index/droplet:Droplet", "name"),  # Droplets are told apart by number; the name is a host's
}


@pytest.fixture(scope="module", params=["europe", "world", "local"])
def twins(request: pytest.FixtureRequest) -> Twins:
    """Two Zones of six clouds and one computer between them, with Clusters of the same names."""
    base = {**BASES, "world": WORLD}[request.param]
    return told(first_of(base)), told(other_of(base))


def test_two_zones_share_no_address(twins: Twins) -> None:
    mine, theirs = map(addresses_of, twins)
    assert len(mine) > 30
    assert mine & theirs <= EVERYBODYS


def test_two_zones_share_no_secret(twins: Twins) -> None:
    mine, theirs = map(secrets_of, twins)
    assert len(mine) > 10
    assert mine & theirs == frozenset()


def test_two_zones_share_no_token(twins: Twins) -> None:
    mine, theirs = map(tokens_of, twins)
    assert len(mine) > 30
    assert mine & theirs <= {KEY_OF_NOBODY}


def test_two_zones_share_no_name_that_a_provider_could_take_for_one(twins: Twins) -> None:
    mine, theirs = map(names_of, twins)
    assert {(kind, path) for kind, path, _ in mine & theirs} <= MAY_BE_ALIKE


@pytest.fixture(scope="module")
def pair() -> tuple[Graph, Graph]:
    return first_of(BASES["local"]), other_of(BASES["local"])


def packed(text: str) -> str:
    """As user data reaches most clouds."""
    return base64.b64encode(gzip.compress(text.encode())).decode()


def test_what_two_zones_would_share_is_seen(pair: tuple[Graph, Graph]) -> None:
    """The checks above are no use if nothing could break them: one Zone's word is put among the other's."""
    mine, other = pair
    machine = mine.named("a-web-1")
    token = max(tokens_of(told(replace(mine, resources=(machine,)))), key=len)
    address = machine.inputs["networks"][0]["ipv6"]
    planted: list[tuple[dict[str, Any], Callable[[tuple[Told, ...]], frozenset[Any]]]] = [
        ({"userData": machine.inputs["userData"]}, secrets_of),
        ({"userData": f"#cloud-config\n# {token}\n"}, tokens_of),
        ({"userData": packed(f"#cloud-config\n# {packed(f'token: {token}')}\n")}, tokens_of),
        ({"userData": packed(f"allow {address}")}, addresses_of),
        ({"networks": machine.inputs["networks"]}, addresses_of),
        ({"name": "hd-local-a-web-1"}, names_of),
    ]
    for inputs, look in planted:
        shared = replace(other.named("a-web-1"), inputs={**other.named("a-web-1").inputs, **inputs})
        theirs = replace(other, resources=tuple(shared if one.name == "a-web-1" else one for one in other.resources))
        named = replace(mine, resources=(*mine.resources, replace(machine, inputs={**machine.inputs, **inputs})))
        both = look(told(named)) & look(told(theirs))
        assert both - (look(told(mine)) & look(told(other))), inputs
