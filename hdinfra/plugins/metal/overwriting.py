"""What an installation may overwrite: a server that runs only when that is asked for anew, and of its disks only those
that ran as this very server before, or that are named by their serial numbers."""

import base64
from collections.abc import Iterator
from dataclasses import replace

from hdinfra.plugins.kind import PluginError, Values
from hdinfra.plugins.metal.medium import order_in
from hdinfra.plugins.shapes import Failure
from hdinfra.plugins.values import UNKNOWN, holds_unknown
from hdinfra.protocol.order import Order, OrderError, unpacked

OWN_DISKS = "ownDisks"
"""The output that remembers which disks were installed as this server; states of before this output have none."""


def asked_anew(inputs: Values, state: Values) -> bool:
    """Whether `reinstall` is another text than the one noted. A server's first one is noted and installs nothing: the
    line that gives it may have been added to a program whose servers all run."""
    noted = state.get("reinstalled", "")
    return bool(noted) and inputs.get("reinstall", "") not in ("", noted)


def newly_noted(inputs: Values, state: Values) -> bool:
    """Whether a server that is installed is given its first text for `reinstall`."""
    return bool(state.get("installed")) and bool(inputs.get("reinstall")) and not state.get("reinstalled")


def disks_of(inputs: Values) -> list[str]:
    """Serial numbers of the order's disks; none where the PXE server has the order."""
    return sorted(_disks(_order(inputs))) if "order" in inputs else []


def order_with_leave(inputs: Values, state: Values) -> bytes:
    """The order as the installer gets it: what it may overwrite is decided now, and no program can leave it on."""
    order = _order(inputs)
    leave = _leave(inputs, state) & _disks(order)
    return replace(order, overwrite=tuple(sorted(leave))).packed()


def check_leave(inputs: Values, state: Values) -> None:
    """PluginError for a server that is to be installed anew whose disks nobody can say were its own: its installer
    would refuse them after it was turned off."""
    if not (state.get("installed") and asked_anew(inputs, state)) or "order" not in inputs:
        return
    if state.get(OWN_DISKS) or holds_unknown(inputs.get("overwrite")):
        return
    left = sorted(_disks(_order(inputs)) - _leave(inputs, state))
    if left:
        raise PluginError(
            f"`{inputs['server']}` shall be installed anew, and an earlier release has not noted which disks are its "
            f"own; the installer would refuse {', '.join(left)}. It was not touched.\n"
            f"fix: look at what is on them, then name them for this one run: overwrite={disks_of(inputs)}"
        )


def check_overwrite(inputs: Values) -> Iterator[Failure]:
    """What of `overwrite` and the order's own leave does not go together; what a preview cannot know yet passes."""
    named = inputs.get("overwrite")
    if named and inputs["boot"] == "pxe":
        yield Failure("overwrite", "is the PXE server's to say, in its order, when `boot` is pxe; leave it out")
    if not isinstance(inputs.get("order"), str):
        return
    try:
        order = unpacked(base64.b64decode(inputs["order"]))
    except (ValueError, OrderError):  # said by others, with what was found
        return
    if order.wipe or order.overwrite:
        yield Failure(
            "order", "lets every run overwrite its disks; make it without `wipe`, and name disks in `overwrite`"
        )
    if named in (None, UNKNOWN) or holds_unknown(named):
        return
    if strange := sorted(set(named) - _disks(order)):
        disks = ", ".join(sorted(_disks(order))) or "none"
        yield Failure("overwrite", f"names {', '.join(strange)}; the order's disks are {disks}")


def _leave(inputs: Values, state: Values) -> frozenset[str]:
    own = state.get(OWN_DISKS) or () if asked_anew(inputs, state) else ()
    return frozenset(map(str, (*(inputs.get("overwrite") or ()), *own)))


def _order(inputs: Values) -> Order:
    return order_in(base64.b64decode(inputs["order"]))


def _disks(order: Order) -> frozenset[str]:
    told = (*(order.server.get("disks") or ()), *(order.server.get("spare_disks") or ()))
    return frozenset(str(disk["serial"]) for disk in told)
