"""Users led by Amazon's name servers: which region of theirs stands for a place, and how long old answers live."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt
from typing import Annotated, Literal

from pydantic import Field

from hdinfra.model.checks.dns import rto_refusals
from hdinfra.model.dns import ALIAS, Elsewhere
from hdinfra.model.names import Host, Spec
from hdinfra.model.plan import MachinePlan, ZonePlan
from hdinfra.model.refusal import Refusal, RefusedError
from hdinfra.model.regions import Catalogue, Region, load_catalogue
from hdinfra.model.spec import Feature, Provider

CHECK_SECONDS = 6
"""A check of HTTP fails when there is no connection within 4 s, or no status within 2 s after it (Route 53 Developer
Guide, "How Amazon Route 53 determines whether a health check is healthy", read 2026-11)."""
_EARTH_KM = 6371.0


class Route53Spec(Spec):
    """Records in a hosted zone at Route 53 that lead each user to the place which answers soonest, if it is well."""

    name: Host = Field(description="The hosted zone's domain")
    ttl_seconds: Annotated[int, Field(strict=True, ge=1, le=3600)] = Field(
        default=30, description="How long resolvers keep an answer"
    )
    interval_seconds: Literal[10, 30] = Field(default=10, description="Of each checker; 30 s are the cheaper ones")
    failures: Annotated[int, Field(strict=True, ge=1, le=10)] = Field(
        default=2, description="How many checks in a row turn an address from well to not, or back"
    )
    rto_seconds: Annotated[int, Field(strict=True, ge=1, le=86_400)] | None = Field(
        default=None, description="How soon after a place died its users are elsewhere; left out, nothing is promised"
    )


@dataclass(frozen=True, slots=True)
class Route53Plan:
    """`regions`: by place of the edge the region of AWS that is nearest. `hosts`: sites' names in the hosted zone,
    which become aliases of `alias`; those elsewhere are their owners' to lead there. `ipv4_only`: places whose cloud
    gives users no IPv6 (decision 22)."""

    name: str
    alias: str
    ttl_seconds: int
    interval_seconds: int
    failures: int
    regions: dict[str, str]
    hosts: tuple[str, ...]
    ipv4_only: frozenset[str] = frozenset()


def worst_case(spec: Route53Spec) -> Elsewhere:
    """As for servers of one's own (dns.py); checkers are many, and none has to be waited for."""
    return Elsewhere(spec.interval_seconds * spec.failures + CHECK_SECONDS, spec.ttl_seconds)


def plan_route53(spec: Route53Spec, zone: ZonePlan, catalogue: Catalogue | None = None) -> Route53Plan:
    """Everything that the records say, but for addresses. RefusedError for a Zone without an edge (`dns.edge`), and
    for a promise that checks and TTL cannot keep (`dns.rto`)."""
    machines = zone.edge.machines if zone.edge else ()
    refusals = [*rto_refusals(worst_case(spec), spec.rto_seconds, "rto_seconds")]
    if not machines:
        message = f"Records in `{spec.name}` would lead users to an edge, and zone `{zone.zone}` has none."
        refusals.append(Refusal("name", "dns.edge", message, "add `edge` with its places to the Zone's spec"))
    if refusals:
        raise RefusedError(refusals)
    providers = {machine.provider for machine in machines} | {Provider.AWS}
    tables = catalogue or load_catalogue(frozenset(providers))
    stand = {machine.place: tables.regions[machine.provider, machine.region] for machine in machines}
    return Route53Plan(
        name=spec.name,
        alias=f"{ALIAS}.{spec.name}",
        ttl_seconds=spec.ttl_seconds,
        interval_seconds=spec.interval_seconds,
        failures=spec.failures,
        regions={place: nearest_aws(region, tables) for place, region in sorted(stand.items())},
        hosts=tuple(
            sorted(
                site.host
                for instance in zone.instances
                for site in instance.sites
                if site.host.endswith(f".{spec.name}")
            )
        ),
        ipv4_only=frozenset(_without_ipv6(zone, machines)),
    )


def _without_ipv6(zone: ZonePlan, machines: Sequence[MachinePlan]) -> Iterator[str]:
    for machine in machines:
        ground = zone.edge.place(machine.place) if zone.edge else None
        lacks = Feature.BALANCER_IPV6 if machine.balancer else Feature.IPV6
        if ground and lacks in ground.waived:
            yield machine.place


def nearest_aws(region: Region, catalogue: Catalogue) -> str:
    """AWS's region whose city is nearest: Route 53 knows latencies to its own alone. A place of AWS's is its own."""
    if region.provider is Provider.AWS:
        return region.name
    known = (one for (provider, _), one in catalogue.regions.items() if provider is Provider.AWS)
    return min(known, key=lambda one: (kilometres(region, one), one.name)).name


def kilometres(one: Region, other: Region) -> float:
    """The great circle between two cities (haversine), on a ball."""
    north, south = radians(one.latitude), radians(other.latitude)
    half = sin((south - north) / 2) ** 2
    half += cos(north) * cos(south) * sin(radians(other.longitude - one.longitude) / 2) ** 2
    return 2 * _EARTH_KM * asin(sqrt(min(1.0, half)))
