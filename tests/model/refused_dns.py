"""Name servers that would lead nobody anywhere, or later than was promised."""

from hdinfra.model.held import Held
from hdinfra.model.planner import plan_zone
from hdinfra.model.spec import ZoneSpec
from hdinfra.model.typed import validated
from tests.model.cloud_specs import europe
from tests.model.legal import Change, Data, legal, setting
from tests.model.refused import RefusalCase, without
from tests.strategies import WIDE

DOMAIN = "edge.example.net"


def dns(**keys: object) -> Change:
    """Name servers with these keys besides their domain."""
    return setting("dns", {"name": DOMAIN, **keys})


def here(rule: str, path: str, *changes: Change) -> RefusalCase:
    """The legal spec on this computer with these changes."""
    return RefusalCase(rule, path, lambda: plan_zone(validated(ZoneSpec, legal(*changes)), Held(), WIDE))


def abroad(rule: str, path: str, *changes: Change) -> RefusalCase:
    """The legal spec of three clouds."""
    return RefusalCase(rule, path, lambda: plan_zone(validated(ZoneSpec, europe(*changes))))


def entrances(*entries: Data) -> Change:
    """Name servers with these entrances."""
    return dns(entrances=list(entries))


def near(*entries: Data) -> Change:
    """Name servers that know these networks."""
    return dns(near=list(entries))


EAST: Data = {"name": "main", "places": ["east"]}
ASIA: Data = {"network": "192.0.2.0/24", "places": ["west"]}
CDN: Data = {"name": "cdn", "target": "zone.cdn.example"}
DNS = [
    here("dns.edge", "dns", dns(), without("edge")),
    here("dns.cluster-unknown", "dns.clusters[1]", dns(clusters=["one", "tow"])),
    here("instance.two-operators", "dns.clusters", dns(clusters=["one", "ten"])),
    here("instance.two-clusters", "dns.clusters", dns(clusters=["one"])),
    here("instance.size", "dns.memory_mib", dns(memory_mib=9000)),
    here("instance.duplicate-name", "instances[1].name", dns(), setting("instances.1.name", "dns")),
    here("cluster.duplicate-name", "edge.places[1].name", dns(), setting("edge.places.1.name", "dns")),
    here("dns.entrance-name", "dns.entrances[1].name", entrances(EAST, CDN | {"name": "main"})),
    here("dns.entrance-name", "dns.entrances[0].name", entrances(EAST | {"name": "sites"})),
    here("dns.entrance-name", "dns.entrances[1].name", entrances(EAST, CDN | {"name": "ns2"})),
    RefusalCase("dns.entrance-kept", "dns.entrances", lambda: plan_zone(
        validated(ZoneSpec, legal(entrances(EAST))), Held(zone="india", entrance="cdn"), WIDE)),
    here("dns.place-unknown", "dns.entrances[0].places[1]", entrances(EAST | {"places": ["east", "wets"]})),
    here("dns.place-unknown", "dns.near[0].places[1]", near(ASIA | {"places": ["west", "west"]})),
    here("dns.duplicate-network", "dns.near[1].network", near(ASIA, ASIA)),
    here("dns.name", "dns.entrances[1].target", entrances(EAST, CDN | {"target": f"cdn.{DOMAIN}"})),
    here("dns.name", "instances[0].tenants[0].sites[0].host", dns(name="acme.test")),
    here("dns.timeout", "dns.timeout_seconds", dns(interval_seconds=2)),
    here("dns.rto", "dns.rto_seconds", dns(rto_seconds=41)),
    here("dns.duplicate-port", "dns.publish", dns(publish={"port": 8079})),
    here("dns.duplicate-port", "dns.publish", dns(publish={"port": 8442})),
    here("dns.duplicate-port", "dns.publish", dns(publish={"port": 65534})),
    here("dns.duplicate-port", "dns.publish", dns(publish={"port": 9002}),
        setting("control", {"publish": {"port": 9000}})),
    abroad("publish.local-only", "dns.publish", dns(publish={"port": 15300})),
    here("spec.type", "dns.entrances[0]", entrances(EAST | {"target": "zone.cdn.example"})),
    here("spec.type", "dns.entrances[0]", entrances({"name": "main"})),
    here("spec.type", "dns.ttl_seconds", dns(ttl_seconds=4)),
]  # fmt: skip
