"""Power is cut at random moments of an installation: it begins again, or the server boots. Never anything between."""

import os
import random

import pytest

from tests.metal.guest import BOOT_SECONDS
from tests.metal.rack import Chassis, bays, powered
from tests.metal.rack_install import INSTALL_SECONDS, booted, ordered, said
from tests.metal.rack_looks import WHOLE, mirrors
from tests.metal.rack_server import rack_server

ROUNDS, CUTS = 5, 6
STEP_SECONDS = {1: 4, 2: 8, 3: 23, 4: 1, 5: 13, 6: 1, 7: 1}
"""Of the installer without KVM, on two cores that do nothing else (docs/bare-metal.md)."""


if "HDINFRA_LONG" in os.environ:

    @pytest.mark.parametrize("round_", range(ROUNDS))
    def test_cut_at_random_moments_it_begins_again_or_boots(round_: int) -> None:
        """One cut after another on the same disks, and then none."""
        chance = random.Random(round_)
        plan = rack_server()
        with bays(plan) as disks, ordered(disks.folder, plan) as medium:
            for _ in range(CUTS):
                with powered(disks, medium) as place:
                    if not _cut(place, chance):
                        break
            with powered(disks, medium) as place:
                _check(place)


def _cut(place: Chassis, chance: random.Random) -> bool:
    """Somewhere in one of the steps, each as likely as another, for short ones are no safer; False when it is done."""
    step = chance.choice(list(STEP_SECONDS))
    # As busy as this computer may be, the moment may lie in another part of it.
    seconds = chance.uniform(0, STEP_SECONDS[step])
    begun = place.await_words(
        rf"hdinfra-install: step {step} |hdinfra-install: (refused|failed|defect|stopped)|login:", INSTALL_SECONDS
    )
    if "login:" in begun:
        return False
    assert "step" in begun, said(place)
    place.cut_power(after=seconds)
    print(f"cut {seconds:.1f} s after step {step} began; it said: {said(place).splitlines()[-1]}", flush=True)
    return True


def _check(place: Chassis) -> None:
    place.await_shell(INSTALL_SECONDS + BOOT_SECONDS)
    booted(place, BOOT_SECONDS)
    assert mirrors(place) == WHOLE
    place.power_off()
