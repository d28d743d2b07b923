"""Fixtures of the machine tier."""

import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from hdinfra.machine.roles import machine_of
from hdinfra.plugins.local.engine import Engine, find_engine
from tests.machine.control_fixtures import api, apis
from tests.machine.debian import Debian, planned, reap, start_debian
from tests.machine.sync_api import stand_in
from tests.machine.sync_machine import place
from tests.machine.sync_stack import stack

# Fixtures that are defined beside their stand-ins.
__all__ = ["api", "apis", "place", "stack", "stand_in"]


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The container engine; without one these tests fail, they are not skipped."""
    with _docker_leaks_forgiven():
        found = find_engine()
        reap(found)
    yield found
    found.client.close()


@contextmanager
def _docker_leaks_forgiven() -> Iterator[None]:
    """docker-py drops sockets of its Unix adapter unclosed; the warning would hit whichever test runs next."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


@pytest.fixture(scope="session")
def debian(engine: Engine) -> Iterator[Callable[[str], Debian]]:
    """One long-lived container a role."""
    started: dict[str, Debian] = {}

    def of(role: str) -> Debian:
        if role not in started:
            with _docker_leaks_forgiven():
                started[role] = start_debian(engine, machine_of("india", planned(role)))
        return started[role]

    yield of
    with _docker_leaks_forgiven():
        for place in started.values():
            place.container.remove(force=True)
