"""PolicyDocuments as the machine reads them: every value is checked again before it may reach a file."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, TypeVar

Address = IPv4Address | IPv6Address
Field = Callable[[object, str], Any]
T = TypeVar("T")

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})+\Z")
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?\Z")
_MACHINE = re.compile(r"[a-z0-9-]{1,100}\Z")
_PATH = re.compile(r"/[A-Za-z0-9._~/-]{0,200}\Z")
MODES = frozenset({"BYPASS", "RECORD", "MITIGATION"})


class PolicyError(ValueError):
    """A document that no machine may apply; the text names the path and the value found."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a site's clean traffic goes."""

    address: Address
    port: int


@dataclass(frozen=True, slots=True)
class WafSite:
    """One website behind the web application firewall."""

    host: str
    tenant: str
    mode: str
    paranoia: int
    origins: tuple[Origin, ...]
    health_path: str
    response_timeout_seconds: int


@dataclass(frozen=True, slots=True)
class WafPolicy:
    """Policy of one WAF machine."""

    sites: tuple[WafSite, ...]
    edges: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Backend:
    """One WAF machine as the edge sees it."""

    name: str
    cluster: str
    ipv4: Address
    ipv6: Address


@dataclass(frozen=True, slots=True)
class EdgeInstance:
    """An Instance and the machines that serve it."""

    name: str
    backends: tuple[Backend, ...]


@dataclass(frozen=True, slots=True)
class EdgeSite:
    """A website and the Instance that answers for it."""

    host: str
    instance: str
    response_timeout_seconds: int


@dataclass(frozen=True, slots=True)
class LoadBalancerPolicy:
    """Policy of one edge machine."""

    instances: tuple[EdgeInstance, ...]
    sites: tuple[EdgeSite, ...]


@dataclass(frozen=True, slots=True)
class LabOriginPolicy:
    """Policy of a machine that plays a customer's web server."""

    hosts: tuple[str, ...]


Policy = WafPolicy | LoadBalancerPolicy | LabOriginPolicy


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document with the bytes it came from; `digest` is its version."""

    app: str
    policy: Policy
    raw: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, in hex."""
        return hashlib.sha256(self.raw).hexdigest()


def _wrong(path: str, value: object, wanted: str) -> PolicyError:
    return PolicyError(f"{path}: {value!r:.80} is not {wanted}")


def _matching(pattern: re.Pattern[str], wanted: str) -> Field:
    def field(value: object, path: str) -> str:
        if not isinstance(value, str) or not pattern.match(value):
            raise _wrong(path, value, wanted)
        return value

    return field


def _between(low: int, high: int) -> Field:
    def field(value: object, path: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _wrong(path, value, f"a whole number from {low} to {high}")
        return value

    return field


def _mode(value: object, path: str) -> str:
    if not isinstance(value, str) or value not in MODES:
        raise _wrong(path, value, f"one of {', '.join(sorted(MODES))}")
    return value


def _host(value: object, path: str) -> str:
    host: str = _matching(_HOST, "a host name (RFC 1123, lower case)")(value, path)
    if host.rpartition(".")[2].isdigit():
        raise _wrong(path, value, "a host name, its last label is a number")
    return host


def _address(*families: int) -> Field:
    def field(value: object, path: str) -> Address:
        try:
            address = ip_address(value) if isinstance(value, str) else None
        except ValueError:
            address = None
        # A scoped address (fe80::1%eth0) carries free text behind the percent sign.
        if address is None or address.version not in families or "%" in str(value):
            raise _wrong(path, value, "an IP address" if len(families) > 1 else f"an IPv{families[0]} address")
        return address

    return field


def _many(item: Field) -> Field:
    def field(value: object, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _wrong(path, value, "a list")
        return tuple(item(entry, f"{path}[{number}]") for number, entry in enumerate(value))

    return field


def _record(shape: Callable[..., T], fields: Mapping[str, Field]) -> Callable[[object, str], T]:
    def field(value: object, path: str) -> T:
        if not isinstance(value, dict):
            raise _wrong(path, value, "an object")
        if odd := sorted(value.keys() ^ fields.keys()):
            raise PolicyError(f"{path}: keys {odd} are unknown or missing; wanted {sorted(fields)}")
        return shape(**{name: check(value[name], f"{path}.{name}") for name, check in fields.items()})

    return field


_name = _matching(_NAME, "a name (one DNS label of 32 characters at most)")
_timeout = _between(1, 300)
_ORIGIN = _record(Origin, {"address": _address(4, 6), "port": _between(1, 65535)})
_WAF_SITE = _record(
    WafSite,
    {
        "host": _host,
        "tenant": _name,
        "mode": _mode,
        "paranoia": _between(1, 4),
        "origins": _many(_ORIGIN),
        "health_path": _matching(_PATH, "a path of letters, digits and ._~/-"),
        "response_timeout_seconds": _timeout,
    },
)
_BACKEND = _record(
    Backend,
    {
        "name": _matching(_MACHINE, "a machine's name"),
        "cluster": _name,
        "ipv4": _address(4),
        "ipv6": _address(6),
    },
)
_INSTANCE = _record(EdgeInstance, {"name": _name, "backends": _many(_BACKEND)})
_EDGE_SITE = _record(EdgeSite, {"host": _host, "instance": _name, "response_timeout_seconds": _timeout})

_APPS: Mapping[str, Callable[[object, str], Policy]] = {
    "waf": _record(WafPolicy, {"sites": _many(_WAF_SITE), "edges": _many(_address(4, 6))}),
    "load-balancer": _record(LoadBalancerPolicy, {"instances": _many(_INSTANCE), "sites": _many(_EDGE_SITE)}),
    "lab-origin": _record(LabOriginPolicy, {"hosts": _many(_host)}),
}


def _unique(values: list[str], path: str) -> None:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise PolicyError(f"{path}: {twice} occur more than once")


def _check_whole(policy: Policy) -> None:
    match policy:
        case WafPolicy():
            _unique([site.host for site in policy.sites], "sites")
            for site in policy.sites:
                if not site.origins:
                    raise PolicyError(f"sites: {site.host} has no origin")
        case LoadBalancerPolicy():
            names = [instance.name for instance in policy.instances]
            _unique(names, "instances")
            _unique([site.host for site in policy.sites], "sites")
            _unique([backend.name for instance in policy.instances for backend in instance.backends], "backends")
            if lost := sorted({site.instance for site in policy.sites} - set(names)):
                raise PolicyError(f"sites: instances {lost} are not in this document")
        case LabOriginPolicy():
            _unique(list(policy.hosts), "hosts")


def parse(raw: bytes) -> Document:
    """Read one document; PolicyError names the first thing that is not as it must be."""
    try:
        value = json.loads(raw)
    except ValueError as error:
        raise PolicyError(f"document: not JSON: {error}") from None
    if not isinstance(value, dict) or value.get("app") not in _APPS:
        raise _wrong("app", value.get("app") if isinstance(value, dict) else value, f"one of {sorted(_APPS)}")
    if value.get("schema_version") != 1:
        raise _wrong("schema_version", value.get("schema_version"), "1, the only one known here")
    body = {key: entry for key, entry in value.items() if key not in ("app", "schema_version")}
    policy = _APPS[value["app"]](body, value["app"])
    _check_whole(policy)
    return Document(value["app"], policy, raw)
