"""Our rules for IBM Cloud. Each names the resources that break it.

`network.closed`, `rule.world` and `acl.admin` are what CIS asks of IBM Cloud (Foundations 1.1, 6.1.1 to 6.2.4) and of
other clouds: default groups closed, no SSH or RDP from the world. `instance.metadata` and `volume.encrypted` likewise.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from hdinfra.model.regions import load_catalogue
from hdinfra.model.spec import Provider
from hdinfra.testing import Graph, Registered
from tests.graph.ibm_zone import (
    ACL,
    BALANCER,
    FLOATING_IP,
    GROUP,
    INSTANCE,
    INTERFACE,
    PLAN,
    POOL,
    PROVIDER,
    RULE,
    SUBNET,
    VPC,
)

WORLD = "0.0.0.0/0"
PUBLIC = frozenset({("tcp", 80), ("tcp", 443), ("icmp", None)})
TAG = re.compile(r"[a-z0-9.-]+:[a-z0-9_.-]*")
ADMIN = frozenset({22, 3389})


def _open_to_the_world(rule: Registered) -> bool:
    said = rule.inputs
    if said["direction"] != "inbound" or said.get("remote", WORLD) != WORLD:
        return False
    first, last = said.get("portMin"), said.get("portMax")
    return first != last or (said.get("protocol"), first) not in PUBLIC


def _without_remote(rule: Registered) -> bool:
    """Without one, a rule is for anybody; without a protocol, for everything."""
    return not rule.inputs.get("remote") or not rule.inputs.get("protocol")


def _lets_admins_in(acl: Registered) -> bool:
    """The first rule that fits decides, so that what denies comes before what allows."""
    denied = set()
    for rule in acl.inputs["rules"]:
        if rule["action"] == "allow" and rule["direction"] == "inbound":
            return not denied >= ADMIN
        if rule["action"] == "deny" and rule["source"] == WORLD and rule["protocol"] == "tcp":
            denied.add(rule["portMin"])
    return False


def _ill_told(instance: Registered) -> bool:
    text = instance.inputs["userData"]
    limit = load_catalogue().providers[Provider.IBM].user_data_bytes
    return "userData" not in instance.secrets or not text.startswith("#cloud-config\n") or len(text.encode()) > limit


def _interface_is_lost(instance: Registered) -> bool:
    attachment = instance.inputs.get("primaryNetworkAttachment") or {}
    return set(attachment.get("virtualNetworkInterface", {})) != {"id"}


def _uncopied(instance: Registered) -> bool:
    return not any(
        tag.startswith("hdinfra.snapshots:") for tag in instance.inputs.get("bootVolume", {}).get("tags", ())
    )


def _spoofing(interface: Registered) -> bool:
    said = interface.inputs
    return said.get("allowIpSpoofing") is not False or said.get("enableInfrastructureNat") is not True


def _careless(pool: Registered) -> bool:
    said = pool.inputs
    return (said["healthType"], said["healthMonitorUrl"], said["proxyProtocol"]) != ("http", "/healthz", "v1")


def _crowded(graph: Graph) -> Iterator[str]:
    groups = Counter(instance.inputs.get("placementGroup") for instance in graph.of_type(INSTANCE))
    for instance in graph.of_type(INSTANCE):
        group = instance.inputs.get("placementGroup")
        if group is None or groups[group] > 12:
            yield instance.name


def _each(type_: str, wrong: Callable[[Registered], object]) -> Callable[[Graph], Iterator[str]]:
    return lambda graph: (resource.name for resource in graph.of_type(type_) if wrong(resource))


def _ill_tagged(graph: Graph) -> Iterator[str]:
    for resource in graph.resources:
        if not all(TAG.fullmatch(tag) and len(tag) <= 128 for tag in resource.inputs.get("tags") or ()):
            yield resource.name


def _without_rules(graph: Graph) -> Iterator[str]:
    """A group that lets nothing out is one of which somebody forgot the rules."""
    out = {rule.inputs["group"] for rule in graph.of_type(RULE) if rule.inputs["direction"] == "outbound"}
    return (group.name for group in graph.of_type(GROUP) if f"{group.name}-id" not in out)


RULES: Mapping[str, Callable[[Graph], Iterator[str]]] = {
    "network.closed": _each(VPC, lambda vpc: vpc.inputs.get("noSgAclRules") is not True),
    "network.prefixes": _each(VPC, lambda vpc: vpc.inputs.get("addressPrefixManagement") != "manual"),
    "subnet.acl": _each(SUBNET, lambda subnet: not subnet.inputs.get("networkAcl")),
    "subnet.gateway": _each(SUBNET, lambda subnet: subnet.inputs.get("publicGateway")),
    "acl.admin": _each(ACL, _lets_admins_in),
    "rule.world": _each(RULE, _open_to_the_world),
    "rule.named": _each(RULE, _without_remote),
    "group.outbound": _without_rules,
    "interface.group": _each(INTERFACE, lambda one: len(one.inputs.get("securityGroups") or ()) != 1),
    "interface.outlives": _each(INTERFACE, lambda one: one.inputs.get("autoDelete") is not False),
    "interface.spoofing": _each(INTERFACE, _spoofing),
    "address.zone": _each(FLOATING_IP, lambda one: not one.inputs.get("zone") or one.inputs.get("target")),
    "instance.interface": _each(INSTANCE, _interface_is_lost),
    "instance.metadata": _each(INSTANCE, lambda one: one.inputs.get("metadataService") != {"enabled": False}),
    "instance.no-keys": _each(INSTANCE, lambda one: one.inputs.get("keys")),
    "instance.snapshots": _each(INSTANCE, _uncopied),
    "instance.spread": _crowded,
    "instance.user-data": _each(INSTANCE, _ill_told),
    "snapshots.kept": _each(PLAN, lambda one: one.inputs["deletionTrigger"]["deleteOverCount"] != "7"),
    "balancer.group": _each(BALANCER, lambda one: not one.inputs.get("securityGroups")),
    "balancer.health": _each(POOL, _careless),
    "provider.key": _each(PROVIDER, lambda p: "ibmcloudApiKey" in p.inputs and "ibmcloudApiKey" not in p.secrets),
    "tags.syntax": _ill_tagged,
}
"""By rule who breaks it, by name."""


def broken(graph: Graph) -> set[tuple[str, str]]:
    """Every rule that is broken, and by whom."""
    return {(rule, name) for rule, names in RULES.items() for name in names(graph)}
