"""One installation for all tests of this folder: they take copies of its disks."""

from collections.abc import Iterator

import pytest

from tests.metal.guest import BOOT_SECONDS
from tests.metal.rack import Chassis, copied, powered
from tests.metal.rack_install import Installed, booted
from tests.metal.rack_redfish import Ordered, installed_through_bmc


@pytest.fixture(scope="package")
def through_bmc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ordered, Installed]]:
    """What was asked of the BMC, and the server that came of it."""
    with installed_through_bmc(tmp_path_factory.mktemp("bmc")) as made:
        yield made


@pytest.fixture(scope="package")
def installed(through_bmc: tuple[Ordered, Installed]) -> Installed:
    """A server that our installer made of two blank disks."""
    return through_bmc[1]


@pytest.fixture(scope="package")
def running(installed: Installed) -> Iterator[Chassis]:
    """That server with all its disks, in an ordinary boot; test_rack_disk.py comes last and turns it off."""
    with copied(installed.bays) as disks, powered(disks) as place:
        place.await_shell(BOOT_SECONDS)
        booted(place, BOOT_SECONDS)
        yield place
