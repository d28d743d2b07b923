"""Fixtures of the machine tier."""

from collections.abc import Callable, Iterator

import pytest

from hdinfra.machine.roles import machine_of
from hdinfra.plugins.local.engine import Engine, find_engine
from tests.machine.debian import Debian, planned, reap, start_debian


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The container engine; without one these tests fail, they are not skipped."""
    found = find_engine()
    reap(found)
    return found


@pytest.fixture(scope="session")
def debian(engine: Engine) -> Iterator[Callable[[str], Debian]]:
    """One long-lived container a role."""
    started: dict[str, Debian] = {}

    def of(role: str) -> Debian:
        if role not in started:
            started[role] = start_debian(engine, machine_of("india", planned(role)))
        return started[role]

    yield of
    for place in started.values():
        place.container.remove(force=True)
