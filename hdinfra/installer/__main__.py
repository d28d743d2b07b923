"""The installer's one way: read the order, look at the disks, refuse or install. The exit code tells init what next."""

import sys
import time
from pathlib import Path

from hdinfra.installer.console import FailedError, RefusedError, defect, run, say
from hdinfra.installer.disks import Seen, check_overwritable, disks_here, found_disks, looked_at, made_already
from hdinfra.installer.install import Site, steps
from hdinfra.installer.server import Server, server_of
from hdinfra.protocol.order import Order, OrderError, order_id, unframed, unpacked

DONE, REFUSED, FAILED = 0, 3, 4
"""Restart into what was made; stop, for somebody has to look; stop, or begin again."""
_MEDIUM = Path("/run/hdinfra-medium/hdinfra")
_IMAGE = Path("/run/hdinfra-image")
_LEADS_TO_DISKS = ("acpi", "block", "nvme", "pci", "platform", "scsi", "usb", "virtio")
"""Kinds of devices behind which disks are; consoles, memory and processors are as they are."""


def main() -> int:
    """One of the exit codes, whatever happens."""
    try:
        return _main()
    except (OrderError, RefusedError) as refused:
        say(f"refused: {refused}\nrefused: no disk was written to")
        return REFUSED
    except FailedError as failed:
        say(f"failed: {failed}\nfailed: the disks are half made; starting the installer again begins again")
        return FAILED
    except Exception as error:  # the consoles are all that people see
        defect(error)
        return FAILED


def _main() -> int:
    packed = unframed((_MEDIUM / "order").read_bytes())
    order = unpacked(packed)
    server = server_of(order.server, int((_MEDIUM / "root.mib").read_text()))
    say(f"server {server.name}, order {order_id(packed)[:16]}, disks {', '.join(d.serial for d in server.all_disks)}")
    _start_devices()
    seen = tuple(looked_at(wanted, disk) for wanted, disk in found_disks(server, disks_here()))
    for one in seen:
        say(f"disk {one.serial} is {one.disk.node}, {one.disk.mib} MiB, {one.state.name.lower().replace('_', ' ')}")
    if made_already(seen, order_id(packed)):
        say(f"done: {server.name} is installed from this order already; nothing was written")
        return DONE
    check_overwritable(seen, wipe=order.wipe, overwrite=order.overwrite)
    _install(server, order, seen)
    say(f"done: {server.name} is installed, order {order_id(packed)[:16]}")
    return DONE


def _install(server: Server, order: Order, seen: tuple[Seen, ...]) -> None:
    disks = tuple(one.disk for one in seen)
    mirrored = len(server.disks)
    site = Site(server, order, _IMAGE, disks[:mirrored], disks[mirrored:])
    started = time.monotonic()
    planned = steps(site)
    for number, (told, step) in enumerate(planned, 1):
        say(f"step {number} of {len(planned)}: {told} ({time.monotonic() - started:.0f} s)")
        step(site)


def _start_devices() -> None:
    """Find all hardware, as the installed system will; no array may start, for that writes to its disks."""
    run("/usr/lib/systemd/systemd-udevd", "--daemon")
    run("udevadm", "trigger", "--action=add", *(f"--subsystem-match={name}" for name in _LEADS_TO_DISKS))
    run("udevadm", "settle", "--timeout=600")


if __name__ == "__main__":
    sys.exit(main())
