"""Fixtures of the metal tier."""

from collections.abc import Iterator

import pytest

from tests.metal.guest import Guest
from tests.metal.waf_guest import waf_guest


@pytest.fixture(scope="session")
def machine() -> Iterator[Guest]:
    """One WAF machine for all tests; without QEMU they fail, they are not skipped."""
    with waf_guest() as place:
        yield place


@pytest.fixture
def place(machine: Guest) -> Guest:
    """The machine, of which every tenant serves."""
    return machine
