"""One site more, one less, or another mode: the spec's text before and after. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import yaml

from hdinfra.model.spec import Mode
from hdinfra.operate.errors import SpecEditError
from hdinfra.operate.yaml_splice import Plain, appended, items_of, removed, tree, with_scalar

Edit = Callable[[str], str]
_LAB = "lab:"


@dataclass(frozen=True, slots=True)
class NewSite:
    """A site as it was ordered. `instance` may be left out where the spec has one; None keeps the spec's default."""

    host: str
    tenant: str
    origins: tuple[Mapping[str, Plain], ...]
    instance: str | None = None
    mode: Mode | None = None
    paranoia: int | None = None

    @property
    def item(self) -> Mapping[str, Plain]:
        """As it stands in a spec."""
        chosen: dict[str, Plain | None] = {"mode": self.mode and self.mode.value, "paranoia": self.paranoia}
        given = {name: value for name, value in chosen.items() if value is not None}
        return {"host": self.host, **given, "origins": list(self.origins)}


@dataclass(frozen=True, slots=True)
class _Place:
    tenant: yaml.MappingNode
    site: yaml.MappingNode
    index: int


def origin_of(text: str) -> Mapping[str, Plain]:
    """`192.0.2.10`, `192.0.2.10:8080`, `2001:db8::10`, `[2001:db8::10]:8080` or `lab:NAME`; else SpecEditError."""
    if text.startswith(_LAB):
        return {"lab": text.removeprefix(_LAB)}
    address, port = _split(text)
    try:
        found = str(ip_address(address))
        return {"address": found} if port is None else {"address": found, "port": int(port)}
    except ValueError:
        raise SpecEditError(
            f"`{text[:60]}` is no origin.", retry="--origin 192.0.2.10:8080, [2001:db8::10]:8080 or lab:NAME"
        ) from None


def add_site(site: NewSite) -> Edit:
    """Adds it; its tenant too where the Instance has none of that name."""

    def edit(text: str) -> str:
        instance = instance_in(tree(text), site.instance)
        for tenant in items_of(instance, "tenants"):
            if isinstance(tenant, yaml.MappingNode) and text_of(tenant, "name") == site.tenant:
                return appended(text, tenant, "sites", site.item)
        return appended(text, instance, "tenants", {"name": site.tenant, "sites": [site.item]})

    return edit


def remove_site(host: str) -> Edit:
    """Removes it; its tenant stays."""

    def edit(text: str) -> str:
        place = _place(tree(text), host)
        return removed(text, place.tenant, "sites", place.index)

    return edit


def set_mode(host: str, mode: Mode) -> Edit:
    """Gives it that mode."""

    def edit(text: str) -> str:
        place = _place(tree(text), host)
        return with_scalar(text, place.site, "mode", mode.value, after="host")

    return edit


def instances_in(top: yaml.MappingNode) -> list[yaml.MappingNode]:
    """The spec's Instances."""
    return [node for node in items_of(top, "instances") if isinstance(node, yaml.MappingNode)]


def instance_in(top: yaml.MappingNode, name: str | None) -> yaml.MappingNode:
    """The Instance of that name; without one, the only one there is. SpecEditError names those that may be meant."""
    found = instances_in(top)
    named = [node for node in found if name in (None, text_of(node, "name"))]
    if len(named) == 1:
        return named[0]
    known = ", ".join(text_of(node, "name") for node in found) or "none"
    problem = f"There is no Instance `{name}` in this spec." if name else "Which Instance is meant is not clear."
    raise SpecEditError(problem, retry=f"--instance with one of: {known}")


def _place(top: yaml.MappingNode, host: str) -> _Place:
    known = []
    for tenant in _tenants(top):
        for index, site in enumerate(items_of(tenant, "sites")):
            if isinstance(site, yaml.MappingNode):
                known.append(text_of(site, "host"))
                if known[-1] == host:
                    return _Place(tenant, site, index)
    raise SpecEditError(f"There is no site `{host}` in this spec.", retry=f"one of: {', '.join(known) or 'none'}")


def _tenants(top: yaml.MappingNode) -> list[yaml.MappingNode]:
    tenants = [tenant for instance in instances_in(top) for tenant in items_of(instance, "tenants")]
    return [tenant for tenant in tenants if isinstance(tenant, yaml.MappingNode)]


def text_of(mapping: yaml.MappingNode, key: str) -> str:
    """The text under that key, empty where there is none."""
    values: list[Any] = [value.value for name, value in mapping.value if name.value == key]
    return str(values[0]) if values else ""


def _split(text: str) -> tuple[str, str | None]:
    if text.startswith("[") and "]" in text:
        address, _, port = text[1:].partition("]")
        return address, port.removeprefix(":") if port else None
    if text.count(":") == 1:
        address, _, port = text.partition(":")
        return address, port
    return text, None
