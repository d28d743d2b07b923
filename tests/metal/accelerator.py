"""Whether guests run on the processor itself, or in software."""

import os
import subprocess
from functools import cache
from pathlib import Path
from threading import Timer

from tests.metal.image import KERNEL
from toolchain.cache import cache_folder

QEMU = "qemu-system-x86_64"
CORES = 1
"""Of guests that nobody measures: without KVM a second core makes all they do dearer."""
_NATIVE, _EMULATED = "max,la57=off", "Nehalem"
"""A guest that has AVX uses it, and software emulation takes a third longer to boot it."""
_PROBE_SECONDS = 60
_BOOTED = "Unable to mount root"
"""What a kernel says that was given no disk: it came so far."""


@cache
def accelerator() -> str:
    """KVM where it really boots a kernel, else software emulation."""
    return "kvm" if Path("/dev/kvm").exists() and _boots() else "tcg"


def computing(cores: int) -> tuple[str, ...]:
    """QEMU's words for a processor with so many cores."""
    kind = accelerator()
    return ("-accel", kind, "-cpu", _NATIVE if kind == "kvm" else _EMULATED, "-smp", str(cores))


def _boots() -> bool:
    """There are computers whose KVM starts, and then stops at the first instruction that it has to emulate."""
    kernel = next((cache_folder(os.environ) / "metal").glob(f"[!.]*/{KERNEL}"))
    command = (QEMU, "-accel", "kvm", "-cpu", _NATIVE, "-m", "256", "-no-reboot")
    quiet = ("-nodefaults", "-no-user-config", "-display", "none", "-nic", "none", "-serial", "stdio")
    kernel_words = ("-kernel", str(kernel), "-append", "console=ttyS0 panic=-1")
    with subprocess.Popen(
        (*command, *quiet, *kernel_words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as probe:
        assert probe.stdout is not None
        late = Timer(_PROBE_SECONDS, probe.kill)
        late.start()
        said = (line.decode(errors="replace") for line in probe.stdout)
        end = next((line for line in said if _BOOTED in line or "KVM internal error" in line), "")
        late.cancel()
        probe.kill()
    return _BOOTED in end
