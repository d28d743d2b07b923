"""Clusters: a known data centre inside the Zone's area, one each, and names that can be told apart by prefix."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from hdinfra.model.refusal import Refusal
from hdinfra.model.regions import Area, Catalogue
from hdinfra.model.spec import Provider, ZoneSpec

_FEW = 6
"""Countries that a refusal names; of a continent it says how many there are."""
_RESERVED = {
    "bundles": "the bundle store",
    "control": "the management API",
    "lab": "the lab machines",
    "wan": "the network between the places",
}


def check_clusters(spec: ZoneSpec, catalogue: Catalogue) -> Iterator[Refusal]:
    """`zone.area`, `zone.region-unknown`, `lab.local-only`, and both rules of `cluster.*`."""
    yield from _area(spec, catalogue)
    yield from _regions(spec, catalogue)
    yield from _lab_regions(spec, catalogue)
    yield from _data_centres(spec)
    yield from _names(spec)
    yield from _lab_names(spec)


def _area(spec: ZoneSpec, catalogue: Catalogue) -> Iterator[Refusal]:
    area = catalogue.areas.get(spec.area)
    if area is None:
        known = ", ".join(sorted(catalogue.areas))
        message = f"`{spec.area}` is no area that we know, so that nothing says where its data may be kept."
        yield Refusal("area", "zone.area", message, f"write `area: {_nearest(spec.area, catalogue.areas)}`; of {known}")
        return
    for path, provider, name in _grounds(spec):
        region = catalogue.region(provider, name)
        if region is None or area.contains(region):
            continue
        codes = sorted(area.countries)
        countries = ", ".join(codes) if len(codes) <= _FEW else f"{len(codes)} countries"
        what = "and visitors' TLS would end there," if path.startswith("edge") else "and data would be kept there,"
        yield Refusal(
            f"{path}.region",
            "zone.area",
            f"`{region.name}` is in {region.city} ({region.country}), {what} outside area `{area.name}` ({countries}).",
            _instead(region.provider, area, spec, catalogue),
        )


def _instead(provider: Provider, area: Area, spec: ZoneSpec, catalogue: Catalogue) -> str:
    """Of the areas that hold all of the Zone, the one that lets in the least besides."""
    inside = sorted(r.name for r in catalogue.regions.values() if r.provider is provider and area.contains(r))
    stand = [region for _, of, name in _grounds(spec) if (region := catalogue.region(of, name))]
    around = [a for a in catalogue.areas.values() if all(map(a.contains, stand))]
    orders = [f"write `region: {inside[0]}`"] if inside else []
    orders += [f"write `area: {a.name}`" for a in sorted(around, key=lambda a: (not a.countries, len(a.countries)))[:1]]
    return ", or ".join(orders) or f"leave out what is on `{provider}`"


def _nearest(word: str, known: Iterable[str]) -> str:
    return next(iter(get_close_matches(word, sorted(known), n=1, cutoff=0.0)), "none")


def _grounds(spec: ZoneSpec) -> Iterator[tuple[str, Provider, str]]:
    """Path, provider and region of each Cluster and each place of the edge."""
    places = spec.edge.places if spec.edge else ()
    yield from ((f"clusters[{i}]", cluster.provider, cluster.region) for i, cluster in enumerate(spec.clusters))
    yield from ((f"edge.places[{i}]", place.provider, place.region) for i, place in enumerate(places))


def _regions(spec: ZoneSpec, catalogue: Catalogue) -> Iterator[Refusal]:
    for path, provider, region in _grounds(spec):
        if catalogue.region(provider, region) is None:
            known = catalogue.region_names(provider)
            message = f"`{region}` is no region of `{provider}` that we know; it has {', '.join(known)}."
            fix = f"write `region: {_nearest(region, known)}`"
            yield Refusal(f"{path}.region", "zone.region-unknown", message, fix)


def _lab_regions(spec: ZoneSpec, catalogue: Catalogue) -> Iterator[Refusal]:
    for index, origin in enumerate(spec.lab.origins):
        if catalogue.region(Provider.LOCAL, origin.region) is None:
            known = catalogue.region_names(Provider.LOCAL)
            message = f"`{origin.region}` is no region of the local cloud, and lab machines are nowhere else."
            fix = f"write `region: {_nearest(origin.region, known)}`"
            yield Refusal(f"lab.origins[{index}].region", "lab.local-only", message, fix)


def _data_centres(spec: ZoneSpec) -> Iterator[Refusal]:
    first: dict[tuple[Provider, str], str] = {}
    for index, cluster in enumerate(spec.clusters):
        data_centre = (cluster.provider, cluster.region)
        if data_centre in first:
            other = first[data_centre]
            yield Refusal(
                f"clusters[{index}].region",
                "cluster.duplicate-data-centre",
                f"`{cluster.name}` is in `{cluster.region}` of `{cluster.provider}` as `{other}` is; one failure there "
                "would take both down.",
                f"name another region for `{cluster.name}`, or leave it out and give `{other}` its Machines",
            )
        first.setdefault(data_centre, cluster.name)


def _names(spec: ZoneSpec) -> Iterator[Refusal]:
    seen: dict[str, str] = {**_RESERVED, **({"dns": "the name servers"} if spec.dns else {})}
    places = spec.edge.places if spec.edge else ()
    named = [(f"clusters[{i}].name", "Cluster", cluster.name) for i, cluster in enumerate(spec.clusters)]
    named += [(f"edge.places[{i}].name", "edge place", place.name) for i, place in enumerate(places)]
    for path, kind, name in named:
        other = next((o for o in sorted(seen) if o == name or f"{o}-".startswith(f"{name}-")), None)
        other = other or next((o for o in sorted(seen) if name.startswith(f"{o}-")), None)
        if other is not None:
            yield _name_taken(path, name, other, seen[other])
        seen.setdefault(name, f"another {kind}")


def _name_taken(path: str, name: str, other: str, holder: str) -> Refusal:
    shorter = min(name, other, key=len)
    return Refusal(
        path,
        "cluster.duplicate-name",
        f"`{name}` collides with `{other}`, the name of {holder}; leaving `{shorter}-*` out of an update would leave "
        "both out.",
        f"write `name: {_free_name(name, other)}`",
    )


def _free_name(name: str, other: str) -> str:
    if name == other:
        return f"{name[:30]}2"
    return name.replace("-", "") if len(name) > len(other) else f"{name[:30]}0"


def _lab_names(spec: ZoneSpec) -> Iterator[Refusal]:
    seen: set[str] = set()
    for index, origin in enumerate(spec.lab.origins):
        if origin.name in seen:
            message = f"Two lab machines are called `{origin.name}`; a site could not say which one it means."
            fix = f"write `name: {origin.name[:30]}2`"
            yield Refusal(f"lab.origins[{index}].name", "cluster.duplicate-name", message, fix)
        seen.add(origin.name)
