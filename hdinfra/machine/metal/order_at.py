"""Where a server finds its order when an installer that is not ours puts Debian onto it first."""

import re
from dataclasses import dataclass

from hdinfra.machine.sources import asset

_URL = re.compile(r"https://[A-Za-z0-9._~:/?#\[\]@!&()*+,;=%-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class OrderAt:
    """An order (`hdinfra.machine.metal.order`) behind HTTPS, and its SHA-256 in hexadecimal.

    The order is secret, so whoever keeps it lets nobody but the server have it; what is rendered from this is not.
    ValueError for what could not be written into a shell script as it is.
    """

    url: str
    sha256: str

    def __post_init__(self) -> None:
        if not _URL.fullmatch(self.url):
            raise ValueError(f"`{self.url}` is no address that begins with https:// and needs no quotes")
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"`{self.sha256}` is no SHA-256 of 64 hexadecimal digits")


def finish_script(at: OrderAt) -> str:
    """What makes the Debian that lies on the disks this Machine; it runs as root inside that Debian, not booted yet."""
    return asset("metal-finish.sh").replace("@URL@", at.url).replace("@SHA256@", at.sha256)
