"""Whether a BMC's server is the one that is meant: an address that is off by one must not install the neighbour."""

from collections.abc import Mapping
from typing import Any

from hdinfra.plugins.kind import Call, PluginError
from hdinfra.plugins.metal.bmc import Bmc
from hdinfra.plugins.metal.hardware import mac_addresses


class WrongServerError(PluginError):
    """It is another one; nothing was done to it."""


def check_right_one(call: Call, bmc: Bmc, server: str, expect: Mapping[str, Any]) -> None:
    """WrongServerError when the BMC says otherwise than `expect`; what it does not say at all is passed over, aloud."""
    for name, wanted in expect.items():
        found = _told(bmc, name)
        missing = sorted(_folded(wanted) - _folded(found))
        if wanted and not found:
            call.warn(f"`{server}`: the BMC at {bmc.access.address} does not tell its {name}; not compared")
        elif missing:
            raise WrongServerError(
                f"The BMC at {bmc.access.address} is that of another server than `{server}`: its {name} is "
                f"{' or '.join(found)}, expected was {', '.join(missing)}. Nothing was done to it.\n"
                f"fix: write the address of `{server}`'s own BMC as `bmc.address`, or what is true as `expect.{name}`"
            )


def _told(bmc: Bmc, name: str) -> list[str]:
    system = bmc.system()
    match name:
        case "macs":
            return sorted(mac_addresses(bmc.get, system))
        case "serial":
            # Dell's service tag, by which its servers are known, is the SKU.
            return [str(system[key]) for key in ("SerialNumber", "SKU") if system.get(key)]
        case _:
            return [str(system["Model"])] if system.get("Model") else []


def _folded(values: Any) -> set[str]:
    several = values if isinstance(values, list) else [values]
    return {str(value).strip().casefold() for value in several}
