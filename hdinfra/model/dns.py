"""The Zone's own name servers: which entrances there are, which is in force, and how long old answers live."""

from collections.abc import Sequence
from typing import NamedTuple

from hdinfra.model.dns_spec import DnsSpec, EntranceSpec
from hdinfra.model.held import Held
from hdinfra.model.plan import DnsPlan, EntrancePlan, MachinePlan, NearPlan
from hdinfra.model.spec import EdgeSpec, ZoneSpec

ALIAS = "sites"
"""The label of the one name that all sites' names are aliases of: `sites.<domain>`."""
TABLE_SECONDS = 1
"""gdnsd gathers changes of health for one second before it answers by them (kick_sttl_update_timer in its mon.c)."""
FIRST_ENTRANCE = "edge"
"""What the only entrance is called where the spec names none."""


class Elsewhere(NamedTuple):
    """How long after a place died its users may still be sent there, in seconds: until it is noticed, until no
    resolver has the old answer."""

    detect_seconds: int
    keep_seconds: int

    @property
    def seconds(self) -> int:
        """All of it."""
        return self.detect_seconds + self.keep_seconds


def worst_case(dns: DnsSpec | DnsPlan) -> Elsewhere:
    """At worst a place dies just after a good check: the next begins an interval later, the last of `failures` checks
    `failures` intervals later, and it takes `timeout_seconds` where nothing answers at all; then `TABLE_SECONDS`. A
    resolver that asked in that moment keeps what it got for the whole TTL."""
    return Elsewhere(dns.interval_seconds * dns.failures + dns.timeout_seconds + TABLE_SECONDS, dns.ttl_seconds)


def entrances_of(dns: DnsSpec, edge: EdgeSpec | None) -> tuple[EntranceSpec, ...]:
    """Those of the spec, or the one that leads to all places."""
    places = tuple(place.name for place in edge.places) if edge else ()
    return dns.entrances or ((EntranceSpec(name=FIRST_ENTRANCE, places=places),) if places else ())


def entrance_held(spec: ZoneSpec, held: Held) -> str | None:
    """Where users were switched to, as long as there is such an entrance; None while it is the first."""
    names = [entrance.name for entrance in entrances_of(spec.dns, spec.edge)] if spec.dns else []
    return held.entrance if held.entrance in names[1:] else None


def dns_plan(spec: ZoneSpec, held: Held, machines: Sequence[MachinePlan]) -> DnsPlan | None:
    """None for a Zone without name servers of its own. Networks in the order of their addresses."""
    dns = spec.dns
    if dns is None:
        return None
    entrances = entrances_of(dns, spec.edge)
    near = sorted(dns.near, key=lambda one: (one.network.version, one.network))
    return DnsPlan(
        name=dns.name,
        machines=tuple(machines),
        entrances=tuple(EntrancePlan(one.name, one.places or (), one.target) for one in entrances),
        entrance=entrance_held(spec, held) or entrances[0].name,
        near=tuple(NearPlan(one.network, one.places) for one in near),
        ttl_seconds=dns.ttl_seconds,
        interval_seconds=dns.interval_seconds,
        timeout_seconds=dns.timeout_seconds,
        failures=dns.failures,
        recoveries=dns.recoveries,
    )
