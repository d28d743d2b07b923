"""Strings that come from outside, typed before anything uses them: what does not match never reaches a file."""

import ipaddress
import re
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"^(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})+\Z")


def _host(value: str) -> str:
    if not _HOST.match(value) or value.rpartition(".")[2].isdigit():
        raise ValueError(
            "a host name is dot-separated labels of a-z, 0-9 and inner hyphens, 253 characters at most "
            "(RFC 1123); write an internationalised name in its xn-- form"
        )
    return value


def _plain_text(value: object) -> object:
    # `ipaddress` takes integers (so 1 would be 0.0.0.1) and, behind `%`, any text at all as an IPv6 scope.
    if isinstance(value, int | bytes | tuple | list):
        raise ValueError(f"an address is written as text, such as 192.0.2.10 or 2001:db8::10, not as {value!a:.40}")
    if "%" in str(value):
        raise ValueError("an address with a scope (`%`) means something on one machine only; leave the scope out")
    return value


def _address(value: object) -> object:
    if not isinstance(value, str):
        return _plain_text(value)
    _plain_text(value)
    try:
        return ipaddress.ip_address(value)
    except ValueError as error:
        # The library's own message repeats the value as it came.
        raise ValueError("an address of IPv4 or IPv6 is due, such as 192.0.2.10 or 2001:db8::10") from error


def _with_length(value: object) -> object:
    if isinstance(value, str) and "/" not in value:
        raise ValueError("an address with its network's length is due, such as 192.0.2.10/24 or 2001:db8::10/64")
    return _plain_text(value)


def _network(value: object) -> object:
    if not isinstance(value, str):
        return _plain_text(value)
    _plain_text(value)
    try:
        return ipaddress.ip_network(value)
    except ValueError as error:
        # One refusal instead of one a family, and without the value as it came.
        raise ValueError(
            "a network of IPv4 or IPv6 is due, its host bits zero, such as 192.0.2.0/24 or 2001:db8::/32"
        ) from error


def _path_part(value: str) -> str:
    segments = value.removesuffix("/").split("/")[1:]
    if "" in segments or {".", ".."} & set(segments) or not segments:
        raise ValueError(
            "a path below `/` is due, without empty, `.` and `..` segments, such as /upload; "
            "for the whole site there is `mode: BYPASS`"
        )
    return value


def _network_part(value: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    if value.prefixlen < (8 if value.version == 4 else 32):
        raise ValueError(
            "a part of the Internet is due, of IPv4 a /8 at most and of IPv6 a /32; "
            "for all clients there is `mode: BYPASS`"
        )
    return value


Name = Annotated[str, StringConstraints(pattern=r"^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?$", max_length=32)]
"""A zone, cluster, instance, tenant or place: one DNS label (RFC 1123) of 32 characters at most, letter first.
pydantic's regular expressions are Rust's, whose `$` does not match before a last newline as Python's does."""

Host = Annotated[str, AfterValidator(_host), WithJsonSchema({"type": "string", "format": "hostname"})]
"""A fully qualified host name in lower case (RFC 1123; internationalised names as A-labels, RFC 5890)."""

RegionName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$", max_length=64)]
"""A provider's own name of a data centre."""

SizeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$", max_length=64)]
"""A provider's own name of a machine's size."""

UrlPath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._~/-]{0,200}$")]
"""An absolute path of unreserved characters (RFC 3986): nothing that a configuration file would have to quote."""

PathPart = Annotated[UrlPath, AfterValidator(_path_part)]
"""A part of a site: a path below its root and all that lies below it."""

Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
"""A TCP port."""

Paranoia = Annotated[int, Field(strict=True, ge=1, le=4)]
"""A paranoia level of the OWASP Core Rule Set."""

Seconds = Annotated[int, Field(strict=True, ge=1, le=300)]
"""A time that a user may wait."""

IPAddress = Annotated[
    IPv4Address | IPv6Address,
    BeforeValidator(_address),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]}),
]
"""An address of either family, without a scope."""

IPv4 = Annotated[IPv4Address, BeforeValidator(_plain_text)]
"""An IPv4 address, written as text."""

IPv6 = Annotated[IPv6Address, BeforeValidator(_plain_text)]
"""An IPv6 address, written as text, without a scope."""

IPv4WithLength = Annotated[IPv4Interface, BeforeValidator(_with_length)]
"""An IPv4 address and the length of its network's prefix, written as text."""

IPv6WithLength = Annotated[IPv6Interface, BeforeValidator(_with_length)]
"""An IPv6 address and the length of its network's prefix, written as text, without a scope."""

IPv4Prefix = Annotated[IPv4Network, BeforeValidator(_plain_text)]
"""An IPv4 network, written as text, its host bits zero."""

IPv6Prefix = Annotated[IPv6Network, BeforeValidator(_plain_text)]
"""An IPv6 network, written as text, its host bits zero."""


Prefix = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
"""A network of either family, written as text, its host bits zero."""

NetworkPart = Annotated[Prefix, AfterValidator(_network_part)]
"""A network that leaves most of the Internet out: a /8 of IPv4 or a /32 of IPv6 at most."""

HttpUrl = Annotated[
    str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.:\[\]_~-]+(/[A-Za-z0-9._~-]+)*/?$", max_length=500)
]
"""An address of unreserved characters (RFC 3986) without a query, to which a file's name can be appended."""

HttpsUrl = Annotated[
    str, StringConstraints(pattern=r"^https://[A-Za-z0-9.:\[\]_~-]+(/[A-Za-z0-9._~-]+)*/?$", max_length=500)
]
"""The same, and nobody on the way may change what comes from there."""

Email = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._%+-]{1,64}@[a-z0-9.-]{1,190}$")]
"""An address of a person or a list, without a display name."""

FilePath = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=400)]
"""A path beside the spec, or an absolute one."""

RuleNumber = Annotated[int, Field(strict=True, ge=900_000, le=999_999)]
"""A rule of the OWASP Core Rule Set."""


class Spec(BaseModel):
    """Base of every spec: frozen, plain values, and an unknown key is refused instead of ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


__all__ = [
    "Email",
    "FilePath",
    "Host",
    "HttpUrl",
    "HttpsUrl",
    "IPAddress",
    "IPv4",
    "IPv4Address",
    "IPv4Network",
    "IPv4Prefix",
    "IPv4WithLength",
    "IPv6",
    "IPv6Address",
    "IPv6Network",
    "IPv6Prefix",
    "IPv6WithLength",
    "Name",
    "NetworkPart",
    "Paranoia",
    "PathPart",
    "Port",
    "Prefix",
    "RegionName",
    "RuleNumber",
    "Seconds",
    "SizeName",
    "Spec",
    "UrlPath",
]
