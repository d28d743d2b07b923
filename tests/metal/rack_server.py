"""The server that is installed in the rig, and what its order has besides a real one's: a shell for the tests."""

from pathlib import Path

from hdinfra.machine.machine import File
from hdinfra.machine.metal.order import order
from hdinfra.machine.unmanaged import brought_along
from hdinfra.model.policy import WafPolicy
from hdinfra.model.server import Disk, ServerPlan
from hdinfra.operate.metal_root import Kernel
from tests.machine.metal_server import server
from tests.metal.image import SHELL_UNIT
from tests.metal.rack_image import EMULATED, rack_machine

SERIALS = ("HD0001", "HD0002")
DISK_MIB = 2560
_SHELL = Path(__file__).with_name("shell.py")
_WANTED = "[Unit]\nWants=hdinfra-shell.service\n"
# Its own 90 s are not enough for a device to show up, where software emulation shares two cores with others.
_SLOW = "[Manager]\nDefaultDeviceTimeoutSec=600s\nDefaultTimeoutStartSec=600s\n"
_GRUB = f'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX {" ".join(EMULATED)}"\n'


def rack_server(serials: tuple[str, ...] = SERIALS, mib: int = DISK_MIB) -> ServerPlan:
    """Two small disks, two links."""
    plan = server(name="r1-srv1")
    return ServerPlan(
        name=plan.name,
        disks=tuple(Disk(serial, mib) for serial in serials),
        links=plan.links,
        network=plan.network,
        swap_mib=256,
        esp_mib=64,
        boot_mib=256,
    )


def rack_order(plan: ServerPlan, kernel: Kernel = Kernel.CLOUD, *, wipe: bool = False) -> bytes:
    """All that is laid for the tests lies in files of their own."""
    told = (
        *brought_along("waf", WafPolicy(sites=(), edges=())),
        File("/usr/local/lib/hdinfra-shell.py", _SHELL.read_text()),
        File("/etc/systemd/system/hdinfra-shell.service", SHELL_UNIT),
        File("/etc/systemd/system/multi-user.target.d/hdinfra-shell.conf", _WANTED),
        File("/etc/systemd/system.conf.d/hdinfra-tests.conf", _SLOW),
        File("/etc/default/grub.d/tests.cfg", _GRUB),
    )
    return order(rack_machine(plan, kernel), told, plan, wipe=wipe)
