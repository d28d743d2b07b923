"""What the CIS Azure Foundations Benchmark 5.0 asks of a graph, as tests/graph/cis.py does for AWS."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hdinfra.testing import Graph

NETWORK = "azure-native:network:"
WORLD = {"*", "any", "Internet", "0.0.0.0/0", "::/0"}
_DAYS = 90
Rules = Iterable[Mapping[str, Any]]


def remote_desktop(graph: Graph) -> list[str]:
    """7.1: no security group lets the world in at RDP's port."""
    return _open(graph, "Tcp", 3389)


def secure_shell(graph: Graph) -> list[str]:
    """7.2: nor at SSH's."""
    return _open(graph, "Tcp", 22)


def udp(graph: Graph) -> list[str]:
    """7.3: nor over UDP. A subnet's group lets in what some Machine's may; it decides alone where one has none."""
    return [
        name
        for name, rules in _groups(graph)
        if f"{name}-id" not in _gates(graph)
        and any(let_in(rules, "Udp", port) for rule in rules for port in _first_ports(rule))
    ]


def web(graph: Graph) -> list[str]:
    """7.4: who lets the world in over HTTP(S) was meant to: of Machines, the edges."""
    groups = dict(_groups(graph))
    opened = {f"{name}-id" for name, rules in groups.items() if any(let_in(rules, "Tcp", port) for port in (80, 443))}
    return [
        interface.name
        for interface in graph.of_type(f"{NETWORK}NetworkInterface")
        if interface.inputs.get("networkSecurityGroup", {}).get("id") in opened
        and interface.inputs.get("tags", {}).get("hdinfra.role") != "load-balancer"
    ]


def flow_logs(graph: Graph) -> list[str]:
    """7.8: every virtual network logs its flows, and keeps them for 90 days at least; 0 is for ever."""
    logged = {
        log.inputs.get("targetResourceId")
        for log in graph.of_type(f"{NETWORK}FlowLog")
        if log.inputs.get("enabled") and _kept(log.inputs.get("retentionPolicy", {}))
    }
    return [vnet.name for vnet in graph.of_type(f"{NETWORK}VirtualNetwork") if f"{vnet.name}-id" not in logged]


def subnets_closed(graph: Graph) -> list[str]:
    """7.11: every subnet has a security group."""
    inline = [
        (vnet.name, subnet)
        for vnet in graph.of_type(f"{NETWORK}VirtualNetwork")
        for subnet in vnet.inputs.get("subnets", ())
    ]
    apart = [(one.name, one.inputs) for one in graph.of_type(f"{NETWORK}Subnet")]
    return [name for name, subnet in (*inline, *apart) if not subnet.get("networkSecurityGroup", {}).get("id")]


AZURE = {
    "7.1": remote_desktop,
    "7.2": secure_shell,
    "7.3": udp,
    "7.4": web,
    "7.8": flow_logs,
    "7.11": subnets_closed,
}


def let_in(rules: Rules, protocol: str, port: int) -> bool:
    """Whether anybody in the world gets in there: the lowest number that is about them decides."""
    for rule in sorted(rules, key=lambda rule: rule["priority"]):
        if rule["direction"] == "Inbound" and rule["protocol"] in ("*", protocol) and _names(rule, port):
            return bool(rule["access"] == "Allow")
    return False


def _open(graph: Graph, protocol: str, port: int) -> list[str]:
    return [name for name, rules in _groups(graph) if let_in(rules, protocol, port)]


def _groups(graph: Graph) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """Security groups, and rules that are resources of their own as groups of one."""
    yield from (
        (one.name, list(one.inputs.get("securityRules", ()))) for one in graph.of_type(f"{NETWORK}NetworkSecurityGroup")
    )
    yield from ((one.name, [one.inputs]) for one in graph.of_type(f"{NETWORK}SecurityRule"))


def _gates(graph: Graph) -> set[str]:
    """Groups of subnets, behind which every interface has a group of its own."""
    faces = graph.of_type(f"{NETWORK}NetworkInterface")
    if not faces or not all(face.inputs.get("networkSecurityGroup", {}).get("id") for face in faces):
        return set()
    subnets = [s for vnet in graph.of_type(f"{NETWORK}VirtualNetwork") for s in vnet.inputs.get("subnets", ())]
    return {subnet.get("networkSecurityGroup", {}).get("id", "") for subnet in subnets}


def _names(rule: Mapping[str, Any], port: int) -> bool:
    sources = {rule.get("sourceAddressPrefix"), *rule.get("sourceAddressPrefixes", ())}
    return bool(sources & WORLD) and any(first <= port <= last for first, last in _ranges(rule))


def _ranges(rule: Mapping[str, Any]) -> list[tuple[int, int]]:
    told = [*rule.get("destinationPortRanges", ()), *filter(None, [rule.get("destinationPortRange")])]
    return [_range(each) for each in told]


def _range(told: str) -> tuple[int, int]:
    first, _, last = "0-65535".partition("-") if told == "*" else told.partition("-")
    return int(first), int(last or first)


def _first_ports(rule: Mapping[str, Any]) -> list[int]:
    return [first for first, _ in _ranges(rule)]


def _kept(policy: Mapping[str, Any]) -> bool:
    days = policy.get("days", 0)
    return bool(policy.get("enabled")) and (days == 0 or days >= _DAYS)
