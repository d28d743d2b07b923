"""From a spec and what is held to a complete plan, or to all refusals. Pure: the same in gives the same out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hdinfra.model.checks.byol import check_no_byol
from hdinfra.model.checks.clouds import check_callers, check_clouds, check_spread
from hdinfra.model.checks.clusters import check_clusters
from hdinfra.model.checks.control import check_control
from hdinfra.model.checks.dns import check_dns, check_entrance
from hdinfra.model.checks.edge import check_edge
from hdinfra.model.checks.edge_pools import check_pool_machines, check_pools
from hdinfra.model.checks.healing import check_healing
from hdinfra.model.checks.instances import CONTROL, DNS, check_instances
from hdinfra.model.checks.kept import check_kept, clusters_held, places_held
from hdinfra.model.checks.mesh import check_mesh, check_peers
from hdinfra.model.checks.network import check_network
from hdinfra.model.checks.sizes import check_sizes, check_sold
from hdinfra.model.checks.tenancy import check_tenancy
from hdinfra.model.checks.tls import check_tls
from hdinfra.model.declaration import declaration, has_wan
from hdinfra.model.dns import entrance_held
from hdinfra.model.dns_spec import DnsSpec
from hdinfra.model.held import Held, HeldCluster, HeldMesh
from hdinfra.model.mesh import PLANES, mesh_numbers
from hdinfra.model.numbering import (
    Seat,
    control_seats,
    dns_seats,
    edge_seats,
    instance_seats,
    lab_seats,
    number_seats,
    store_seats,
)
from hdinfra.model.placement import Candidate, Placement, place
from hdinfra.model.plan import Size, ZonePlan
from hdinfra.model.refusal import Refusal, RefusedError
from hdinfra.model.regions import Catalogue, catalogue_of
from hdinfra.model.sizing import Need, largest, smallest
from hdinfra.model.spec import Arch, ClusterSpec, ControlSpec, Feature, InstanceSpec, Provider, ZoneSpec

NOTHING_HELD = Held()
"""What a Zone's first plan starts from."""

LONGEST_NAME = 63
"""A host label's length (RFC 1123), which is what a Machine's name becomes."""

# While one of these stands, where Machines could go is not known, and judging it would only add noise.
_PLACELESS = frozenset(
    {
        "zone.region-unknown",
        "lab.local-only",
        "cluster.duplicate-data-centre",
        "cluster.duplicate-name",
        "instance.size-unknown",
        "instance.arch",
    }
)


def plan_zone(spec: ZoneSpec, held: Held = NOTHING_HELD, catalogue: Catalogue | None = None) -> ZonePlan:
    """Decide everything about a Zone. Raises RefusedError with every refusal at once.

    What is held stays as long as it can: Clusters that exist, take Machines and are not contradicted by the spec,
    sizes that fit, numbers. `plan.held` counts one serial further only if something in it changed.
    """
    tables = catalogue or catalogue_of(spec)
    refusals = [
        *check_spec(spec, tables),
        *check_tenancy(spec, held),
        *check_kept(spec, held, tables),
        *check_mesh(spec, held),
        *check_entrance(spec, held),
    ]
    if any(refusal.rule in _PLACELESS for refusal in refusals):
        raise RefusedError(refusals)
    placements, unplaced = _placements(spec, held, tables)
    if not unplaced and _has_machines(spec):
        unplaced = _place_control(spec, held, tables, placements) + _place_dns(spec, held, tables, placements)
    sizes, unsized = _edge_sizes(spec, tables)
    if refusals := [*refusals, *unplaced, *unsized]:
        raise RefusedError(refusals)
    seats = _seats(spec, placements, sizes, tables)
    if missed := tuple(check_pool_machines(spec, seats)):
        raise RefusedError(missed)
    numbers = number_seats(spec, seats, held.slots, tables)
    if not isinstance(numbers, dict):
        raise RefusedError(numbers)
    if crowded := (*check_callers(spec, seats, tables), *check_peers(spec, seats, tables)):
        raise RefusedError(crowded)
    # What a withdrawn one carried is still in the state, for the day when it returns.
    stand = clusters_held(spec, {*held.withdrawn, *(seat.place for seat in seats)}, tables)
    now = _now_held(spec, held, placements, numbers, stand)
    return declaration(spec, seats, numbers, _with_mesh(now, held, spec, seats), tables)


def check_spec(spec: ZoneSpec, catalogue: Catalogue) -> list[Refusal]:
    """What the spec breaks by itself, before anything is placed."""
    return [
        *check_clusters(spec, catalogue),
        *check_network(spec, catalogue, has_wan=has_wan(spec)),
        *check_edge(spec, catalogue),
        *check_pools(spec),
        *check_instances(spec),
        *check_control(spec),
        *check_healing(spec),
        *check_dns(spec),
        *check_clouds(spec, catalogue),
        *check_sizes(spec, catalogue),
        *check_tls(spec),
        *check_no_byol(spec),
    ]


def rechosen(held: Held) -> Held:
    """What stays held when Clusters and sizes shall be chosen anew: where Clusters stand, addresses, withdrawals."""
    return held.model_copy(update={"instances": {}})


def _now_held(
    spec: ZoneSpec,
    held: Held,
    placements: Mapping[str, Placement],
    numbers: Mapping[str, int],
    stand: Mapping[str, HeldCluster],
) -> Held:
    asked = {instance.name: instance for instance in spec.instances}
    instances = {name: placement.held(asked.get(name)) for name, placement in sorted(placements.items())}
    now = held.model_copy(
        update={
            "zone": spec.zone,
            "instances": instances,
            "clusters": dict(stand),
            "places": places_held(spec),
            "slots": dict(sorted(numbers.items())),
            "entrance": entrance_held(spec, held),
        }
    )
    return held if now == held else now.model_copy(update={"serial": held.serial + 1})


def _with_mesh(now: Held, before: Held, spec: ZoneSpec, seats: Sequence[Seat]) -> Held:
    """Numbers of the machines in the mesh; what is held of it stays when the spec leaves it out."""
    if spec.network.mesh is None:
        return now
    numbers = mesh_numbers(
        (seat.name for seat in seats if seat.role in PLANES), before.mesh.numbers if before.mesh else {}
    )
    mesh = HeldMesh(version=spec.network.mesh.version, numbers=dict(sorted(numbers.items())))
    if mesh == before.mesh:
        return now
    return now.model_copy(update={"mesh": mesh, "serial": before.serial + 1})


def _placements(spec: ZoneSpec, held: Held, catalogue: Catalogue) -> tuple[dict[str, Placement], list[Refusal]]:
    known = {cluster.name: cluster for cluster in spec.clusters}
    placements: dict[str, Placement] = {}
    refusals: list[Refusal] = []
    for index, instance in enumerate(spec.instances):
        path = f"instances[{index}]"
        if not known.keys() >= set(instance.clusters or ()):
            continue
        found = _placement(instance, path, known, held, catalogue)
        if not isinstance(found, Placement):
            refusals += found
            continue
        placements[instance.name] = found
        refusals += _long_names(instance, path, found)
    return placements, refusals


def _has_machines(spec: ZoneSpec) -> bool:
    """Whether there is anything to manage."""
    return bool(spec.instances or spec.edge or spec.lab.origins)


def _needs_store(spec: ZoneSpec) -> bool:
    """Whether a machine has to play the bucket that other clouds have."""
    return _has_machines(spec) and has_wan(spec) and spec.bundles.url is None


def _place_control(spec: ZoneSpec, held: Held, catalogue: Catalogue, placements: dict[str, Placement]) -> list[Refusal]:
    """Where Instances are refused already, the same reasons would only be told twice."""
    return _place_one_each(CONTROL, spec.control, spec, held, catalogue, placements)


def _place_dns(spec: ZoneSpec, held: Held, catalogue: Catalogue, placements: dict[str, Placement]) -> list[Refusal]:
    if spec.dns is None:
        return []
    return _place_one_each(DNS, spec.dns, spec, held, catalogue, placements)


def _place_one_each(  # noqa: PLR0913, PLR0917  who, what they need, and all that a placement is decided by
    name: str,
    wanted: ControlSpec | DnsSpec,
    spec: ZoneSpec,
    held: Held,
    catalogue: Catalogue,
    placements: dict[str, Placement],
) -> list[Refusal]:
    """One machine in each of at least two Clusters, as an Instance of that capacity has."""
    known = {cluster.name: cluster for cluster in spec.clusters}
    if not known.keys() >= set(wanted.clusters or ()):
        return []  # refused by name
    alike = InstanceSpec.model_construct(
        name=name,
        capacity=1,
        clusters=wanted.clusters,
        machines_per_cluster=1,
        vcpu=wanted.vcpu,
        memory_mib=wanted.memory_mib,
        arch=Arch.AMD64,
        sizes={},
    )
    found = _placement(alike, name, known, held, catalogue)
    if not isinstance(found, Placement):
        return list(found)
    placements[name] = found
    return []


def _placement(
    instance: InstanceSpec, path: str, known: Mapping[str, ClusterSpec], held: Held, catalogue: Catalogue
) -> Placement | tuple[Refusal, ...]:
    before = held.instances.get(instance.name)
    need = Need(instance.vcpu, instance.memory_mib)
    held_sizes = before.size.split(",") if before else ()
    wanted = instance.clusters or known
    sizes = {name: _size(instance, cluster, need, held_sizes, catalogue) for name, cluster in known.items()}
    without = [known[name] for name in sorted(wanted) if sizes[name] is None]
    unsold = tuple(check_sold(instance, path, without, catalogue))
    refusals = unsold + _too_large(instance, path, need, without, catalogue)
    if not instance.clusters and any(sizes.values()):
        refusals = ()  # the others may do without these
    candidates = _candidates(known, sizes, held, catalogue)
    if instance.clusters is None:  # what the user names is taken, and refused with its own reason
        candidates = {name: _alone(each, known[name], catalogue) for name, each in candidates.items()}
    found = refusals or place(instance, path, candidates, before)
    if not isinstance(found, Placement):
        return unsold or found  # Clusters that are left out for their size would be missed by another name
    return tuple(check_spread(instance, path, found, known, catalogue)) or found


def _too_large(
    instance: InstanceSpec, path: str, need: Need, clusters: Sequence[ClusterSpec], catalogue: Catalogue
) -> tuple[Refusal, ...]:
    """By provider, where no size was named."""
    regions = {one.provider: one.region for one in clusters if one.provider not in instance.sizes}
    return tuple(
        _size_refusal(f"`{instance.name}`", path, need, provider, catalogue.sizes_in(provider, region, instance.arch))
        for provider, region in sorted(regions.items())
    )


def _alone(candidate: Candidate, cluster: ClusterSpec, catalogue: Catalogue) -> Candidate:
    """Where Machines of one Instance could share a server, the planner puts one."""
    lacks = catalogue.lacks(cluster.provider, Feature.SPREAD) and Feature.SPREAD not in cluster.waivers
    return replace(candidate, limit=1) if lacks else candidate


def _size(
    instance: InstanceSpec, cluster: ClusterSpec, need: Need, held: Sequence[str], catalogue: Catalogue
) -> Size | None:
    """The one that the spec names, else the smallest that fits."""
    sizes = catalogue.sizes_in(cluster.provider, cluster.region, instance.arch)
    named = instance.sizes.get(cluster.provider)
    return next((size for size in sizes if size.name == named), None) if named else smallest(sizes, need, held)


def _candidates(
    known: Mapping[str, ClusterSpec], sizes: Mapping[str, Size | None], held: Held, catalogue: Catalogue
) -> dict[str, Candidate]:
    candidates: dict[str, Candidate] = {}
    for name, cluster in known.items():
        size = sizes.get(name)
        if size is not None and name not in held.withdrawn:
            region = catalogue.regions[cluster.provider, cluster.region]
            price = round(size.price_per_hour * region.price_factor * 1_000_000)
            limit = catalogue.providers[cluster.provider].machines_per_cluster
            candidates[name] = Candidate(name, region.operator, size, price, limit, name in held.avoided)
    return candidates


def _size_refusal(who: str, path: str, need: Need, provider: Provider, sizes: Sequence[Size]) -> Refusal:
    wide = [size.memory_mib for size in sizes if size.vcpu >= need.vcpu]
    key, most = ("memory_mib", max(wide)) if wide else ("vcpu", max((size.vcpu for size in sizes), default=1))
    message = (
        f"{who} needs {need.vcpu} vCPU and {need.memory_mib:,} MiB a machine; `{provider}` offers {largest(sizes)}."
    )
    return Refusal(f"{path}.{key}", "instance.size", message, f"write `{key}: {most}` and a greater `capacity`")


def _long_names(instance: InstanceSpec, path: str, placement: Placement) -> list[Refusal]:
    cluster = max((candidate.cluster for candidate in placement.candidates), key=lambda name: (len(name), name))
    name = f"{cluster}-{instance.name}-{placement.machines_per_cluster}"
    if len(name) <= LONGEST_NAME:
        return []
    message = f"`{name}` has {len(name)} characters; a host name takes {LONGEST_NAME}, and the Machine could not boot."
    shorter = instance.name[: LONGEST_NAME - len(name)].rstrip("-")
    fix = f"write `name: {shorter}`, or give Cluster `{cluster}` a shorter name"
    return [Refusal(f"{path}.name", "instance.name-length", message, fix)]


def _edge_sizes(spec: ZoneSpec, catalogue: Catalogue) -> tuple[dict[str, Size], list[Refusal]]:
    if spec.edge is None:
        return {}, []
    need = Need(spec.edge.vcpu, spec.edge.memory_mib)
    sizes: dict[str, Size] = {}
    refusals: dict[Provider, Refusal] = {}
    for spot in spec.edge.places:
        sold = catalogue.sizes_in(spot.provider, spot.region, Arch.AMD64)
        size = smallest(sold, need)
        if size is None:
            refusals[spot.provider] = _size_refusal("The edge", "edge", need, spot.provider, sold)
        else:
            sizes[spot.name] = size
    return sizes, list(refusals.values())


def _seats(
    spec: ZoneSpec, placements: Mapping[str, Placement], sizes: Mapping[str, Size], catalogue: Catalogue
) -> tuple[Seat, ...]:
    asked = {instance.name for instance in spec.instances}
    instances = {name: placement for name, placement in placements.items() if name in asked}
    seats = [
        *instance_seats(spec, instances, catalogue),
        *control_seats(spec, placements.get(CONTROL), catalogue),
        *(dns_seats(spec, placements.get(DNS), catalogue) if spec.dns else ()),
        *(store_seats(catalogue) if _needs_store(spec) else ()),
        *edge_seats(spec, sizes, catalogue),
        *lab_seats(spec, catalogue),
    ]
    return tuple(sorted(seats, key=lambda seat: seat.name))
