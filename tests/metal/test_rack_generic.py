"""The kernel of real servers, with drivers for everything; slow to start without KVM, so in the long loop alone."""

import os

from hdinfra.operate.metal_root import Kernel
from tests.metal.guest import BOOT_SECONDS
from tests.metal.rack import bays, powered
from tests.metal.rack_install import INSTALL_SECONDS, booted, ended, ordered
from tests.metal.rack_looks import DEGRADED, WHOLE, mirrors
from tests.metal.rack_server import SERIALS, rack_server

if "HDINFRA_LONG" in os.environ:

    def test_the_generic_kernel_installs_and_boots_with_both_disks_and_with_one() -> None:
        plan = rack_server(mib=4096)
        with bays(plan) as disks, ordered(disks.folder, plan, Kernel.GENERIC) as medium:
            with powered(disks, medium) as place:
                assert "is installed" in ended(place, INSTALL_SECONDS)
                place.await_shell(BOOT_SECONDS)
                booted(place, BOOT_SECONDS)
                assert "cloud" not in place.must("uname", "-r")
                assert mirrors(place) == WHOLE
                place.power_off()
            with powered(disks, without=[SERIALS[0]]) as place:
                place.await_shell(BOOT_SECONDS)
                assert mirrors(place) == DEGRADED
