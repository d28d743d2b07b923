"""Our rules for Linode, for which no public rule set exists. Each names the resources that break it.

After CIS: AWS Foundations 7.0, 6.1.1 (volumes encrypted), 6.2-6.4 (no admin port open to the world, in either family)
and 6.5 (nothing is open because nobody closed it); GCP 4.0, 4.3 (no keys of others). Flow logs do not exist there.
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
from tests.graph.linode_zone import BUCKET, FIREWALL, INSTANCE, OBJECT, PROVIDER, VOLUME

PUBLIC = frozenset({("TCP", "80"), ("TCP", "443"), ("ICMP", None)})
OUT = {("ICMP", None), *(("TCP", port) for port in ("53", "80", "443", "9000", "1-65535"))} | {
    ("UDP", port) for port in ("53", "67", "123", "547")
}
# Labels: letters, digits and single dashes here; at most 32 or 64 characters (packages/validation of linode/manager).
LABEL = re.compile(r"[a-z0-9](?:-?[a-z0-9])+")
LONGEST = {FIREWALL: 32, VOLUME: 32, "linode:index/nodeBalancer:NodeBalancer": 32}
MOST_RULES, MOST_ADDRESSES, MOST_PORTS = 25, 255, 15

Rule = Mapping[str, Any]


def rules_of(firewall: Registered, *directions: str) -> list[Rule]:
    """Inbound and outbound rules, or those of one direction."""
    return [rule for way in directions or ("inbounds", "outbounds") for rule in firewall.inputs.get(way, ())]


def who(rule: Rule) -> list[str]:
    """Addresses of both families."""
    return [*rule.get("ipv4s", ()), *rule.get("ipv6s", ())]


def opened(rule: Rule) -> set[tuple[str, str | None]]:
    """Protocol and each port."""
    ports = rule["ports"].split(",") if rule.get("ports") else [None]
    return {(rule["protocol"], port) for port in ports}


def _is_world(rule: Rule) -> bool:
    return any(ip_network(address).prefixlen == 0 for address in who(rule))


def _lets_in(firewall: Registered) -> bool:
    policies = (firewall.inputs["inboundPolicy"], firewall.inputs["outboundPolicy"])
    return policies != ("DROP", "DROP") or bool(firewall.inputs.get("disabled"))


def _open_to_the_world(firewall: Registered) -> bool:
    return any(_is_world(rule) and not opened(rule) <= PUBLIC for rule in rules_of(firewall, "inbounds"))


def _families_differ(firewall: Registered) -> bool:
    """What the world may do in one family and not in the other, or who has no address in one of them."""
    found: dict[tuple[str, str | None, bool], set[tuple[int, bool]]] = {}
    for way in ("inbounds", "outbounds"):
        for rule in rules_of(firewall, way):
            for protocol, port in opened(rule):
                networks = map(ip_network, who(rule))
                key = (protocol, port, way == "inbounds")
                found.setdefault(key, set()).update((one.version, one.prefixlen == 0) for one in networks)
    return any({v for v, _ in each} != {4, 6} or len({world for _, world in each}) != 1 for each in found.values())


def _too_much(firewall: Registered) -> bool:
    rules = rules_of(firewall)
    return len(rules) > MOST_RULES or any(
        len(who(rule)) > MOST_ADDRESSES or len(opened(rule)) > MOST_PORTS for rule in rules
    )


def _ill_addressed(made: Registered) -> bool:
    """One interface, in the VPC: a planned private address behind the kept IPv4 one, and a public /64 of its own."""
    interfaces = made.inputs.get("interfaces") or ()
    if len(interfaces) != 1 or made.inputs.get("interfaceGeneration") != "legacy_config":
        return True
    (one,) = interfaces
    ipv4, ipv6 = one.get("ipv4") or {}, one.get("ipv6") or {}
    parts = [ip_network(slaac["range"]).prefixlen for slaac in ipv6.get("slaacs", ())]
    kept = made.inputs.get("ipv4s") == [ipv4.get("nat11")] and bool(ipv4.get("vpc"))
    return one["purpose"] != "vpc" or not kept or not ipv6.get("isPublic") or parts != [64]


def _ill_told(made: Registered) -> bool:
    """User data is a secret, base64 that cloud-init decodes, and within the limit."""
    (metadata,) = made.inputs["metadatas"]
    try:
        base64.b64decode(metadata["userData"], validate=True)
    except binascii.Error:
        return True
    limit = load_catalogue().providers[Provider.LINODE].user_data_bytes
    return not _is_secret(made, "metadatas") or len(metadata["userData"]) > limit


def _is_secret(made: Registered, name: str) -> bool:
    return any(path.partition("[")[0].partition(".")[0] == name for path in made.secrets)


def _crowded(graph: Graph) -> Iterator[str]:
    groups = Counter(_group(made) for made in graph.of_type(INSTANCE))
    for made in graph.of_type(INSTANCE):
        if _group(made) is None or groups[_group(made)] > 5:
            yield made.name


def _group(made: Registered) -> Any:
    return (made.inputs.get("placementGroup") or {}).get("id")


def _each(type_: str, wrong: Callable[[Registered], object]) -> Callable[[Graph], Iterator[str]]:
    return lambda graph: (made.name for made in graph.of_type(type_) if wrong(made))


def _ill_labelled(graph: Graph) -> Iterator[str]:
    for made in graph.resources:
        label, longest = made.inputs.get("label"), LONGEST.get(made.type, 64)
        if made.type.startswith("linode:") and label and not (LABEL.fullmatch(label) and len(label) <= longest):
            yield made.name


def _ill_tagged(graph: Graph) -> Iterator[str]:
    for made in graph.resources:
        if any(not 3 <= len(tag) <= 50 for tag in made.inputs.get("tags", ()) if made.type.startswith("linode:")):
            yield made.name


def _public(made: Registered) -> bool:
    return made.inputs.get("acl", "private") != "private" and not str(made.inputs["key"]).endswith(".tar")


RULES: Mapping[str, Callable[[Graph], Iterator[str]]] = {
    "firewall.default": _each(FIREWALL, _lets_in),
    "firewall.world": _each(FIREWALL, _open_to_the_world),
    "firewall.families": _each(FIREWALL, _families_differ),
    "firewall.outbound": _each(FIREWALL, lambda f: not all(opened(r) <= OUT for r in rules_of(f, "outbounds"))),
    "firewall.limits": _each(FIREWALL, _too_much),
    "instance.firewall": _each(INSTANCE, lambda made: not made.inputs.get("firewallId")),
    "instance.addresses": _each(INSTANCE, _ill_addressed),
    "instance.encrypted": _each(INSTANCE, lambda made: made.inputs.get("diskEncryption") != "enabled"),
    "instance.no-keys": _each(
        INSTANCE, lambda made: any(made.inputs.get(key) for key in ("authorizedKeys", "authorizedUsers"))
    ),
    "instance.password": _each(INSTANCE, lambda made: not _is_secret(made, "rootPass")),
    "instance.spread": _crowded,
    "instance.user-data": _each(INSTANCE, _ill_told),
    "volume.encrypted": _each(VOLUME, lambda made: made.inputs.get("encryption") != "enabled"),
    "bucket.private": _each(BUCKET, lambda made: made.inputs.get("acl", "private") != "private"),
    "object.private": _each(OBJECT, _public),
    "provider.token": _each(PROVIDER, lambda made: "token" in made.inputs and "token" not in made.secrets),
    "labels.syntax": _ill_labelled,
    "tags.length": _ill_tagged,
}
"""By rule who breaks it, by name."""


def broken(graph: Graph) -> set[tuple[str, str]]:
    """Every rule that is broken, and by whom."""
    return {(rule, name) for rule, names in RULES.items() for name in names(graph)}
