"""Every input of every spec, and other legal values for it. A field that is not here fails test_upgrades.py."""

from collections.abc import Mapping
from typing import Any

from hdinfra.model.spec import App
from tests.graph import flips_where as where
from tests.graph.flips_dns import DNS_FLIPS
from tests.graph.flips_where import WHY, Data, Flip, Values

INDIAN = "shop"
"""What the Instance of the Zone in India is called: a flip sees the Instance alone."""
_NEW_SITE = {"host": "new.acme.example", "origins": [{"address": "192.0.2.80"}]}


def to(field: str, *values: Any) -> Flip:
    """The same values whatever was there before."""
    return lambda _: {_shown(value): {field: value} for value in values}


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value).replace("'", "")


def _more_and_less(field: str, new: Any) -> Flip:
    def flip(owner: Data) -> Values:
        before = owner.get(field) or []
        less = {f"without {name_of(before[-1])}": {field: before[:-1]}} if before else {}
        return {f"and {name_of(new)}": {field: [*before, new]}, **less}

    return flip


def name_of(entry: Any) -> str:
    """What people call an entry of a list."""
    if not isinstance(entry, Mapping):
        return str(entry)
    return str(
        entry.get("name") or entry.get("host") or entry.get("address") or entry.get("lab") or entry.get("network")
    )


def _renamed(field: str) -> Flip:
    return lambda owner: {f"{owner[field]}2": {field: f"{owner[field]}2"}}


def _clusters(zone: Data) -> Values:
    here = zone["area"] == "lab"
    new = (
        {"name": "new", "provider": "local", "region": "lab-centre"}
        if here
        else {"name": "par", "provider": "aws", "region": "eu-west-3"}
    )
    if zone["area"] == "india":
        waivers = {"snapshot-retention": WHY, "volume-snapshots": WHY}
        new = {"name": "west", "provider": "linode", "region": "ap-west", "waivers": waivers}
    less = {} if len(zone["clusters"]) < 3 else {f"without {c['name']}": _without(zone, c) for c in zone["clusters"]}
    return {f"and {new['name']}": {"clusters": [*zone["clusters"], new]}, **less}


def _without(zone: Data, cluster: Data) -> Data:
    return {"clusters": [other for other in zone["clusters"] if other != cluster]}


def _instances(zone: Data) -> Values:
    new = {"name": "next", "memory_mib": 1024, "tenants": [{"name": "hooli"}]}
    return _more_and_less("instances", new)(zone)


def _chosen(instance: Data) -> Values:
    """Clusters by name: fewer, and others."""
    if instance["name"] == "even":
        return {"az, hz": {"clusters": ["az", "hz"]}}
    if instance["name"] == "wide":
        return {"aws, gcp": {"clusters": ["aws", "gcp"]}}
    if instance.get("memory_mib") is None:
        return {"a, b": {"clusters": ["a", "b"]}}  # on this computer there are only two
    last = "li" if instance["name"] == INDIAN else "hz"
    return {", ".join(names): {"clusters": names} for names in (["aws", last], ["aws", "do", last])}


def _sizes(instance: Data) -> Values:
    if instance.get("memory_mib") is None:
        return {"local-2g": {"sizes": {"local": "local-2g"}}}
    if instance["name"] == "even":
        return {"Standard_D2s_v5": {"sizes": {"azure": "Standard_D2s_v5"}}}
    if instance["name"] == "wide":
        return {"n2-standard-4": {"sizes": {"gcp": "n2-standard-4"}}}
    if instance["name"] == INDIAN:
        return {"g6-standard-4": {"sizes": {"linode": "g6-standard-4"}}}
    return {"t3.large": {"sizes": {"aws": "t3.large"}}, "cpx32": {"sizes": {"hetzner": "cpx32"}}}


def _arch(instance: Data) -> Values:
    """Of the clouds, AWS alone sells ARM at the moment, and an Instance needs two operators."""
    return {} if "memory_mib" in instance else {"arm64": {"arch": "arm64"}}


def _memory(owner: Data) -> Values:
    more = 2 * int(owner.get("memory_mib", 512))
    return {f"{more}": {"memory_mib": more}}


def _volume(instance: Data) -> Values:
    if "memory_mib" not in instance:
        return {}  # the local cloud has no volumes
    before = instance.get("volume_gib")
    return {"40": {"volume_gib": 40}, **({"nothing": {"volume_gib": None}} if before else {})}


def _of_shared(flip: Flip) -> Flip:
    """Dedicated Machines are declared as shared ones are; one kind is enough."""
    return lambda instance: {} if instance.get("tenancy") == "dedicated" else flip(instance)


def _tenancy(instance: Data) -> Values:
    """Refused where it runs (instance.owner-kept); with one tenant it would be legal otherwise."""
    if instance.get("tenancy") == "dedicated":
        return {"shared": {"tenancy": "shared"}}
    return {"dedicated": {"tenancy": "dedicated", "tenants": instance["tenants"][:1]}}


def _mode(site: Data) -> Values:
    other = "RECORD" if site.get("mode") == "MITIGATION" else "MITIGATION"
    return {other: {"mode": other}}


def _lab(origin: Data) -> Values:
    if "lab" not in origin:
        return {}
    return {"spare": {"lab": "spare"}}


def _publish(owner: Data) -> Values:
    return {"nothing": {"publish": None}} if owner.get("publish") else {}


def _places(edge: Data) -> Values:
    here = edge["places"][0]["provider"] == "local"
    new = {"name": "new", "provider": "local", "region": "lab-centre"} if here else None
    if edge["places"][0]["region"] in where.IN_INDIA:
        new = {"name": "maa", "provider": "linode", "region": "in-maa", "waivers": {"snapshot-retention": WHY}}
    new = new or {"name": "sto", "provider": "aws", "region": "eu-north-1"}
    return {f"and {new['name']}": {"places": [*edge["places"], new]}}


def _balancer(place: Data) -> Values:
    """Several machines cannot do without, so they go with it; the local cloud has none."""
    if place["provider"] == "local":
        return {}
    if place.get("load_balancer"):
        return {"False": {"load_balancer": False, "machines": None}}
    return {"True": {"load_balancer": True}}


def _machines(place: Data) -> Values:
    if place["provider"] == "local":
        return {}
    return {str(number): {"machines": number, "load_balancer": True} for number in (1, 2, 3)}


def _control_clusters(control: Data) -> Values:
    # The europe base names admin networks, the local one does not.
    clouds = ["aws", "gcp"] if control.get("memory_mib") == 1024 else ["aws", "do"]
    names = clouds if control.get("admin_networks") else ["a", "b"]
    return {", ".join(names): {"clusters": names}}


def _lab_origin_name(origin: Data) -> Values:
    return {"other": {"name": "other"}} if origin["name"] == "spare" else {}  # sites send to the others


def _lab_origins(lab: Data) -> Values:
    return _more_and_less("origins", {"name": "more", "region": "lab-centre"})(lab) if "origins" in lab else {}


def _snapshots(zone: Data) -> Values:
    return {"nothing": {"snapshots": None}} if zone.get("snapshots") else {}


_ACME = {"directory": "https://acme.example/directory", "contact": "ops@acme.example"}
_PEM = {"certificate": "shop.pem", "key": "shop.key"}


def _issuer(tls: Data) -> Values:
    if tls.get("issuer") == "acme":
        return {"local": {"issuer": "local", "acme": None}}
    return {"acme": {"issuer": "acme", "acme": _ACME}}


POOLS: Data = {
    "pools": [{"name": "first", "clusters": ["a"]}, {"name": "second", "clusters": ["b"]}],
    "fallback": "second",
    "monitor": {"interval_seconds": 1, "timeout_seconds": 1},
}
"""Clusters that take users in order, of the Zone on this computer."""


def _failover(edge: Data) -> Values:
    """Only on this computer: what it changes is a policy, the same on every cloud."""
    if edge["places"][0]["provider"] != "local":
        return {}
    return {"nothing": {"failover": None}} if edge.get("failover") else {"two pools": {"failover": POOLS}}


def _pools(failover: Data) -> Values:
    return {"in another order": {"pools": failover["pools"][::-1]}}


FLIPS: Mapping[str, Flip] = {
    "AcmeSpec.contact": to("contact", "others@acme.example"),
    "AcmeSpec.directory": to("directory", "https://elsewhere.example/directory"),
    "BundlesSpec.url": to("url", "https://code.acme.example/hdinfra"),
    "ByolSpec.app": lambda _: {},
    "ByolSpec.byol": to("byol", "shop"),
    "ByolSpec.code_url": to("code_url", "https://code.acme.test/hdinfra"),
    "ByolSpec.edges": to("edges", ["192.0.2.1"]),
    "ByolSpec.install": lambda _: {},
    "ByolSpec.ipv4": to("ipv4", "10.98.0.0/24"),
    "ByolSpec.ipv6": to("ipv6", "fd00:98::/64"),
    "ByolSpec.ledger": to("ledger", "seats.json"),
    "ByolSpec.licence": to("licence", "renewed.licence"),
    "ByolSpec.machines": to("machines", 1, 3),
    "ByolSpec.memory_mib": to("memory_mib", 1024),
    "ByolSpec.provider": lambda _: {},
    "ByolSpec.publish": _publish,
    "ByolSpec.region": to("region", "lab-south"),
    "ByolSpec.sites": _more_and_less("sites", _NEW_SITE),
    "ByolSpec.tenant": to("tenant", "acme-holding"),
    "ByolSpec.vcpu": to("vcpu", 2),
    "ByolSpec.vendor_key": lambda _: {},
    "CacheSpec.size_mib": to("size_mib", 64),
    "CeilingsSpec.exclusions": to("exclusions", 8),
    "CeilingsSpec.highest_paranoia": to("highest_paranoia", 2),
    "CeilingsSpec.lowest_mode": to("lowest_mode", "BYPASS"),
    "ClusterSpec.account": where.other_account,
    "ClusterSpec.ipv4": to("ipv4", "192.168.64.0/21"),
    "ClusterSpec.ipv6": where.cluster_ipv6,
    "ClusterSpec.name": _renamed("name"),
    "ClusterSpec.provider": where.other_provider,
    "ClusterSpec.region": where.other_region,
    "ClusterSpec.waivers": where.more_waivers("flow-logs", "snapshots", "volumes"),
    "ClusterSpec.zones": where.other_zones,
    "ControlSpec.admin_networks": to("admin_networks", ["203.0.113.0/24"], ["198.51.100.0/24", "2001:db8:ad::/48"]),
    "ControlSpec.bake_seconds": to("bake_seconds", 30),
    "ControlSpec.clusters": _control_clusters,
    "ControlSpec.memory_mib": _memory,
    "ControlSpec.publish": _publish,
    "ControlSpec.vcpu": to("vcpu", 2),
    "EdgeFailoverSpec.fallback": to("fallback", "first"),
    "EdgeFailoverSpec.pools": _pools,
    "EdgePoolSpec.clusters": lambda _: {},
    "EdgePoolSpec.drained": lambda pool: {"True": {"drained": True}} if pool["name"] == "first" else {},
    "EdgePoolSpec.name": lambda pool: {"other": {"name": "other"}} if pool["name"] == "first" else {},
    "EdgePublishSpec.address": to("address", "127.0.0.2"),
    "EdgePublishSpec.https_port": to("https_port", 18443),
    "EdgePublishSpec.port": to("port", 18080),
    "EdgeSpec.failover": _failover,
    "EdgeSpec.memory_mib": to("memory_mib", 4096),
    "EdgeSpec.places": _places,
    "EdgeSpec.vcpu": to("vcpu", 4),
    "HealingBudget.changes_per_hour": lambda _: {},
    "HealingBudget.machines": lambda _: {},
    "HealingBudget.monthly_euro": lambda _: {},
    "HealingSpec.act": lambda _: {},
    "HealingSpec.failure_threshold": lambda _: {},
    "HealingSpec.flap_window_seconds": lambda _: {},
    "HealingSpec.keep": lambda _: {},
    "HealingSpec.max_flaps": lambda _: {},
    "HealingSpec.recovery_threshold": lambda _: {},
    "HealingSpec.settle_seconds": lambda _: {},
    "HealingSpec.webhooks": lambda _: {},
    "HealingSpec.witnesses": lambda _: {},
    "HealthSpec.disk_free_percent": to("disk_free_percent", 10),
    "HealthSpec.latch": to("latch", True),
    "HealthSpec.load_per_core": to("load_per_core", 20),
    "HealthSpec.outage_seconds": to("outage_seconds", 30),
    "HealthSpec.rejoin": lambda _: {"with a latch": {"latch": True, "rejoin": "http://127.0.0.1:8008/health"}},
    "HealthSpec.silence_seconds": lambda _: {"120 with a latch": {"latch": True, "silence_seconds": 120}},
    "HealthSpec.writes": to("writes", "http://127.0.0.1:8008/primary"),
    "HttpsSpec.certificate": lambda _: {"one of their own": _PEM},
    "HttpsSpec.hsts_seconds": to("hsts_seconds", 0),
    "HttpsSpec.key": lambda _: {"with a certificate": _PEM},
    "HttpsSpec.redirect": to("redirect", False, True),
    "InstanceSpec.app": lambda _: {},
    "InstanceSpec.arch": _arch,
    "InstanceSpec.capacity": _of_shared(to("capacity", 1, 6)),
    "InstanceSpec.clusters": _of_shared(_chosen),
    "InstanceSpec.machines_per_cluster": _of_shared(to("machines_per_cluster", 4)),
    "InstanceSpec.memory_mib": _of_shared(_memory),
    "InstanceSpec.name": _renamed("name"),
    "InstanceSpec.sizes": _of_shared(_sizes),
    "InstanceSpec.tenancy": _tenancy,
    "InstanceSpec.tenants": lambda one: (
        {} if one.get("tenancy") else _more_and_less("tenants", {"name": "hooli", "sites": [_NEW_SITE]})(one)
    ),
    "InstanceSpec.vcpu": _of_shared(to("vcpu", 4)),
    "InstanceSpec.volume_gib": _of_shared(_volume),
    "LabOriginSpec.name": _lab_origin_name,
    "LabOriginSpec.region": to("region", "lab-east"),
    "LabSpec.origins": _lab_origins,
    "MeshSpec.version": lambda mesh: {"the next": {"version": mesh["version"] + 1}},
    "MonitorSpec.consecutive_down": to("consecutive_down", 2),
    "MonitorSpec.consecutive_up": to("consecutive_up", 3),
    "MonitorSpec.expected_body": to("expected_body", "ok"),
    "MonitorSpec.expected_status": to("expected_status", 204),
    "MonitorSpec.host": to("host", "shop.acme.test"),
    "MonitorSpec.interval_seconds": to("interval_seconds", 5),
    "MonitorSpec.path": to("path", "/ready"),
    "MonitorSpec.retries": to("retries", 0),
    "MonitorSpec.timeout_seconds": to("timeout_seconds", 2),
    "NetworkSpec.ipv4": to("ipv4", "10.128.0.0/12"),
    "NetworkSpec.ipv6": to("ipv6", "fd12:3456:789a::/48"),
    "NetworkSpec.mesh": lambda network: {
        "off" if network.get("mesh") else "on": {"mesh": None if network.get("mesh") else {}}
    },
    "OriginSpec.address": lambda _: {"192.0.2.99": {"address": "192.0.2.99", "lab": None}},
    "OriginSpec.lab": _lab,
    "OriginSpec.port": to("port", 8443),
    "PlaceSpec.account": where.other_account,
    "PlaceSpec.load_balancer": _balancer,
    "PlaceSpec.machines": _machines,
    "PlaceSpec.name": _renamed("name"),
    "PlaceSpec.provider": where.other_place_provider,
    "PlaceSpec.publish": _publish,
    "PlaceSpec.region": where.other_region,
    "PlaceSpec.waivers": where.more_waivers("flow-logs", "snapshots"),
    "PublishSpec.address": to("address", "127.0.0.2"),
    "PublishSpec.port": to("port", 18080),
    "RateSpec.burst": to("burst", 0),
    "RateSpec.per_second": to("per_second", 500),
    "SiteSpec.cache": to("cache", None),
    "SiteSpec.excluded_networks": to("excluded_networks", ["192.0.2.0/24"]),
    "SiteSpec.excluded_paths": to("excluded_paths", ["/upload"]),
    "SiteSpec.exclusions": to("exclusions", [942100]),
    "SiteSpec.health_path": to("health_path", "/healthz"),
    "SiteSpec.host": to("host", "www.acme.example"),
    "SiteSpec.mode": _mode,
    "SiteSpec.origins": lambda site: {"and 192.0.2.11": {"origins": [*site["origins"], {"address": "192.0.2.11"}]}},
    "SiteSpec.paranoia": to("paranoia", 3),
    "SiteSpec.profile": to("profile", "strong"),
    "SiteSpec.rate": to("rate", None),
    "SiteSpec.response_timeout_seconds": to("response_timeout_seconds", 30),
    "SnapshotsSpec.every": to("every", "week"),
    "SnapshotsSpec.keep": to("keep", 14),
    "TenantSpec.name": _renamed("name"),
    "TenantSpec.plan": to("plan", "x-large"),
    "TenantSpec.sites": _more_and_less("sites", _NEW_SITE),
    "TlsSpec.acme": lambda _: {},
    "TlsSpec.days": to("days", 30),
    "TlsSpec.issuer": _issuer,
    "ZoneSpec.area": lambda zone: {} if zone["area"] == "lab" else {"world": {"area": "world"}},
    "ZoneSpec.clusters": _clusters,
    "ZoneSpec.edge": lambda _: {"nothing": {"edge": None}},
    "ZoneSpec.instances": _instances,
    "ZoneSpec.require": to("require", []),
    "ZoneSpec.snapshots": _snapshots,
    "ZoneSpec.zone": _renamed("zone"),
    **DNS_FLIPS,
}
"""By model and field."""

NO_OTHER = {
    "ByolSpec.app": f"there is one App alone: {', '.join(App)}",
    "ByolSpec.install": "what the customer installs is no stack",
    "ByolSpec.provider": "the base publishes ports of this computer, which a Machine elsewhere does not have",
    "ByolSpec.vendor_key": "another vendor's licence is another product; the key is an input of the seats alone",
    **dict.fromkeys(
        (name for name in FLIPS if name.startswith("Healing")), "what a watcher may do is no resource's input"
    ),
    "TlsSpec.acme": "it goes with the issuer, and is flipped with it",
    "EdgePoolSpec.clusters": "the Zone on this computer has a Cluster for each pool, and none to move",
    "InstanceSpec.app": f"there is one App alone: {', '.join(App)}",
}
"""Fields that have no other legal value, and why."""
