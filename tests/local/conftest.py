"""Fixtures of the local tier. A missing container engine fails the tests; nothing here skips."""

from collections.abc import Iterator
from typing import Any

import pytest

from hdinfra.plugins.kind import Call
from hdinfra.plugins.local.builder import ensure_image
from hdinfra.plugins.local.engine import Engine, find_engine
from hdinfra.plugins.local.inventory import remove_owned
from hdinfra.plugins.local.package import LocalCloud
from tests.local.hdlocal_fixtures import NAMESPACE, Driver, driven, place, prefixes
from tests.local.zone_fixtures import drill_zone, spare, worker, zone

__all__ = ["drill_zone", "spare", "worker", "zone"]  # fixtures of whole zones, defined beside their tests

USER_DATA = """\
#cloud-config
write_files:
  - path: /etc/greeting
    content: hello
"""


@pytest.fixture(scope="session")
def container_engine() -> Iterator[Engine]:
    """Docker or Podman, as the plugin finds it."""
    engine = find_engine()
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def system_image(container_engine: Engine) -> str:
    """The image that all roles share; built once per host."""
    return ensure_image(container_engine, [], Call(name="tests"))


@pytest.fixture
def reaped(container_engine: Engine) -> Iterator[str]:
    """A namespace that is empty before the test, whatever a killed run left, and after it."""
    remove_owned(container_engine.client, NAMESPACE)
    yield NAMESPACE
    remove_owned(container_engine.client, NAMESPACE)


@pytest.fixture
def cloud(container_engine: Engine, reaped: str) -> Iterator[Driver]:
    """The configured plugin."""
    with driven(LocalCloud(container_engine)) as driver:
        assert driver.configure(namespace=reaped, project="tests", stack="unit", region="one") == []
        yield driver


@pytest.fixture
def network(cloud: Driver) -> str:
    """One network, number 1 of this checkout."""
    made: str = cloud.create("Network", "net", prefixes(1))[0]
    return made


@pytest.fixture
def inputs(system_image: str, network: str) -> dict[str, Any]:
    """A small machine on it."""
    return {
        "image": system_image,
        "networks": [place(network, 1, 10)],
        "userData": USER_DATA,
        "description": "d" * 64,
        "metaData": "instance-id: m\nlocal-hostname: m\n",
        "cpus": 1,
        "memoryMib": 256,
        "ports": [],
        "labels": {"tenant": "acme"},
        "booted": ["test", "-e", "/etc/greeting"],
    }
