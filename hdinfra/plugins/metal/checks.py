"""What of a server's inputs does not go together, beyond the shape of each."""

import base64
import binascii
import ipaddress
from collections.abc import Iterator

from hdinfra.plugins.kind import Values
from hdinfra.plugins.metal.overwriting import check_overwrite
from hdinfra.plugins.shapes import Failure
from hdinfra.plugins.values import UNKNOWN, Value, holds_unknown

VIRTUAL_MEDIA = ("image", "order", "media")
"""What an installation from virtual media takes, and one from the network does not."""


def check_together(inputs: Values) -> Iterator[Failure]:
    """Every reason, by the input that has to change. What a preview cannot know yet passes."""
    if inputs["boot"] is not UNKNOWN:
        yield from _check_boot(inputs)
    yield from _check_media(inputs.get("media", UNKNOWN))
    yield from _check_order(inputs.get("order"))
    yield from check_overwrite(inputs)
    wipes, confirmed = inputs.get("onDelete") == "wipe", inputs.get("confirmWipe")
    if wipes and confirmed is not UNKNOWN and confirmed != inputs["server"]:
        yield Failure("confirmWipe", "must repeat the server's name before its deletion may wipe its disks")
    bmc = inputs["bmc"]
    if not holds_unknown(bmc) and bmc.get("fingerprint") and bmc.get("ca"):
        yield Failure("bmc", "has `fingerprint` and `ca`: one of them says whom to believe")


def _check_boot(inputs: Values) -> Iterator[Failure]:
    for name in VIRTUAL_MEDIA:
        if inputs["boot"] == "pxe" and name in inputs:
            yield Failure(name, "is the PXE server's when `boot` is pxe; leave it out")
        if inputs["boot"] != "pxe" and name not in inputs:
            yield Failure(name, "is missing: an installation from virtual media takes it")


def _check_media(media: Value) -> Iterator[Failure]:
    if media is UNKNOWN:
        return
    published = {"folder", "url"} & media.keys()
    if ("serve" in media) == bool(published):
        yield Failure("media", "is `serve`, or `folder` with `url`")
    elif len(published) == 1:
        yield Failure("media", "has one of `folder` and `url`, and takes both")
    elif "serve" in media and not holds_unknown(media["serve"]) and not _is_address(media["serve"]["address"]):
        yield Failure("media.serve.address", "is no IPv4 or IPv6 address")


def _check_order(order: Value) -> Iterator[Failure]:
    if not isinstance(order, str):
        return
    try:
        base64.b64decode(order, validate=True)
    except binascii.Error:
        yield Failure("order", "is no base64")


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True
