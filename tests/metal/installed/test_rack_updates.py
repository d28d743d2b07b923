"""Kernel and boot loader are updated by apt; the server boots from the other disk. In the long loop alone."""

import os

from tests.metal.guest import BOOT_SECONDS
from tests.metal.rack import copied, powered
from tests.metal.rack_debs import SUFFIX, ensure_debs
from tests.metal.rack_install import Installed, booted
from tests.metal.rack_looks import DEGRADED, esps, mirrors
from tests.metal.rack_server import SERIALS

UPDATE_SECONDS = 1200
"""Four times what software emulation takes for a kernel's RAM disk, twice, and GRUB's menu."""
_LOADER, _STAMP = "/boot/efi/EFI/BOOT/BOOTX64.EFI", "/var/lib/hdinfra/hardware/esp"
_APT = "DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Options::=--force-confold install /mnt/*.deb 2>&1"


if "HDINFRA_LONG" in os.environ:

    def test_after_updates_of_kernel_and_boot_loader_it_boots_from_the_other_disk(installed: Installed) -> None:
        with copied(installed.bays) as disks:
            with powered(disks, ensure_debs()) as place:
                place.await_shell(BOOT_SECONDS)
                booted(place, BOOT_SECONDS)
                # The next version differs from this one in its number alone, so the loader is made an older one.
                place.must("sh", "-ec", f"printf older >>{_LOADER}; hdraid esp", seconds=240)
                before = esps(place)
                assert len(before) == 2 == 3 - len(set(before))
                place.must("mount", "-o", "ro", "/dev/sr0", "/mnt")
                words = place.must("sh", "-c", _APT, seconds=UPDATE_SECONDS)
                versions = place.must("dpkg-query", "-W", "-f", "${Package} ${Version}\n", "grub-*", "linux-image-*")
                assert versions.count(SUFFIX) >= 4, versions
                after = esps(place)
                assert len(after) == 2 == 3 - len(set(after)), f"the EFI system partitions are not alike:\n{words}"
                assert after[0] != before[0], f"the loader was not renewed:\n{words}"
                assert place.must("cat", _STAMP).count(SUFFIX) >= 4, "the hook has not come to its end"
                place.power_off()
            with powered(disks, without=[SERIALS[0]]) as place:
                place.await_shell(BOOT_SECONDS)
                assert mirrors(place) == DEGRADED
