"""What a provider lacks is refused by name where a spec needs it, unless the spec says why it does without."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from hdinfra.model.numbering import Seat
from hdinfra.model.placement import Placement
from hdinfra.model.refusal import Refusal
from hdinfra.model.regions import Catalogue
from hdinfra.model.spec import ALWAYS_REQUIRED, ClusterSpec, Feature, InstanceSpec, PlaceSpec, Provider, ZoneSpec

_SMALLEST_WITH_ZONES = 21


@dataclass(frozen=True, slots=True)
class _Spot:
    """A Cluster or an edge's place, and its path in the spec."""

    path: str
    spec: ClusterSpec | PlaceSpec


def check_clouds(spec: ZoneSpec, catalogue: Catalogue) -> Iterator[Refusal]:
    """`cloud.*`, `zone.local-alone`, `publish.local-only`, `account.clouds-only` and `cluster.zone-unknown`."""
    spots = _spots(spec)
    yield from _required(spec, spots, catalogue)
    yield from _snapshots(spec, spots, catalogue)
    yield from _volumes(spec, catalogue)
    yield from _volume_snapshots(spec, catalogue)
    yield from _buckets(spec, catalogue)
    yield from _balancers(spec, catalogue)
    yield from _zones(spec, catalogue)
    yield from _own_addresses(spec, catalogue)
    yield from _local(spots)


def check_spread(
    instance: InstanceSpec, path: str, placement: Placement, known: Mapping[str, ClusterSpec], catalogue: Catalogue
) -> Iterator[Refusal]:
    """`cloud.no-spread`: several Machines of one Instance in one Cluster stand on different hardware."""
    if placement.machines_per_cluster < 2:
        return
    for candidate in placement.candidates:
        cluster = known[candidate.cluster]
        why = catalogue.lacks(cluster.provider, Feature.SPREAD)
        if why and Feature.SPREAD not in cluster.waivers:
            need = f"`{instance.name}` puts {placement.machines_per_cluster} Machines into `{cluster.name}`"
            yield _lacking(_Spot(path, cluster), Feature.SPREAD, f"{need}, which could share one server", why)


def check_callers(spec: ZoneSpec, seats: Sequence[Seat], catalogue: Catalogue) -> Iterator[Refusal]:
    """`control.callers`: the firewall of each API machine's cloud can name all that may come, in either family."""
    versions = [network.version for network in spec.control.admin_networks]
    admins = max(versions.count(4), versions.count(6))
    clusters = {cluster.name: index for index, cluster in enumerate(spec.clusters)}
    for seat in seats:
        limit = catalogue.providers[seat.region.provider].firewall_sources
        if seat.role == "control" and len(seats) + admins > limit:
            yield Refusal(
                f"clusters[{clusters[seat.place]}]",
                "control.callers",
                f"{len(seats):,} machines and {admins} admin networks may ask the management API in `{seat.place}`; a "
                f"firewall of `{seat.region.provider}` names {limit} addresses of one family.",
                "write `control: {clusters: […]}` with Clusters of other providers, or split the Zone in two",
            )


def _spots(spec: ZoneSpec) -> list[_Spot]:
    clusters = [_Spot(f"clusters[{i}]", cluster) for i, cluster in enumerate(spec.clusters)]
    places = spec.edge.places if spec.edge else ()
    return [*clusters, *(_Spot(f"edge.places[{i}]", place) for i, place in enumerate(places))]


def _lacking(spot: _Spot, feature: Feature, need: str, why: str) -> Refusal:
    return Refusal(
        spot.path,
        f"cloud.no-{feature}",
        f"{need}, and `{spot.spec.provider}` has no {feature.replace('-', ' ')}: {why}.",
        f"choose another provider for `{spot.spec.name}`, or write there `waivers: {{{feature}: why it may be so}}`",
    )


def _required(spec: ZoneSpec, spots: Sequence[_Spot], catalogue: Catalogue) -> Iterator[Refusal]:
    """What the spec requires comes on top of what always is. Only a reviewed reason waives either."""
    for spot in spots:
        for feature in dict.fromkeys((*ALWAYS_REQUIRED, *spec.require)):
            why = _missing(spot, feature, catalogue)
            if why and feature not in spot.spec.waivers:
                yield _lacking(spot, feature, _need(spot, feature), why)


def _need(spot: _Spot, feature: Feature) -> str:
    """IPv6: users, origins and other Machines may have no other."""
    if feature is Feature.IPV6:
        return f"Machines of `{spot.spec.name}` would have IPv4 alone"
    return f"`{spot.spec.name}` is required to have {feature}"


def _missing(spot: _Spot, feature: Feature, catalogue: Catalogue) -> str | None:
    """Why it is not there: some providers have availability zones in some of their regions."""
    region = catalogue.region(spot.spec.provider, spot.spec.region)
    if feature is Feature.AVAILABILITY_ZONES and region and not region.zones:
        return catalogue.lacks(spot.spec.provider, feature) or f"`{region.name}` is one failure domain"
    return catalogue.lacks(spot.spec.provider, feature)


def _snapshots(spec: ZoneSpec, spots: Sequence[_Spot], catalogue: Catalogue) -> Iterator[Refusal]:
    if spec.snapshots is None:
        return
    asked = f"one a {spec.snapshots.every}, {spec.snapshots.keep} kept"
    for spot in spots:
        provider, waived = spot.spec.provider, spot.spec.waivers
        none = catalogue.lacks(provider, Feature.SNAPSHOTS)
        if none and Feature.SNAPSHOTS not in waived:
            yield _lacking(spot, Feature.SNAPSHOTS, f"Snapshots are asked for ({asked})", none)
        fixed = catalogue.lacks(provider, Feature.SNAPSHOT_RETENTION)
        kept = catalogue.providers[provider].snapshots_kept.get(spec.snapshots.every)
        if fixed and kept != spec.snapshots.keep and not {Feature.SNAPSHOTS, Feature.SNAPSHOT_RETENTION} & set(waived):
            yield _lacking(spot, Feature.SNAPSHOT_RETENTION, f"Snapshots are asked for ({asked})", fixed)


def _volume_snapshots(spec: ZoneSpec, catalogue: Catalogue) -> Iterator[Refusal]:
    if spec.snapshots is None or not any(instance.volume_gib for instance in spec.instances):
        return
    for index, cluster in enumerate(spec.clusters):
        why = catalogue.lacks(cluster.provider, Feature.VOLUME_SNAPSHOTS)
        if why and not {Feature.VOLUME_SNAPSHOTS, Feature.SNAPSHOTS, Feature.VOLUMES} & set(cluster.waivers):
            need = "Snapshots are asked for, and Instances have volumes"
            yield _lacking(_Spot(f"clusters[{index}]", cluster), Feature.VOLUME_SNAPSHOTS, need, why)


def _volumes(spec: ZoneSpec, catalogue: Catalogue) -> Iterator[Refusal]:
    for index, instance in enumerate(spec.instances):
        named = instance.clusters if instance.clusters is not None else [cluster.name for cluster in spec.clusters]
        lacking = [
            (cluster, why)
            for cluster in spec.clusters
            if (why := catalogue.lacks(cluster.provider, Feature.VOLUMES))
            and cluster.name in named
            and Feature.VOLUMES not in cluster.waivers
        ]
        if instance.volume_gib and lacking:
            cluster, why = lacking[0]
            need = f"`{instance.name}` asks for volumes of {instance.volume_gib} GiB"
            yield _lacking(_Spot(f"instances[{index}].volume_gib", cluster), Feature.VOLUMES, need, why)


def _buckets(spec: ZoneSpec, catalogue: Catalogue) -> Iterator[Refusal]:
    providers = {cluster.provider for cluster in spec.clusters if spec.instances or spec.edge}
    reasons = {provider: catalogue.lacks(provider, Feature.BUCKETS) for provider in sorted(providers)}
    if providers and spec.bundles.url is None and all(reasons.values()):
        why = "; ".join(f"`{provider}`: {reason}" for provider, reason in reasons.items())
        yield Refusal(
            "bundles.url",
            "cloud.no-buckets",
            f"Machines fetch our code at their first boot, and no Cluster's provider has a bucket for it ({why}).",
            "write `bundles: {url: https://…}` with an address of yours, and fill it with `hdinfra bundle FOLDER`",
        )


def _balancers(spec: ZoneSpec, catalogue: Catalogue) -> Iterator[Refusal]:
    for index, place in enumerate(spec.edge.places if spec.edge else ()):
        spot = _Spot(f"edge.places[{index}]", place)
        none = catalogue.lacks(place.provider, Feature.LOAD_BALANCERS)
        if place.load_balancer and none:
            message = f"`{place.name}` asks for a load balancer, and `{place.provider}` has none: {none}."
            fix = "drop `load_balancer`, or choose another provider"
            yield Refusal(f"{spot.path}.load_balancer", f"cloud.no-{Feature.LOAD_BALANCERS}", message, fix)
            continue
        ipv4_alone = catalogue.lacks(place.provider, Feature.BALANCER_IPV6)
        if place.load_balancer and ipv4_alone and Feature.BALANCER_IPV6 not in place.waivers:
            need = f"`{place.name}` is to be reached in both families through its load balancer"
            yield _lacking(spot, Feature.BALANCER_IPV6, need, ipv4_alone)
        shared = catalogue.lacks(place.provider, Feature.SPREAD)
        if place.machines > 1 and shared and Feature.SPREAD not in place.waivers:
            need = f"`{place.name}` has {place.machines} machines, which could share one server"
            yield _lacking(spot, Feature.SPREAD, need, shared)


def _zones(spec: ZoneSpec, catalogue: Catalogue) -> Iterator[Refusal]:
    for index, cluster in enumerate(spec.clusters):
        spot, region = _Spot(f"clusters[{index}]", cluster), catalogue.region(cluster.provider, cluster.region)
        why = _missing(spot, Feature.AVAILABILITY_ZONES, catalogue)
        if cluster.zones and why:
            yield _lacking(spot, Feature.AVAILABILITY_ZONES, f"`{cluster.name}` names availability zones", why)
        if region is None or why:
            continue
        for number, zone in enumerate(cluster.zones or ()):
            if zone not in region.zones:
                nearest = get_close_matches(zone, region.zones, n=1, cutoff=0.0)
                message = f"`{zone}` is no zone of `{region.name}` that we know; it has {', '.join(region.zones)}."
                yield Refusal(f"{spot.path}.zones[{number}]", "cluster.zone-unknown", message, f"write `{nearest[0]}`")
        if cluster.ipv4 and region.zones and cluster.ipv4.prefixlen > _SMALLEST_WITH_ZONES:
            message = f"`{cluster.ipv4}` is too small to be parted over availability zones; that takes a /21."
            yield Refusal(f"{spot.path}.ipv4", "network.size", message, "write a /16 to a /21, or drop `ipv4`")


def _own_addresses(spec: ZoneSpec, catalogue: Catalogue) -> Iterator[Refusal]:
    for index, cluster in enumerate(spec.clusters):
        why = catalogue.lacks(cluster.provider, Feature.PRIVATE_IPV6)
        if cluster.ipv6 and why:
            yield Refusal(
                f"clusters[{index}].ipv6",
                f"cloud.no-{Feature.PRIVATE_IPV6}",
                f"`{cluster.ipv6}` cannot be the network of `{cluster.name}`: {why}.",
                "drop `ipv6`",
            )


def _local(spots: Sequence[_Spot]) -> Iterator[Refusal]:
    here = [spot for spot in spots if spot.spec.provider is Provider.LOCAL]
    if here and len(here) < len(spots):
        message = f"`{here[0].spec.name}` is on the local cloud, which nobody reaches from another provider's."
        fix = "put all Clusters and places on the local cloud, or none"
        yield Refusal(f"{here[0].path}.provider", "zone.local-alone", message, fix)
    for spot in spots:
        is_local = spot.spec.provider is Provider.LOCAL
        if isinstance(spot.spec, PlaceSpec) and spot.spec.publish and not is_local:
            message = f"`{spot.spec.name}` is on `{spot.spec.provider}`, where the edge has addresses of its own."
            yield Refusal(f"{spot.path}.publish", "publish.local-only", message, "drop `publish`")
        if spot.spec.account and is_local:
            message = f"`{spot.spec.name}` is on the local cloud, which has no accounts."
            yield Refusal(f"{spot.path}.account", "account.clouds-only", message, "drop `account`")
