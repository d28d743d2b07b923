"""Whether a BMC's server is the one that is meant: an address that is off by one must not install the neighbour."""

from collections.abc import Mapping
from typing import Any

from hdinfra.plugins.kind import Call, PluginError
from hdinfra.plugins.metal.bmc import Bmc
from hdinfra.plugins.metal.hardware import mac_addresses

_TRUE = {
    "macs": "the true addresses of its ports: `links` of its plan, or `macs` of the resource's `expect`",
    "serial": "its true serial number: `serial`",
    "model": "its true model: `model`",
}


class WrongServerError(PluginError):
    """It is another one; nothing was done to it."""


def check_right_one(call: Call, bmc: Bmc, server: str, expect: Mapping[str, Any]) -> None:
    """WrongServerError when the BMC says otherwise than `expect`; what it does not say at all is passed over, aloud.

    One port of those that are expected is enough: many BMCs know those on the board alone, and a good bond has one on a
    card. No other server has any of them.
    """
    for name, wanted in expect.items():
        found = _told(bmc, name)
        expected = sorted(_folded(wanted))
        if not found:
            call.warn(f"`{server}`: the BMC at {bmc.access.address} does not tell its {name}; not compared")
        elif expected and not set(expected) & _folded(found):
            raise WrongServerError(
                f"The BMC at {bmc.access.address} is that of another server than `{server}`: its {name} is "
                f"{' or '.join(found)}, expected was {' or '.join(expected)}. Nothing was done to it.\n"
                f"fix: write the address of `{server}`'s own BMC as `bmc.address`; or, if this is it, {_TRUE[name]}"
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
