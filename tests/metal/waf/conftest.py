"""One WAF machine for all tests of this folder; without QEMU they fail, they are not skipped."""

from collections.abc import Iterator

import pytest

from tests.metal.guest import Guest
from tests.metal.waf_guest import waf_guest


@pytest.fixture(scope="package")
def machine() -> Iterator[Guest]:
    """It runs as long as the tests of this folder do."""
    with waf_guest() as place:
        yield place


@pytest.fixture
def place(machine: Guest) -> Guest:
    """The machine, of which every tenant serves."""
    return machine
