"""The installer image that the rig boots: built by the product's own code, kept by content."""

import os
from dataclasses import replace
from pathlib import Path

from hdinfra.machine.machine import Machine
from hdinfra.machine.metal.profile import on_metal
from hdinfra.machine.roles import machine_of
from hdinfra.machine.unmanaged import unmanaged
from hdinfra.model.server import ServerPlan
from hdinfra.operate.metal_image import CONSOLES, ImageChoice, make_iso
from hdinfra.operate.metal_root import Kernel, RootChoice, make_root
from tests.machine.debian import planned
from toolchain.cache import cache_folder, digest, kept

# Why: tests/metal/guest.py. No other kernel option differs from a real server's.
EMULATED = ("clearcpuid=cx16", "tsc=unstable", "mitigations=off")
_GENERIC = Kernel.GENERIC.package


def rack_machine(server: ServerPlan, kernel: Kernel = Kernel.CLOUD) -> Machine:
    """A WAF machine on that server, which nobody but the tests speaks to."""
    machine = on_metal(unmanaged(machine_of("india", planned("waf", server.name))), server)
    packages = (kernel.package if name == _GENERIC else name for name in machine.packages)
    return replace(machine, packages=tuple(sorted(packages)))


def ensure_installer(server: ServerPlan, kernel: Kernel = Kernel.CLOUD) -> Path:
    """The folder with image and manifest; minutes when the root has to be made, which root alone can."""
    root = RootChoice(kernel, rack_machine(server, kernel).packages)
    choice = ImageChoice(root, (*CONSOLES, *EMULATED))
    roots = kept(_folder("root", root.recipe()), lambda folder: make_root(root, folder))
    return kept(_folder("image", root.recipe() + choice.sources()), lambda folder: _make(choice, roots, folder))


def _make(choice: ImageChoice, roots: Path, folder: Path) -> None:
    make_iso(choice, roots, folder)


def _folder(layer: str, recipe: str) -> Path:
    return cache_folder(os.environ) / "metal" / f"{layer}-{digest(recipe.encode())}"
