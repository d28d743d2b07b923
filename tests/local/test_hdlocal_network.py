"""Networks of the local cloud on the real engine, and the inventory that clears up."""

from typing import Any

import pytest

from hdinfra.plugins.local.engine import Engine
from hdinfra.plugins.local.inventory import list_owned, remove_owned
from tests.local.hdlocal_fixtures import NAMESPACE, Driver, Fault, prefixes

NAME = f"{NAMESPACE}-net"


def test_network_is_dual_stack_named_and_labelled(cloud: Driver, container_engine: Engine) -> None:
    assert cloud.preview("Network", "net", prefixes(1))[0]["networkName"] == NAME
    resource_id, state, _ = cloud.create("Network", "net", prefixes(1))
    assert (resource_id, state["networkName"]) == (NAME, NAME)
    attributes = container_engine.client.networks.get(NAME).attrs
    assert {pool["Subnet"] for pool in attributes["IPAM"]["Config"]} == set(prefixes(1).values())
    assert attributes["EnableIPv6"] is True
    assert attributes["Labels"]["hdinfra.stack"] == "unit"


def test_adopts_its_own_and_makes_another_subnet_anew(cloud: Driver, container_engine: Engine) -> None:
    cloud.create("Network", "net", prefixes(1))
    first = container_engine.client.networks.get(NAME).id
    cloud.create("Network", "net", prefixes(1))
    assert container_engine.client.networks.get(NAME).id == first
    cloud.create("Network", "net", prefixes(2))
    assert container_engine.client.networks.get(NAME).id != first


def test_busy_subnet_is_one_clear_message_with_its_fix(cloud: Driver) -> None:
    cloud.create("Network", "net", prefixes(1))
    with pytest.raises(Fault) as caught:
        cloud.create("Network", "other", prefixes(1))
    assert caught.value.code == "FAILED_PRECONDITION"
    assert f"network `other`: `{prefixes(1)['ipv4']}`" in caught.value.message
    assert f"by `{NAME}` of stack `unit` (namespace `{NAMESPACE}`)" in caught.value.message
    assert "`network.ipv4`" in caught.value.message


def test_gone_is_seen_and_delete_is_idempotent(cloud: Driver, container_engine: Engine) -> None:
    _, state, _ = cloud.create("Network", "net", prefixes(1))
    assert cloud.read("Network", "net", NAME, state) == state
    container_engine.client.networks.get(NAME).remove()
    assert cloud.read("Network", "net", NAME, state) is None
    cloud.delete("Network", "net", NAME, state)


def test_delete_names_the_containers_that_hang_on_it(cloud: Driver, inputs: dict[str, Any]) -> None:
    cloud.create("Machine", "m", inputs)
    with pytest.raises(Fault, match=f"still hang on it: {NAMESPACE}-m"):
        cloud.delete("Network", "net", NAME, prefixes(1))


def test_other_subnets_replace_and_the_old_goes_first(cloud: Driver) -> None:
    state = prefixes(1) | {"networkName": NAME}
    assert cloud.diff("Network", state, prefixes(1), prefixes(2)) == (set(), {"ipv4", "ipv6"}, True)


def test_wrong_prefixes_are_named(cloud: Driver) -> None:
    assert [path for path, _ in cloud.check("Network", {"ipv4": "10.0.0.1/8", "ipv6": "10.0.0.0/8"})] == [
        "ipv4",
        "ipv6",
    ]


def test_inventory_lists_and_removes_one_namespace_only(
    cloud: Driver, container_engine: Engine, inputs: dict[str, Any]
) -> None:
    cloud.create("Machine", "m", inputs)
    client = container_engine.client
    found = [(thing.kind, thing.name, thing.resource, thing.stack) for thing in list_owned(client, NAMESPACE)]
    assert found == [("container", f"{NAMESPACE}-m", "m", "unit"), ("network", NAME, "net", "unit")]
    assert remove_owned(client, f"{NAMESPACE}x") == ()
    assert len(remove_owned(client, NAMESPACE)) == 2
    assert list_owned(client, NAMESPACE) == ()
