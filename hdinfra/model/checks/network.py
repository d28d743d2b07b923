"""Networks: of the size that the addressing counts on, unicast, and none of them over another."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from hdinfra.model.addressing import cluster_prefixes, pool, wan_prefixes
from hdinfra.model.plan import Prefixes
from hdinfra.model.refusal import Refusal
from hdinfra.model.regions import Catalogue, Region
from hdinfra.model.spec import ClusterSpec, ZoneSpec

_Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class _Part:
    path: str
    owner: str
    network: _Network
    given: bool


def check_network(spec: ZoneSpec, catalogue: Catalogue, *, has_wan: bool) -> Iterator[Refusal]:
    """`network.size`, `network.reserved` and `network.overlap`."""
    sizes = (*_sizes(spec), *_reserved(spec))
    yield from sizes
    if any(refusal.path.startswith("network.") for refusal in sizes):
        return
    regions = {c.name: region for c in spec.clusters if (region := catalogue.region(c.provider, c.region))}
    yield from _overlaps(_parts(spec, regions, pool(spec), has_wan=has_wan))


def _sizes(spec: ZoneSpec) -> Iterator[Refusal]:
    given: list[tuple[str, _Network | None, range]] = [
        ("network.ipv4", spec.network.ipv4, range(12, 13)),
        ("network.ipv6", spec.network.ipv6, range(48, 49)),
    ]
    for index, cluster in enumerate(spec.clusters):
        given.append((f"clusters[{index}].ipv4", cluster.ipv4, range(16, 25)))
        given.append((f"clusters[{index}].ipv6", cluster.ipv6, range(64, 65)))
    for path, network, lengths in given:
        if network is not None and network.prefixlen not in lengths:
            wanted = f"a /{lengths[0]}" if len(lengths) == 1 else f"a /{lengths[0]} to a /{lengths[-1]}"
            message = (
                f"`{network}` is a /{network.prefixlen}; this network is {wanted}, so that every slot has its place."
            )
            fix = f"write `{path.rpartition('.')[2]}: {_resized(network, lengths)}`, or drop it to have one allotted"
            yield Refusal(path, "network.size", message, fix)


def _resized(network: _Network, lengths: range) -> str:
    length = lengths[0] if network.prefixlen < lengths[0] else lengths[-1]
    return (
        f"{network.network_address}/{length}"
        if length >= network.prefixlen
        else str(network.supernet(new_prefix=length))
    )


def _reserved(spec: ZoneSpec) -> Iterator[Refusal]:
    given: list[tuple[str, _Network | None]] = [
        ("network.ipv4", spec.network.ipv4),
        ("network.ipv6", spec.network.ipv6),
    ]
    for index, cluster in enumerate(spec.clusters):
        given += [(f"clusters[{index}].ipv4", cluster.ipv4), (f"clusters[{index}].ipv6", cluster.ipv6)]
    for path, network in given:
        if network is not None and (kind := _kind(network)):
            message = f"`{network}` is {kind}; no machine could be reached there."
            example = "10.64.0.0/12" if network.version == 4 else "fd12:3456:789a::/48"
            yield Refusal(path, "network.reserved", message, f"drop it to have one allotted, out of {example} for one")


def _kind(network: _Network) -> str | None:
    first = network.network_address
    if network.version == 4 and int(first) < 2**24:
        return "in 0.0.0.0/8, `this network`"
    kinds = {
        "loopback": first.is_loopback,
        "multicast": first.is_multicast,
        "link-local": first.is_link_local,
        "unspecified": first.is_unspecified,
        "reserved": network.version == 4 and first.is_reserved,
    }
    return next((kind for kind, applies in kinds.items() if applies), None)


def _parts(spec: ZoneSpec, regions: Mapping[str, Region], network: Prefixes, *, has_wan: bool) -> list[_Part]:
    parts: list[_Part] = []
    if has_wan:
        wan = wan_prefixes(network)
        parts += [_Part("network", "the wan", prefix, given=False) for prefix in (wan.ipv4, wan.ipv6)]
    for index, cluster in enumerate(spec.clusters):
        region = regions.get(cluster.name)
        if region:
            parts += _cluster_parts(cluster, f"clusters[{index}]", cluster_prefixes(cluster, region.slot, network))
    return parts


def _cluster_parts(cluster: ClusterSpec, path: str, prefixes: Prefixes) -> Iterator[_Part]:
    owner = f"Cluster `{cluster.name}`"
    yield _Part(f"{path}.ipv4", owner, prefixes.ipv4, given=cluster.ipv4 is not None)
    yield _Part(f"{path}.ipv6", owner, prefixes.ipv6, given=cluster.ipv6 is not None)


def _overlaps(parts: list[_Part]) -> Iterator[Refusal]:
    # Networks either nest or are apart, so in address order each lies in the last one that was in no other, or in none.
    # Two slots overlap only where two Clusters share a region, which `cluster.duplicate-data-centre` refuses.
    ordered = sorted(parts, key=lambda p: (p.network.version, int(p.network.network_address), p.network.prefixlen))
    reach: _Part | None = None
    for part in ordered:
        if reach and reach.network.version == part.network.version and _covers(reach.network, part.network):
            if reach.given or part.given:
                yield _overlap(reach, part)
        else:
            reach = part


def _covers(wide: _Network, narrow: _Network) -> bool:
    return int(narrow.network_address) <= int(wide.broadcast_address)


def _overlap(wide: _Part, narrow: _Part) -> Refusal:
    mover = max((part for part in (wide, narrow) if part.given), key=lambda part: part.path)
    other = narrow if mover is wide else wide
    both = f"{narrow.network.num_addresses:,} addresses would be routed twice"
    return Refusal(
        mover.path,
        "network.overlap",
        f"`{mover.network}` of {mover.owner} overlaps `{other.network}` of {other.owner}; {both}.",
        f"drop `{mover.path.rpartition('.')[2]}` to have the part of the region's slot, or write one outside the pool",
    )
