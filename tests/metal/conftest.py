"""Who runs beside whom in the metal tier."""

import os
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import PurePath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.metal.room import room
from toolchain.cache import cache_folder

_INSIDE = pytest.StashKey[ExitStack]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """With its fixtures, for their guests would disturb who measures. Who measures stays in for the next that does: it
    would else wait for a whole test of another worker."""
    inside = item.config.stash.get(_INSIDE, None)
    if inside is None:
        inside = ExitStack()
        inside.enter_context(room(cache_folder(os.environ) / "metal", alone="alone" in item.keywords))
    else:
        del item.config.stash[_INSIDE]
    with ExitStack() as leaving:
        leaving.push(inside)
        result = yield
        if nextitem is not None and "alone" in item.keywords and "alone" in nextitem.keywords:
            item.config.stash[_INSIDE] = leaving.pop_all()
        return result


class _ByGuest(LoadScopeScheduling):
    """All tests of a folder share a guest, and so a worker."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePath(nodeid.partition("::")[0])
        return str(file if file.parent.name == "metal" else file.parent)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Of two workers."""
    return _ByGuest(config, log)
