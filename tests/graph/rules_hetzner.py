"""Our rules for Hetzner Cloud, for which no public rule set exists. Each names the resources that break it.

`firewall.world` is what CIS asks of other clouds (AWS Foundations 7.0, rows 6.2 to 6.4): no admin port for the world.
"""

import base64
import binascii
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from hdinfra.model.regions import load_catalogue
from hdinfra.model.spec import Provider
from hdinfra.testing import Graph, Registered
from tests.graph.hetzner_zone import FIREWALL, PRIMARY_IP, PROVIDER, SERVER, VOLUME

WORLD = frozenset({"0.0.0.0/0", "::/0"})
PUBLIC = frozenset({("tcp", "80"), ("tcp", "443"), ("icmp", None)})
# docs.hetzner.cloud, labels: a key may have a DNS prefix, a value may be empty.
KEY = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")


def _rules(firewall: Registered, direction: str) -> list[Mapping[str, Any]]:
    return [rule for rule in firewall.inputs.get("rules", ()) if rule["direction"] == direction]


def _who(rule: Mapping[str, Any]) -> list[str]:
    found: list[str] = rule.get("sourceIps") or rule.get("destinationIps") or []
    return found


def _open_to_the_world(firewall: Registered) -> bool:
    return any(
        any(ip_network(who).prefixlen == 0 for who in _who(rule)) and (rule["protocol"], rule.get("port")) not in PUBLIC
        for rule in _rules(firewall, "in")
    )


def _families_differ(firewall: Registered) -> bool:
    """What the world may do in one family and not in the other, or who has no address in one of them."""
    families: dict[tuple[str, str, str | None], set[tuple[int, bool]]] = {}
    for rule in firewall.inputs.get("rules", ()):
        key = (rule["direction"], rule["protocol"], rule.get("port"))
        families.setdefault(key, set()).update(
            (ip_network(w).version, ip_network(w).prefixlen == 0) for w in _who(rule)
        )
    return any(
        {version for version, _ in found} != {4, 6} or len({world for _, world in found}) != 1
        for found in families.values()
    )


def _ill_told(server: Registered) -> bool:
    """User data is a secret, one line of base64 that cloud-init decodes, and within the limit."""
    text = server.inputs["userData"]
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        return True
    return "userData" not in server.secrets or len(text) > load_catalogue().providers[Provider.HETZNER].user_data_bytes


def _half_addressed(server: Registered) -> bool:
    nets = server.inputs.get("publicNets") or [{}]
    return len(nets) != 1 or not all(nets[0].get(key) for key in ("ipv4Enabled", "ipv4", "ipv6Enabled", "ipv6"))


def _perishable(volume: Registered) -> bool:
    kept = volume.inputs.get("deleteProtection") and volume.request.retainOnDelete
    return not kept or any(volume.inputs.get(key) is not None for key in ("format", "automount", "serverId"))


def _crowded(graph: Graph) -> Iterator[str]:
    groups = Counter(server.inputs.get("placementGroupId") for server in graph.of_type(SERVER))
    for server in graph.of_type(SERVER):
        group = server.inputs.get("placementGroupId")
        if group is None or groups[group] > 10:
            yield server.name


def _each(type_: str, wrong: Callable[[Registered], object]) -> Callable[[Graph], Iterator[str]]:
    return lambda graph: (resource.name for resource in graph.of_type(type_) if wrong(resource))


def _ill_labelled(graph: Graph) -> Iterator[str]:
    for resource in graph.resources:
        labels = resource.inputs.get("labels", {}) if resource.type.startswith("hcloud:") else {}
        if not all(KEY.fullmatch(key) and VALUE.fullmatch(value) for key, value in labels.items()):
            yield resource.name


def _in_a_data_centre(graph: Graph) -> Iterator[str]:
    return (resource.name for resource in graph.resources if resource.inputs.get("datacenter"))


RULES: Mapping[str, Callable[[Graph], Iterator[str]]] = {
    "firewall.world": _each(FIREWALL, _open_to_the_world),
    "firewall.families": _each(FIREWALL, _families_differ),
    "firewall.outbound": _each(FIREWALL, lambda firewall: not _rules(firewall, "out")),
    "server.firewall": _each(SERVER, lambda server: not server.inputs.get("firewallIds")),
    "server.addresses": _each(SERVER, _half_addressed),
    "server.backups": _each(SERVER, lambda server: not server.inputs.get("backups")),
    "server.no-keys": _each(SERVER, lambda s: any(s.inputs.get(key) for key in ("sshKeys", "rescue", "iso"))),
    "server.spread": _crowded,
    "server.user-data": _each(SERVER, _ill_told),
    "address.outlives": _each(PRIMARY_IP, lambda address: address.inputs.get("autoDelete") is not False),
    "volume.outlives": _each(VOLUME, _perishable),
    "provider.token": _each(PROVIDER, lambda p: "token" in p.inputs and "token" not in p.secrets),
    "location.data-centre": _in_a_data_centre,
    "labels.syntax": _ill_labelled,
}
"""By rule who breaks it, by name."""


def broken(graph: Graph) -> set[tuple[str, str]]:
    """Every rule that is broken, and by whom."""
    return {(rule, name) for rule, names in RULES.items() for name in names(graph)}
