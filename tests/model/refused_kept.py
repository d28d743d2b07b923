"""Edits of a Zone that runs, each of which would leave behind what its Machines hold."""

from hdinfra.model.held import Held
from hdinfra.model.planner import plan_zone
from hdinfra.model.spec import ZoneSpec
from hdinfra.model.typed import validated
from tests.model.cloud_specs import europe
from tests.model.legal import Change, legal, setting
from tests.model.refused import RefusalCase
from tests.strategies import WIDE

VOLUMES = setting("instances.0.volume_gib", 20)


def running(*changes: Change) -> Held:
    """What is held once the legal spec of three clouds is up."""
    return plan_zone(validated(ZoneSpec, europe(*changes))).held


def edited(rule: str, path: str, *changes: Change) -> RefusalCase:
    """The Zone on three clouds is up with volumes, and then its spec says this."""
    return RefusalCase(rule, path, lambda: plan_zone(validated(ZoneSpec, europe(VOLUMES, *changes)), running(VOLUMES)))


def here(rule: str, path: str, *changes: Change) -> RefusalCase:
    """The Zone on this computer is up, and then its spec says this."""
    held = lambda: plan_zone(validated(ZoneSpec, legal()), catalogue=WIDE).held  # noqa: E731
    return RefusalCase(rule, path, lambda: plan_zone(validated(ZoneSpec, legal(*changes)), held(), WIDE))


AWS = "clusters.0"
WAIVED = setting("edge.places.0.waivers", {"disk-encryption": "a reason that a reviewer has read"})
KEPT = [
    edited("zone.name-kept", "zone", setting("zone", "eu")),
    here("zone.name-kept", "zone", setting("zone", "eu")),
    edited("cluster.place-kept", "clusters[1].provider", setting("clusters.1.provider", "aws"),
        setting("clusters.1.region", "eu-west-3"), setting("instances.0.capacity", 1)),
    edited("cluster.place-kept", "clusters[0].region", setting(f"{AWS}.region", "eu-west-3")),
    edited("cluster.place-kept", "clusters[0].account", setting(f"{AWS}.account", "second")),
    edited("cluster.place-kept", "clusters[0].zones", setting(f"{AWS}.zones", ["eu-central-1b", "eu-central-1c"])),
    edited("cluster.place-kept", "clusters[0].zones", setting(f"{AWS}.zones", ["eu-central-1b", "eu-central-1a"])),
    edited("cluster.network-kept", "clusters[0].ipv4", setting(f"{AWS}.ipv4", "192.168.64.0/21")),
    edited("edge.place-kept", "edge.places[0].region", setting("edge.places.0.region", "eu-west-3")),
    edited("edge.place-kept", "edge.places[0].account", setting("edge.places.0.account", "second")),
    edited("edge.place-kept", "edge.places[0].provider", setting("edge.places.0.provider", "digitalocean"),
        setting("edge.places.0.region", "lon1"), WAIVED),
    here("edge.place-kept", "edge.places[1].region", setting("edge.places.1.region", "r05")),
    edited("instance.volume-kept", "instances[0].volume_gib", setting("instances.0.volume_gib", 10)),
    edited("instance.volume-kept", "instances[0].volume_gib", setting("instances.0.volume_gib", None)),
    here("cluster.place-kept", "clusters[0].region", setting("clusters.0.region", "r05")),
    here("cluster.network-kept", "clusters[1].ipv6", setting("clusters.1.ipv6", "fd00:1:2:1::/64")),
]  # fmt: skip
