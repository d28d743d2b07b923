"""A legal spec over three clouds as plain data, and what breaks its rules one by one."""

import copy
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from hdinfra.model.regions import Catalogue, load_catalogue
from hdinfra.model.spec import Feature
from tests.model.legal import Change, setting

WHY = "nothing is kept there but logs"
WEB: dict[str, Any] = {"name": "web", "capacity": 2, "memory_mib": 2048, "tenants": [{"name": "acme"}]}
EUROPE: dict[str, Any] = {
    "zone": "europe",
    "area": "europe",
    "clusters": [
        {"name": "aws", "provider": "aws", "region": "eu-central-1"},
        {"name": "do", "provider": "digitalocean", "region": "fra1", "waivers": {"disk-encryption": WHY}},
        {"name": "hz", "provider": "hetzner", "region": "nbg1", "waivers": {"disk-encryption": WHY}},
    ],
    "instances": [WEB],
    "edge": {
        "places": [
            {"name": "dub", "provider": "aws", "region": "eu-west-1"},
            {"name": "hel", "provider": "hetzner", "region": "hel1", "waivers": {"disk-encryption": WHY}},
        ]
    },
}
_OTHERS = ("clusters.2", "edge.places.1")


def europe(*changes: Change) -> dict[str, Any]:
    """A fresh copy with these changes."""
    data = copy.deepcopy(EUROPE)
    for change in changes:
        change(data)
    return data


def but_one(feature: str, *spots: str) -> tuple[Change, ...]:
    """These Clusters and places do without a feature."""
    return tuple(setting(f"{spot}.waivers.{feature}", WHY) for spot in spots)


def in_one_failure_domain(data: dict[str, Any]) -> None:
    """The first Cluster in a region without availability zones, of a provider that has them in others."""
    data["clusters"][0] |= {"provider": "azure", "region": "ukwest"}


def on_this_computer(data: dict[str, Any]) -> None:
    """Two Clusters of the local cloud and no edge."""
    data["area"], data["edge"] = "lab", None
    data["clusters"] = [
        {"name": "one", "provider": "local", "region": "lab-north", "waivers": {}},
        {"name": "two", "provider": "local", "region": "lab-south", "waivers": {}},
    ]


def places_here(data: dict[str, Any]) -> None:
    """The same with an edge of two places."""
    places = [
        {"name": f"{region}-place", "provider": "local", "region": f"lab-{region}"} for region in ("east", "west")
    ]
    on_this_computer(data)
    data["edge"] = {"places": places}


def half_on_this_computer(data: dict[str, Any]) -> None:
    """The local cloud lies in no country, so in no area that has real ones but the world."""
    on_this_computer(data)
    data["area"] = "world"
    data["clusters"].append({"name": "cape", "provider": "aws", "region": "af-south-1"})


def in_america(data: dict[str, Any]) -> None:
    """The Cluster at Hetzner where it sells no CX."""
    data["area"] = "world"
    data["clusters"][2]["region"] = "ash"


def without_digitalocean(data: dict[str, Any]) -> None:
    """Two Clusters, so that none of them can be left out."""
    del data["clusters"][1]


def at_ibm(data: dict[str, Any]) -> None:
    """Machines without IPv6, and nobody's bucket."""
    data["clusters"][0] = {"name": "ibm", "provider": "ibm", "region": "eu-de"}
    data["bundles"] = {"url": "https://bundles.example.test/hdinfra"}


def crowded(data: dict[str, Any]) -> None:
    """94 machines, of which AWS's firewall can name 60."""
    data["instances"][0]["capacity"] = 60
    data["control"] = {"clusters": ["aws", "hz"]}
    data["clusters"][1]["waivers"]["spread"] = WHY


def lacking(feature: Feature) -> Catalogue:
    """As if the clouds of EUROPE had all but that."""
    shipped = load_catalogue()
    bare = {
        provider: replace(limits, lacks=MappingProxyType({feature: "it has none"}))
        for provider, limits in shipped.providers.items()
    }
    return replace(shipped, providers=bare)


BROKEN: tuple[tuple[str, str, tuple[Change, ...]], ...] = (
    ("account.clouds-only", "clusters[0].account", (on_this_computer, setting("clusters.0.account", "main"))),
    ("cloud.no-availability-zones", "clusters[2]", (setting("clusters.2.zones", ["nbg1-a", "nbg1-b"]),)),
    ("cloud.no-availability-zones", "clusters[0]", (in_one_failure_domain, setting("clusters.0.zones", ["1", "2"]))),
    (
        "cloud.no-availability-zones",
        "clusters[0]",
        (
            in_one_failure_domain,
            setting("require", ["availability-zones"]),
            *but_one("availability-zones", "clusters.1", *_OTHERS),
        ),
    ),
    ("cloud.no-disk-encryption", "clusters[1]", (setting("clusters.1.waivers", {}),)),
    ("cloud.no-disk-encryption", "edge.places[1]", (setting("edge.places.1.waivers", {}),)),
    ("cloud.no-disk-encryption", "clusters[2]", (setting("clusters.2.waivers", {}), setting("require", []))),
    (
        "cloud.no-disk-encryption",
        "edge.places[1]",
        (setting("edge.places.1.waivers", {}), setting("require", ["egress-firewall"])),
    ),
    (
        "cloud.no-egress-firewall",
        "clusters[0]",
        (on_this_computer, setting("require", ["egress-firewall"]), *but_one("egress-firewall", "clusters.1")),
    ),
    ("cloud.no-flow-logs", "clusters[1]", (setting("require", ["flow-logs"]), *but_one("flow-logs", *_OTHERS))),
    (
        "cloud.no-load-balancers",
        "edge.places[0].load_balancer",
        (places_here, setting("edge.places.0.load_balancer", True)),
    ),
    ("cloud.no-ipv6", "clusters[0]", (at_ibm,)),
    ("cloud.no-ipv6", "clusters[0]", (at_ibm, setting("require", ["ipv6"]))),
    ("cloud.no-private-ipv6", "clusters[0].ipv6", (setting("clusters.0.ipv6", "fd00:1::/64"),)),
    (
        "cloud.no-snapshot-retention",
        "clusters[1]",
        (setting("snapshots", {"keep": 8}), *but_one("snapshot-retention", *_OTHERS)),
    ),
    (
        "cloud.no-snapshot-retention",
        "clusters[2]",
        (setting("snapshots", {"every": "week", "keep": 4}), *but_one("snapshot-retention", "edge.places.1")),
    ),
    (
        "cloud.no-snapshots",
        "clusters[0]",
        (on_this_computer, setting("snapshots", {}), *but_one("snapshots", "clusters.1")),
    ),
    (
        "cloud.no-spread",
        "instances[0]",
        (setting("instances.0.clusters", ["aws", "do"]), setting("instances.0.machines_per_cluster", 2)),
    ),
    ("cloud.no-volumes", "instances[0].volume_gib", (on_this_computer, setting("instances.0.volume_gib", 20))),
    (
        "cloud.no-volume-snapshots",
        "clusters[1]",
        (
            setting("snapshots", {}),
            setting("instances.0.volume_gib", 20),
            *but_one("volume-snapshots", "clusters.2"),
        ),
    ),
    (
        "cluster.zone-unknown",
        "clusters[0].zones[1]",
        (setting("clusters.0.zones", ["eu-central-1a", "eu-central-1z"]),),
    ),
    ("control.callers", "clusters[0]", (crowded,)),
    (
        "mesh.peers",
        "network.mesh",
        (setting("network", {"mesh": {}}), setting("instances", [{**WEB, "name": f"web{n}"} for n in range(12)])),
    ),
    ("instance.app-minimum", "instances[0].memory_mib", (setting("instances.0.memory_mib", 128),)),
    (
        "instance.app-minimum",
        "instances[0].sizes.local",
        (on_this_computer, setting("instances.0.sizes", {"local": "local-128m"})),
    ),
    ("instance.arch", "instances[0].sizes.aws", (setting("instances.0.sizes", {"aws": "t4g.small"}),)),
    (
        "instance.size-not-sold",
        "instances[0].sizes.hetzner",
        (in_america, setting("instances.0.sizes", {"hetzner": "cx33"}), setting("instances.0.clusters", ["aws", "hz"])),
    ),
    (
        "instance.size-not-sold",
        "instances[0].sizes.hetzner",
        (in_america, without_digitalocean, setting("instances.0.sizes", {"hetzner": "cx33"})),
    ),
    ("instance.size-unknown", "instances[0].sizes.aws", (setting("instances.0.sizes", {"aws": "t3.smal"}),)),
    ("network.size", "clusters[0].ipv4", (setting("clusters.0.ipv4", "192.168.4.0/22"),)),
    ("publish.local-only", "edge.places[0].publish", (setting("edge.places.0.publish", {"port": 8080}),)),
    (
        "zone.area",
        "edge.places[0].region",
        (setting("area", "germany"), setting("edge.places.1.region", "nbg1")),
    ),
    ("zone.local-alone", "clusters[0].provider", (half_on_this_computer,)),
    ("zone.region-unknown", "clusters[0].region", (setting("clusters.0.region", "eu-centrl-1"),)),
)
"""Rule, path, and changes that break it alone."""
