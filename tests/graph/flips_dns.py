"""Other legal values of what a spec says of the Zone's own name servers."""

from collections.abc import Mapping
from typing import Any

Data = dict[str, Any]


def _on_or_off(zone: Data) -> Mapping[str, Data]:
    """They lead to an edge, so there is one."""
    if zone.get("dns") or not zone.get("edge"):
        return {}
    return {"name servers": {"dns": {"name": "edge.example.net"}}}


def _entrances(dns: Data) -> Mapping[str, Data]:
    fewer, more = dns["entrances"][:1], {"name": "other", "target": "other.cdn.example"}
    return {"the first alone": {"entrances": fewer}, "and other": {"entrances": [*dns["entrances"], more]}}


def _to(field: str, value: object) -> Any:
    return lambda _: {str(value): {field: value}}


DNS_FLIPS: Mapping[str, Any] = {
    "DnsSpec.clusters": _to("clusters", ["a", "c"]),
    "DnsSpec.entrances": _entrances,
    "DnsSpec.failures": _to("failures", 4),
    "DnsSpec.interval_seconds": _to("interval_seconds", 10),
    "DnsSpec.memory_mib": _to("memory_mib", 1024),
    "DnsSpec.name": _to("name", "other.example.net"),
    "DnsSpec.near": _to("near", []),
    "DnsSpec.publish": lambda _: {"nothing": {"publish": None}},
    "DnsSpec.recoveries": _to("recoveries", 5),
    "DnsSpec.rto_seconds": _to("rto_seconds", 600),
    "DnsSpec.timeout_seconds": _to("timeout_seconds", 1),
    "DnsSpec.ttl_seconds": _to("ttl_seconds", 60),
    "DnsSpec.vcpu": _to("vcpu", 2),
    "EntranceSpec.name": lambda entrance: {"renamed": {"name": f"{entrance['name']}2"}},
    "EntranceSpec.places": lambda entrance: (
        {"the other way": {"places": [*entrance["places"]][::-1]}} if "places" in entrance else {}
    ),
    "EntranceSpec.target": lambda entrance: (
        {"elsewhere": {"target": "else.cdn.example"}} if "target" in entrance else {}
    ),
    "NearSpec.network": _to("network", "203.0.113.0/24"),
    "NearSpec.places": lambda near: {"the other way": {"places": [*near["places"]][::-1]}},
    "ZoneSpec.dns": _on_or_off,
}
"""By model and field."""

DNS: Data = {
    "name": "edge.example.net",
    "clusters": ["a", "b"],
    "publish": {"port": 15300},
    "entrances": [
        {"name": "main", "places": ["east", "west"]},
        {"name": "cdn", "target": "zone.cdn.example"},
    ],
    "near": [{"network": "192.0.2.0/24", "places": ["west", "east"]}],
}
"""What the base has whose name servers are flipped."""
