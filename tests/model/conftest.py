"""Fixtures of the model tier: API machines over real TLS that know what a test's `fleet` knows."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from hdinfra.operate.control import Control
from tests.model.policy_zone import Fleet, StackKeys, WholeApi, control_of_apis, serving_zone

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def keys() -> StackKeys:
    """A stack's keys."""
    return StackKeys.made()


@pytest.fixture
def apis(fleet: Fleet, tmp_path: Path) -> Iterator[list[WholeApi]]:
    """Two API machines."""
    with serving_zone(fleet, tmp_path, "a-control-1", "b-control-1") as found:
        yield found


@pytest.fixture
def control(keys: StackKeys, apis: list[WholeApi]) -> Iterator[Control]:
    """The operator's side."""
    with control_of_apis(keys, *(api.endpoint for api in apis)) as opened:
        yield opened


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkout's own project without its state; the current folder is it."""
    shutil.copy(CHECKOUT / "Pulumi.yaml", tmp_path)
    (tmp_path / "stacks").mkdir()
    shutil.copy(CHECKOUT / "stacks" / "local.yaml", tmp_path / "stacks")
    monkeypatch.chdir(tmp_path)
    return tmp_path
