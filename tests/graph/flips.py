"""Every input of every spec, and other legal values for it. A field that is not here fails test_upgrades.py."""

from collections.abc import Callable, Mapping
from typing import Any

from hdinfra.model.spec import App

Data = dict[str, Any]
Values = Mapping[str, Data]
"""What the flip is called, and what it writes into the mapping that has the field; None takes a key away."""
Flip = Callable[[Data], Values]

WHY = "a reason that a reviewer has read"
_ELSEWHERE = {"aws": "eu-west-3", "digitalocean": "ams3", "hetzner": "fsn1"}
_NEXT_LAB = {"lab-north": "lab-east", "lab-south": "lab-west", "lab-east": "lab-centre", "lab-west": "lab-centre"}
_NEW_SITE = {"host": "new.acme.example", "origins": [{"address": "192.0.2.80"}]}


def to(field: str, *values: Any) -> Flip:
    """The same values whatever was there before."""
    return lambda _: {_shown(value): {field: value} for value in values}


def _shown(value: object) -> str:
    return "nothing" if value is None else str(value).replace("'", "")


def _provider(spot: Data) -> Values:
    if spot["provider"] == "local":
        return {}  # what stands on this computer stands there alone (zone.local-alone)
    lacking = ("disk-encryption", "spread", "snapshot-retention", "volume-snapshots")
    waivers = dict.fromkeys(lacking, WHY)
    region, cloud = {
        "aws": ("lon1", "digitalocean"),
        "digitalocean": ("fsn1", "hetzner"),
        "hetzner": ("eu-north-1", "aws"),
    }[spot["provider"]]
    return {cloud: {"provider": cloud, "region": region, "waivers": waivers}}


def _place_provider(place: Data) -> Values:
    """Places are of two operators, so it is the one that has none yet."""
    if place["provider"] == "local":
        return {}
    return {"digitalocean": {"provider": "digitalocean", "region": "lon1", "waivers": {"disk-encryption": WHY}}}


def _region(spot: Data) -> Values:
    region = _ELSEWHERE.get(spot["provider"]) or _NEXT_LAB[spot["region"]]
    return {region: {"region": region}}


def _account(spot: Data) -> Values:
    return {} if spot["provider"] == "local" else {"second": {"account": "second"}}


def _zones(cluster: Data) -> Values:
    zones = ["eu-central-1b", "eu-central-1c"]
    return {"b, c": {"zones": zones}, "c, a": {"zones": ["eu-central-1c", "eu-central-1a"]}} if _is_aws(cluster) else {}


def _is_aws(spot: Data) -> bool:
    return bool(spot["provider"] == "aws")


def _waivers(*features: str) -> Flip:
    def flip(spot: Data) -> Values:
        before = spot.get("waivers", {})
        return {f"and {name}": {"waivers": {**before, name: WHY}} for name in features if name not in before}

    return flip


def _cluster_ipv6(cluster: Data) -> Values:
    return {"fd00:77::/64": {"ipv6": "fd00:77::/64"}} if cluster["provider"] == "local" else {}


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
    return str(entry.get("name") or entry.get("host") or entry.get("address") or entry.get("lab"))


def _renamed(field: str) -> Flip:
    return lambda owner: {f"{owner[field]}2": {field: f"{owner[field]}2"}}


def _clusters(zone: Data) -> Values:
    here = zone["area"] == "lab"
    new = (
        {"name": "new", "provider": "local", "region": "lab-centre"}
        if here
        else {"name": "par", "provider": "aws", "region": "eu-west-3"}
    )
    less = {} if len(zone["clusters"]) < 3 else {f"without {c['name']}": _without(zone, c) for c in zone["clusters"]}
    return {f"and {new['name']}": {"clusters": [*zone["clusters"], new]}, **less}


def _without(zone: Data, cluster: Data) -> Data:
    return {"clusters": [other for other in zone["clusters"] if other != cluster]}


def _instances(zone: Data) -> Values:
    new = {"name": "next", "memory_mib": 1024, "tenants": [{"name": "hooli"}]}
    return _more_and_less("instances", new)(zone)


def _chosen(instance: Data) -> Values:
    """Clusters by name: fewer, and others."""
    if instance.get("memory_mib") is None:
        return {"a, b": {"clusters": ["a", "b"]}}  # on this computer there are only two
    return {", ".join(names): {"clusters": names} for names in (["aws", "hz"], ["aws", "do", "hz"])}


def _sizes(instance: Data) -> Values:
    if instance.get("memory_mib") is None:
        return {"local-2g": {"sizes": {"local": "local-2g"}}}
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
    new = new or {"name": "sto", "provider": "aws", "region": "eu-north-1"}
    return {f"and {new['name']}": {"places": [*edge["places"], new]}}


def _control_clusters(control: Data) -> Values:
    # The europe base names admin networks, the local one does not.
    names = ["aws", "do"] if control.get("admin_networks") else ["a", "b"]
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


FLIPS: Mapping[str, Flip] = {
    "AcmeSpec.contact": to("contact", "others@acme.example"),
    "AcmeSpec.directory": to("directory", "https://elsewhere.example/directory"),
    "BundlesSpec.url": to("url", "https://code.acme.example/hdinfra"),
    "ByolSpec.app": lambda _: {},
    "ByolSpec.byol": to("byol", "shop"),
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
    "ClusterSpec.account": _account,
    "ClusterSpec.ipv4": to("ipv4", "192.168.64.0/21"),
    "ClusterSpec.ipv6": _cluster_ipv6,
    "ClusterSpec.name": _renamed("name"),
    "ClusterSpec.provider": _provider,
    "ClusterSpec.region": _region,
    "ClusterSpec.waivers": _waivers("flow-logs", "snapshots", "volumes"),
    "ClusterSpec.zones": _zones,
    "ControlSpec.admin_networks": to("admin_networks", ["203.0.113.0/24"], ["198.51.100.0/24", "2001:db8:ad::/48"]),
    "ControlSpec.bake_seconds": to("bake_seconds", 30),
    "ControlSpec.clusters": _control_clusters,
    "ControlSpec.memory_mib": _memory,
    "ControlSpec.publish": _publish,
    "ControlSpec.vcpu": to("vcpu", 2),
    "EdgePublishSpec.address": to("address", "127.0.0.2"),
    "EdgePublishSpec.https_port": to("https_port", 18443),
    "EdgePublishSpec.port": to("port", 18080),
    "EdgeSpec.memory_mib": to("memory_mib", 4096),
    "EdgeSpec.places": _places,
    "EdgeSpec.vcpu": to("vcpu", 4),
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
    "NetworkSpec.ipv4": to("ipv4", "10.128.0.0/12"),
    "NetworkSpec.ipv6": to("ipv6", "fd12:3456:789a::/48"),
    "OriginSpec.address": lambda _: {"192.0.2.99": {"address": "192.0.2.99", "lab": None}},
    "OriginSpec.lab": _lab,
    "OriginSpec.port": to("port", 8443),
    "PlaceSpec.account": _account,
    "PlaceSpec.name": _renamed("name"),
    "PlaceSpec.provider": _place_provider,
    "PlaceSpec.publish": _publish,
    "PlaceSpec.region": _region,
    "PlaceSpec.waivers": _waivers("flow-logs", "snapshots"),
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
    "ZoneSpec.area": lambda zone: {} if zone["area"] == "lab" else {"germany": {"area": "germany"}},
    "ZoneSpec.clusters": _clusters,
    "ZoneSpec.edge": lambda _: {"nothing": {"edge": None}},
    "ZoneSpec.instances": _instances,
    "ZoneSpec.require": to("require", []),
    "ZoneSpec.snapshots": _snapshots,
    "ZoneSpec.zone": _renamed("zone"),
}
"""By model and field."""

NO_OTHER = {
    "ByolSpec.app": f"there is one App alone: {', '.join(App)}",
    "ByolSpec.install": "what the customer installs is no stack",
    "ByolSpec.provider": "no cloud takes as much user data as a BYOL Machine brings along (machine.user-data-limit)",
    "ByolSpec.vendor_key": "another vendor's licence is another product; the key is an input of the seats alone",
    "TlsSpec.acme": "it goes with the issuer, and is flipped with it",
    "InstanceSpec.app": f"there is one App alone: {', '.join(App)}",
}
"""Fields that have no other legal value, and why."""
