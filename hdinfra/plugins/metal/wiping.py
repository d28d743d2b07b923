"""Every drive of a server emptied by itself (Redfish's Drive.SecureErase), which reaches what no overwriting does."""

from collections.abc import Mapping
from typing import Any

from hdinfra.plugins.kind import Call, PluginError
from hdinfra.plugins.metal.bmc import Bmc

_ACTION = "#Drive.SecureErase"


def wipe(call: Call, bmc: Bmc, server: str) -> None:
    """Orders it for all drives, or, where one of them cannot, for none. The server is off before, and stays off."""
    drives = _drives(bmc)
    unable = [name for name, target in drives.items() if not target]
    if unable or not drives:
        named = ", ".join(f"`{name}`" for name in unable) or "no drive at all is shown"
        raise PluginError(
            f"`{server}` is not wiped: the BMC cannot erase {named}. Nothing was erased.\n"
            "fix: write `on_delete: leave`, and erase its disks from a rescue system (`blkdiscard -f`, `nvme format`)"
        )
    bmc.turn(on=False)
    for name, target in drives.items():
        call.remark(f"`{server}`: disk `{name}` is erased")
        bmc.post(target, {})


def _drives(bmc: Bmc) -> dict[str, str]:
    """By each drive's name and serial where its erasure is ordered; empty where it cannot be."""
    found: dict[str, str] = {}
    storage = _path(bmc.system().get("Storage"))
    controllers = bmc.get(storage).get("Members") if storage else ()
    for controller in controllers or ():
        for member in bmc.get(_path(controller)).get("Drives") or ():
            drive = bmc.get(_path(member))
            name = f"{drive.get('Name') or drive.get('Id')}, serial {drive.get('SerialNumber') or 'unknown'}"
            found[name] = _target(drive)
    return found


def _target(drive: Mapping[str, Any]) -> str:
    action = (drive.get("Actions") or {}).get(_ACTION)
    return str((action or {}).get("target") or "")


def _path(value: Any) -> str:
    return str(value.get("@odata.id") or "") if isinstance(value, dict) else ""
