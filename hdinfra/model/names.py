"""Strings that come from outside, typed before anything uses them: what does not match never reaches a file."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"^(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})+\Z")


def _host(value: str) -> str:
    if not _HOST.match(value) or value.rpartition(".")[2].isdigit():
        raise ValueError(
            "a host name is dot-separated labels of a-z, 0-9 and inner hyphens, 253 characters at most "
            "(RFC 1123); write an internationalised name in its xn-- form"
        )
    return value


Name = Annotated[str, StringConstraints(pattern=r"^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?\z", max_length=32)]
"""A zone, cluster, instance, tenant or place: one DNS label (RFC 1123) of 32 characters at most, letter first."""

Host = Annotated[str, AfterValidator(_host)]
"""A fully qualified host name in lower case (RFC 1123; internationalised names as A-labels, RFC 5890)."""


class Spec(BaseModel):
    """Base of every spec: frozen, plain values, and an unknown key is refused instead of ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


IPAddress = IPv4Address | IPv6Address

__all__ = ["Host", "IPAddress", "IPv4Address", "IPv4Network", "IPv6Address", "IPv6Network", "Name", "Spec"]
