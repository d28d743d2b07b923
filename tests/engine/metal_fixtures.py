"""Fixtures of the tests of servers: what each of them begins with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.metal_rig import HURRY, PACE, Rig, a_rig, image, plugged_in
from tests.local.hdlocal_fixtures import Driver


@pytest.fixture(scope="module")
def installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image, made once a module."""
    return image(tmp_path_factory.mktemp("installer") / "image")


@pytest.fixture
def rig(tmp_path: Path, installer: Path) -> Iterator[Rig]:
    """A server that nothing was done to yet."""
    with a_rig(tmp_path, installer) as made:
        yield made


@pytest.fixture
def plugin() -> Iterator[Driver]:
    """The plugin, patient enough for a busy computer."""
    with plugged_in(PACE) as driver:
        yield driver


@pytest.fixture
def hurried() -> Iterator[Driver]:
    """The plugin, for what never comes."""
    with plugged_in(HURRY) as driver:
        yield driver
