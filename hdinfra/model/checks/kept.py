"""What holds data stays where it is, for as long as it is called by its name."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from hdinfra.model.addressing import cluster_prefixes, pool
from hdinfra.model.held import Held, HeldCluster, HeldInstance, HeldPlace
from hdinfra.model.refusal import Refusal
from hdinfra.model.regions import Catalogue, zones_of
from hdinfra.model.spec import ClusterSpec, EdgeSpec, Feature, InstanceSpec, PlaceSpec, ZoneSpec

OF_WHAT_STANDS = frozenset(
    {
        *("zone.name-kept", "cluster.place-kept", "cluster.network-kept", "edge.place-kept"),
        *("instance.volume-kept", "instance.owner-kept"),
    }
)
"""Rules that guard what is up: where a stack is down, they have nothing to guard."""


def held_cluster(cluster: ClusterSpec, spec: ZoneSpec, catalogue: Catalogue) -> HeldCluster:
    """Where a Cluster stands by this spec; KeyError for a region that the catalogue does not know."""
    region = catalogue.regions[cluster.provider, cluster.region]
    prefixes = cluster_prefixes(cluster, region.slot, pool(spec))
    return HeldCluster(
        provider=cluster.provider,
        region=cluster.region,
        account=cluster.account,
        zones=zones_of(cluster, region),
        ipv4=prefixes.ipv4,
        ipv6=prefixes.ipv6 if catalogue.providers[cluster.provider].planned_ipv6 else None,
    )


def check_kept(spec: ZoneSpec, held: Held, catalogue: Catalogue) -> Iterator[Refusal]:
    """`zone.name-kept`, `cluster.place-kept`, `cluster.network-kept`, `edge.place-kept`, `instance.volume-kept`."""
    if held.zone not in {None, spec.zone}:
        yield _zone(spec.zone, held.zone)
        return  # all else would only follow from it
    for index, cluster in enumerate(spec.clusters):
        before = held.clusters.get(cluster.name)
        if before and catalogue.region(cluster.provider, cluster.region):
            chooses = catalogue.lacks(cluster.provider, Feature.PRIVATE_IPV6) is None
            move = _Move(f"clusters[{index}]", cluster.name, before, held_cluster(cluster, spec, catalogue), chooses)
            yield from tuple(move.of_place()) or tuple(move.of_networks())
    if spec.edge:
        yield from _edge(spec.edge, held)
    for index, instance in enumerate(spec.instances):
        earlier = held.instances.get(instance.name)
        if earlier:
            yield from _volume(instance, f"instances[{index}]", earlier)


def _zone(name: str, before: str | None) -> Refusal:
    message = (
        f"This Zone is up as `{before}`, the name that its keys certify; as `{name}` all its Machines would be made "
        "anew at once, and trust none of what was signed before."
    )
    fix = (
        f"write `zone: {before}`, or bring `{name}` up beside it with a spec and a stack of its own; if nothing of it "
        "is up, drop `zone` from the lock file"
    )
    return Refusal("zone", "zone.name-kept", message, fix)


@dataclass(frozen=True, slots=True)
class _Move:
    """One Cluster, as it stands and as the spec has it now. `chooses_ipv6`: whether it may have its own `ipv6`."""

    path: str
    name: str
    before: HeldCluster
    after: HeldCluster
    chooses_ipv6: bool

    def of_place(self) -> Iterator[Refusal]:
        """One refusal a Cluster, of the widest thing that changed."""
        for key in ("provider", "region", "account", "zones"):
            old, new = (_said(getattr(one, key)) for one in (self.before, self.after))
            if old == new:
                continue
            message = (
                f"`{self.name}` stands with `{key}: {old}`, and `{key}: {new}` would leave all that its Machines and "
                "volumes hold behind: they would be made anew there, empty."
            )
            yield Refusal(f"{self.path}.{key}", "cluster.place-kept", message, self._fix(_order(key, old)))
            return

    def of_networks(self) -> Iterator[Refusal]:
        """One refusal a family."""
        for key in ("ipv4", "ipv6"):
            old, new = getattr(self.before, key), getattr(self.after, key)
            if old != new:
                message = (
                    f"`{self.name}` stands in `{old}`; in `{new}` its network and with it all its Machines would be "
                    "made anew at once."
                )
                back = f"write `{key}: {old}`"
                if key == "ipv6" and not self.chooses_ipv6:
                    back = "leave `network.ipv6` as it was"
                yield Refusal(f"{self.path}.{key}", "cluster.network-kept", message, self._fix(back))

    def _fix(self, back: str) -> str:
        return (
            f"{back}, or add a Cluster of another name there, and take `{self.name}` away once it serves; if nothing "
            f"of it is up, drop `clusters.{self.name}` from the lock file"
        )


def _edge(edge: EdgeSpec, held: Held) -> Iterator[Refusal]:
    """One refusal a place, of the widest thing that changed."""
    for index, place in enumerate(edge.places):
        before, after = held.places.get(place.name), held_place(place)
        for key in ("provider", "region", "account") if before else ():
            old, new = _said(getattr(before, key)), _said(getattr(after, key))
            if old != new:
                yield _moved_place(place.name, f"edge.places[{index}].{key}", key, old, new)
                break


def _moved_place(name: str, path: str, key: str, old: str, new: str) -> Refusal:
    message = (
        f"`{name}` stands with `{key}: {old}`; with `{key}: {new}` it would have other addresses than those that DNS "
        "records of its sites name, and nothing would answer at these."
    )
    fix = (
        f"{_order(key, old)}, or add a place of another name there, point the DNS records to it, and then take "
        f"`{name}` away; if nothing of it is up, drop `places.{name}` from the lock file"
    )
    return Refusal(path, "edge.place-kept", message, fix)


def _said(value: object) -> str:
    """As the spec says it."""
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    return "none" if value is None else str(value)


def _order(key: str, old: str) -> str:
    return f"leave `{key}` out" if old in {"none", "[]"} else f"write `{key}: {old}`"


def _volume(instance: InstanceSpec, path: str, before: HeldInstance) -> Iterator[Refusal]:
    held, asked = before.volume_gib, instance.volume_gib
    if held is None or (asked or 0) >= held:
        return
    now = f"{asked} GiB" if asked else "no volume"
    message = (
        f"Machines of `{instance.name}` keep their data on volumes of {held} GiB; for {now} they would be made anew "
        "without it, as no provider makes a volume smaller."
    )
    fix = f"write `volume_gib: {held}` or more, or move the sites to an Instance of another name"
    yield Refusal(f"{path}.volume_gib", "instance.volume-kept", message, fix)


def clusters_held(spec: ZoneSpec, places: Collection[str], catalogue: Catalogue) -> dict[str, HeldCluster]:
    """Of the Clusters among `places`, where Machines stand, what the next run may not change; an empty one may move."""
    used = sorted((cluster for cluster in spec.clusters if cluster.name in places), key=lambda one: one.name)
    return {cluster.name: held_cluster(cluster, spec, catalogue) for cluster in used}


def held_place(place: PlaceSpec) -> HeldPlace:
    """What the next run may not change of a place."""
    return HeldPlace(provider=place.provider, region=place.region, account=place.account)


def places_held(spec: ZoneSpec) -> dict[str, HeldPlace]:
    """Of all places of the edge, by name."""
    places = spec.edge.places if spec.edge else ()
    return {place.name: held_place(place) for place in sorted(places, key=lambda one: one.name)}
