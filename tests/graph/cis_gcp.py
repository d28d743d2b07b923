"""What the CIS Google Cloud Platform Foundations Benchmark 4.0 asks of a graph, a function a row, as in cis.py.

Two rows say what ours are when they are not as they stand: 4.7 wants a key of one's own, which an account names
(`kms_key`), and 4.9 wants no public address, which our Machines have because policy, bundles and visitors come there.
"""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from hdinfra.testing import Graph, Registered
from tests.graph.cis import ADMIN_PORTS, Row

INSTANCE, DISK = "gcp:compute/instance:Instance", "gcp:compute/disk:Disk"
_TRUE = ("TRUE", "true", "1")


def ssh(graph: Graph) -> list[str]:
    """3.6: no firewall lets the world in at SSH's port, in either family."""
    return [rule.name for rule in _open_to_the_world(graph) if _reaches(rule, ADMIN_PORTS[0])]


def rdp(graph: Graph) -> list[str]:
    """3.7: nor at RDP's."""
    return [rule.name for rule in _open_to_the_world(graph) if _reaches(rule, ADMIN_PORTS[1])]


def flow_logs(graph: Graph) -> list[str]:
    """3.8: every subnet logs all flows, each five seconds, with all metadata."""
    wanted = {"aggregationInterval": "INTERVAL_5_SEC", "flowSampling": 1.0, "metadata": "INCLUDE_ALL_METADATA"}
    subnets = graph.of_type("gcp:compute/subnetwork:Subnetwork")
    return [one.name for one in subnets if wanted.items() - one.inputs.get("logConfig", {}).items()]


def default_account(graph: Graph) -> list[str]:
    """4.1: no instance acts as the project's default service account."""
    return [one.name for one in graph.of_type(INSTANCE) if _is_default(_account(one))]


def full_access(graph: Graph) -> list[str]:
    """4.2: nor may one ask for everything."""
    scopes = ("cloud-platform", "https://www.googleapis.com/auth/cloud-platform")
    return [one.name for one in graph.of_type(INSTANCE) if {*_account(one).get("scopes", ())} & {*scopes}]


def project_keys(graph: Graph) -> list[str]:
    """4.3: SSH keys of the project open no instance."""
    return [one.name for one in graph.of_type(INSTANCE) if _metadata(one, "block-project-ssh-keys") not in _TRUE]


def os_login(graph: Graph) -> list[str]:
    """4.4: whoever logs in does so by OS Login; the project's setting is not ours, the instance's counts before it."""
    return [one.name for one in graph.of_type(INSTANCE) if _metadata(one, "enable-oslogin") not in _TRUE]


def serial_port(graph: Graph) -> list[str]:
    """4.5: nobody reaches a serial console, whatever the project says."""
    return [one.name for one in graph.of_type(INSTANCE) if _metadata(one, "serial-port-enable") not in ("FALSE", "0")]


def ip_forwarding(graph: Graph) -> list[str]:
    """4.6: no instance forwards packets of others."""
    return [one.name for one in graph.of_type(INSTANCE) if one.inputs.get("canIpForward") is not False]


def own_keys(graph: Graph) -> list[str]:
    """4.7: disks are encrypted with a key that the customer holds."""
    disks = [(one.name, one.inputs.get("diskEncryptionKey", {})) for one in graph.of_type(DISK)]
    disks += [(one.name, one.inputs.get("bootDisk", {})) for one in graph.of_type(INSTANCE)]
    return [name for name, said in disks if not (said.get("kmsKeySelfLink") or said.get("rawKey"))]


def shielded(graph: Graph) -> list[str]:
    """4.8: every instance is a Shielded VM."""
    wanted = {"enableVtpm": True, "enableIntegrityMonitoring": True}
    instances = graph.of_type(INSTANCE)
    return [one.name for one in instances if wanted.items() - one.inputs.get("shieldedInstanceConfig", {}).items()]


def public_addresses(graph: Graph) -> list[str]:
    """4.9, as far as it can be held: an instance that has a public address carries a tag of rules of ours, and in its
    network all is denied, both ways and in both families, that no such rule lets through."""
    tags = {tag for rule in _firewalls(graph) for tag in rule.inputs.get("targetTags", ())}
    denied = {_denial(rule) for rule in _firewalls(graph) if not rule.inputs.get("targetTags")}
    networks = {one.name: one.inputs.get("network", "") for one in graph.of_type("gcp:compute/subnetwork:Subnetwork")}
    found = []
    for one in graph.of_type(INSTANCE):
        for nic in one.inputs.get("networkInterfaces", ()):
            network = networks.get(str(nic.get("subnetwork", "")).removesuffix("-id"), "")
            whole = {(network, way, family) for way in ("INGRESS", "EGRESS") for family in (4, 6)}
            if nic.get("accessConfigs") and not (whole <= denied and {*one.inputs.get("tags", ())} & tags):
                found.append(one.name)
    return found


GCP: Mapping[str, Row] = {
    "3.6": ssh,
    "3.7": rdp,
    "3.8": flow_logs,
    "4.1": default_account,
    "4.2": full_access,
    "4.3": project_keys,
    "4.4": os_login,
    "4.5": serial_port,
    "4.6": ip_forwarding,
    "4.7": own_keys,
    "4.8": shielded,
    "4.9": public_addresses,
}


def _firewalls(graph: Graph) -> tuple[Registered, ...]:
    return graph.of_type("gcp:compute/firewall:Firewall")


def _open_to_the_world(graph: Graph) -> Iterator[Registered]:
    """Rules without sources of any kind are open to everybody, as Google reads them."""
    kinds = ("sourceRanges", "sourceTags", "sourceServiceAccounts")
    for rule in _firewalls(graph):
        inward = rule.inputs.get("direction", "INGRESS") == "INGRESS" and rule.inputs.get("allows")
        sources = rule.inputs.get("sourceRanges", ())
        world = any(ip_network(source).prefixlen == 0 for source in sources)
        nobody = not any(rule.inputs.get(kind) for kind in kinds)
        if inward and not rule.inputs.get("disabled") and (world or nobody):
            yield rule


def _reaches(rule: Registered, port: int) -> bool:
    return any(
        allowed["protocol"] in ("tcp", "udp", "all", "6", "17")
        and any(_holds(ports, port) for ports in allowed.get("ports") or ["0-65535"])
        for allowed in rule.inputs["allows"]
    )


def _holds(ports: str, port: int) -> bool:
    first, _, last = ports.partition("-")
    return int(first) <= port <= int(last or first)


def _denial(rule: Registered) -> tuple[str, str, int]:
    """Which network it closes, which way and in which family; nothing where it does not close it whole."""
    ranges = rule.inputs.get("sourceRanges") or rule.inputs.get("destinationRanges") or ()
    whole = [ip_network(each) for each in ranges if ip_network(each).prefixlen == 0]
    if not whole or rule.inputs.get("denies") != [{"protocol": "all"}] or rule.inputs.get("disabled"):
        return "", "", 0
    return str(rule.inputs["network"]), str(rule.inputs["direction"]), whole[0].version


def _account(instance: Registered) -> Mapping[str, Any]:
    found: Mapping[str, Any] = instance.inputs.get("serviceAccount") or {}
    return found


def _is_default(account: Mapping[str, Any]) -> bool:
    """An account without a name is the default one; without any, the instance has none."""
    email = str(account.get("email", ""))
    return bool(account) and (not email or email.endswith("-compute@developer.gserviceaccount.com"))


def _metadata(instance: Registered, key: str) -> str:
    return str(instance.inputs.get("metadata", {}).get(key, ""))
