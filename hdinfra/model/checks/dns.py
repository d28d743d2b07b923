"""The Zone's own name servers: they have an edge to lead to, names that lead somewhere, and times that add up."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from itertools import count

from hdinfra.model.checks.control import published
from hdinfra.model.dns import ALIAS, Elsewhere, entrances_of, worst_case
from hdinfra.model.dns_spec import DnsSpec
from hdinfra.model.held import Held
from hdinfra.model.publish import PublishSpec
from hdinfra.model.refusal import Refusal
from hdinfra.model.spec import Provider, ZoneSpec

LAST_PORT = 65_535


def check_dns(spec: ZoneSpec) -> Iterator[Refusal]:
    """`dns.*`, and `publish.local-only` of the servers' own doors."""
    if spec.dns is None:
        return
    if spec.edge is None:
        message = "The name servers would lead users to an edge, and the Zone has none."
        yield Refusal("dns", "dns.edge", message, "add `edge` with its places, or leave `dns` out")
    yield from _clusters(spec, spec.dns)
    yield from _entrances(spec, spec.dns)
    yield from _near(spec, spec.dns)
    yield from _names(spec, spec.dns)
    yield from _times(spec.dns)
    yield from _doors(spec, spec.dns.publish)


def check_entrance(spec: ZoneSpec, held: Held) -> Iterator[Refusal]:
    """`dns.entrance-kept`: nobody is moved by an edit, only by a switch."""
    names = [entrance.name for entrance in entrances_of(spec.dns, spec.edge)] if spec.dns else []
    if names and held.entrance is not None and held.entrance not in names:
        message = f"Users were switched to entrance `{held.entrance}`, which the spec has no more; it has "
        fix = f"add `{held.entrance}` again, or lead users elsewhere first: `hdinfra edge switch --to {names[0]}`"
        yield Refusal("dns.entrances", "dns.entrance-kept", f"{message}{', '.join(names)}.", fix)


def _clusters(spec: ZoneSpec, dns: DnsSpec) -> Iterator[Refusal]:
    known = sorted(cluster.name for cluster in spec.clusters)
    for index, name in enumerate(dns.clusters or ()):
        if name not in known:
            message = f"A name server shall stand in `{name}`, but the Zone has {', '.join(known) or 'no Cluster'}."
            fix = f"write `{_nearest(name, known)}`, or drop `clusters` and let the planner choose"
            yield Refusal(f"dns.clusters[{index}]", "dns.cluster-unknown", message, fix)


def _entrances(spec: ZoneSpec, dns: DnsSpec) -> Iterator[Refusal]:
    seen: set[str] = set()
    for index, entrance in enumerate(dns.entrances):
        path = f"dns.entrances[{index}]"
        if entrance.name in seen or _is_taken(entrance.name):
            what = "another entrance is" if entrance.name in seen else "a name of the servers' own is"
            message = f"`{entrance.name}.{dns.name}` would be this entrance's name, as {what} called."
            yield Refusal(f"{path}.name", "dns.entrance-name", message, f"write `name: {entrance.name[:30]}2`")
        seen.add(entrance.name)
        yield from _places(spec, entrance.places or (), f"{path}.places")


def _is_taken(name: str) -> bool:
    return name == ALIAS or (name.startswith("ns") and name[2:].isdecimal())


def _near(spec: ZoneSpec, dns: DnsSpec) -> Iterator[Refusal]:
    seen: dict[str, int] = {}
    for index, near in enumerate(dns.near):
        path = f"dns.near[{index}]"
        first = seen.setdefault(str(near.network), index)
        if first != index:
            message = f"{near.network} has an order in `near[{first}]` already; which one counts would be a guess."
            yield Refusal(f"{path}.network", "dns.duplicate-network", message, f"drop `near[{index}]`")
        yield from _places(spec, near.places, f"{path}.places")


def _places(spec: ZoneSpec, names: tuple[str, ...], path: str) -> Iterator[Refusal]:
    known = sorted(place.name for place in (spec.edge.places if spec.edge else ()))
    for index, name in enumerate(names):
        if name in names[:index]:
            message = f"`{name}` is named twice, so it would be asked in place of itself when it is down."
            yield Refusal(f"{path}[{index}]", "dns.place-unknown", message, f"drop `{name}` here")
        elif known and name not in known:
            message = f"Users shall be led to `{name}`, but the edge's places are {', '.join(known)}."
            yield Refusal(f"{path}[{index}]", "dns.place-unknown", message, f"write `{_nearest(name, known)}`")


def _names(spec: ZoneSpec, dns: DnsSpec) -> Iterator[Refusal]:
    hosts = [
        (f"instances[{i}].tenants[{t}].sites[{s}].host", site.host)
        for i, instance in enumerate(spec.instances)
        for t, tenant in enumerate(instance.tenants)
        for s, site in enumerate(tenant.sites)
    ]
    targets = [
        (f"dns.entrances[{index}].target", entrance.target)
        for index, entrance in enumerate(dns.entrances)
        if entrance.target
    ]
    for path, host in (*hosts, *targets):
        if host == dns.name or host.endswith(f".{dns.name}"):
            message = f"`{host}` lies in `{dns.name}`, whose servers know no name but their own; nobody would find it."
            fix = f"give the Zone's DNS a domain of its own, such as `name: edge.{dns.name}`"
            yield Refusal(path, "dns.name", message, fix)


def _times(dns: DnsSpec) -> Iterator[Refusal]:
    if dns.timeout_seconds >= dns.interval_seconds:
        yield Refusal(
            "dns.timeout_seconds",
            "dns.timeout",
            f"A check may take {dns.timeout_seconds} s and the next is due after {dns.interval_seconds} s; "
            "gdnsd would not start.",
            f"write `interval_seconds: {dns.timeout_seconds + 1}`",
        )
    yield from rto_refusals(worst_case(dns), dns.rto_seconds, "dns.rto_seconds")


def rto_refusals(worst: Elsewhere, rto_seconds: int | None, path: str) -> Iterator[Refusal]:
    """`dns.rto`: what checks and TTL take together is no more than what was promised."""
    if rto_seconds is not None and worst.seconds > rto_seconds:
        message = (
            f"Users of a place that died may be sent there for {worst.seconds} s: up to {worst.detect_seconds} s until "
            f"checks notice it and {worst.keep_seconds} s in resolvers; `rto_seconds` allows {rto_seconds}."
        )
        yield Refusal(path, "dns.rto", message, _faster(rto_seconds - worst.detect_seconds, worst.seconds))


def _faster(left: int, seconds: int) -> str:
    """What of the time to be saved the TTL can give; below 5 s resolvers do as they like."""
    return f"write `ttl_seconds: {left}`" if left >= 5 else f"check more often, or write `rto_seconds: {seconds}`"


def _doors(spec: ZoneSpec, publish: PublishSpec | None) -> Iterator[Refusal]:
    if publish is None:
        return
    if any(cluster.provider is not Provider.LOCAL for cluster in spec.clusters):
        message = "The name servers have addresses of their own at their providers; only the local cloud shows them."
        yield Refusal("dns.publish", "publish.local-only", message, "drop `publish`")
        return
    taken, most = _taken(spec), len((spec.dns and spec.dns.clusters) or spec.clusters)
    ports = [published(publish, number).port for number in range(most)]
    found = next((port for port in ports if port in taken or port > LAST_PORT), None)
    if found is not None:
        holder = f"{taken[found]} holds {found}" if found in taken else f"ports end at {LAST_PORT:,}"
        free = next(port for port in count(15_300) if not any(port + n in taken for n in range(most)))
        message = f"The name servers would be published from port {publish.port} on, and {holder}; one would not start."
        yield Refusal("dns.publish", "dns.duplicate-port", message, f"write `port: {free}`")


def _taken(spec: ZoneSpec) -> Mapping[int, str]:
    """Ports of this computer that others hold; at which address makes no difference to who reads the refusal."""
    edge = [(place.name, place.publish) for place in (spec.edge.places if spec.edge else ()) if place.publish]
    held = {port: f"edge place `{name}`" for name, door in edge for port in (door.port, door.https)}
    control = spec.control.publish
    count_of_apis = len(spec.control.clusters or spec.clusters)
    apis = [published(control, number).port for number in range(count_of_apis)] if control else []
    return {**held, **dict.fromkeys(apis, "the management API")}


def _nearest(name: str, known: list[str]) -> str:
    return get_close_matches(name, known, n=1, cutoff=0.0)[0] if known else name
