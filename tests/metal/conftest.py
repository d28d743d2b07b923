"""Who runs beside whom in the metal tier."""

import os
from collections.abc import Generator
from pathlib import PurePath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.metal.room import room
from toolchain.cache import cache_folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """With its fixtures, for their guests would disturb who measures."""
    with room(cache_folder(os.environ) / "metal", alone="alone" in item.keywords):
        return (yield)


class _ByGuest(LoadScopeScheduling):
    """All tests of a folder share a guest, and so a worker."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePath(nodeid.partition("::")[0])
        return str(file if file.parent.name == "metal" else file.parent)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Of two workers."""
    return _ByGuest(config, log)
