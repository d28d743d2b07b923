"""An edge at Cloudflare, decided: what a component declares without a question left."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from hdinfra.model.failover.check import check_failover
from hdinfra.model.failover.cloudflare_check import check_cloudflare
from hdinfra.model.failover.cloudflare_spec import AccountSpec, CloudflareSpec, PairSpec, TunnelSpec
from hdinfra.model.failover.spec import EndpointSpec, FailoverSpec, PoolSpec, Steering
from hdinfra.model.failover.timing import worst_case
from hdinfra.model.refusal import RefusedError


@dataclass(frozen=True, slots=True)
class Ingress:
    """What connectors do with requests for a host; for all others they answer 404."""

    host: str
    service: str


@dataclass(frozen=True, slots=True)
class CloudflarePlan:
    """`recover_seconds`: from an outage until users are served again, at worst. `pair`: names of the primary and the
    failover, where it is a pair."""

    edge: str
    failover: FailoverSpec
    account: AccountSpec
    tunnels: tuple[TunnelSpec, ...]
    recover_seconds: float
    pair: tuple[str, str] | None = None

    @property
    def fallback(self) -> str:
        """The pool that takes users when all are down; no plan is without one."""
        if self.failover.fallback is None:
            raise ValueError(f"edge `{self.edge}` was not planned: it has no fallback")
        return self.failover.fallback

    def ingress(self, tunnel: TunnelSpec) -> tuple[Ingress, ...]:
        """Hosts that the tunnel's connectors answer for: the service's, and the site's direct name."""
        hosts = (self.failover.host, *((tunnel.direct,) if tunnel.direct else ()))
        return tuple(Ingress(host, tunnel.service) for host in hosts)

    def region_pools(self) -> Mapping[str, tuple[str, ...]]:
        """Region to its pools in their order; empty unless users are steered by region."""
        if self.failover.steering is not Steering.GEO:
            return {}
        pools = self.failover.pools
        regions = sorted({region for pool in pools for region in pool.regions})
        return {region: tuple(pool.name for pool in pools if region in pool.regions) for region in regions}


def plan_cloudflare(spec: CloudflareSpec, pair: tuple[str, str] | None = None) -> CloudflarePlan:
    """The plan; RefusedError with every refusal of the failover and of Cloudflare's edge."""
    # A life of DNS answers is refused whole at Cloudflare, so nothing that follows from it is.
    at_the_edge = spec.failover.model_copy(update={"ttl_seconds": 0})
    if refusals := [*check_cloudflare(spec), *check_failover(at_the_edge, "failover.")]:
        raise RefusedError(refusals)
    return CloudflarePlan(
        spec.edge, spec.failover, spec.cloudflare, spec.tunnels, worst_case(spec.failover).recover_seconds, pair
    )


def planned_edge(spec: CloudflareSpec | PairSpec) -> CloudflarePlan:
    """The plan of either; RefusedError with every refusal, and then nothing is declared."""
    match spec:
        case CloudflareSpec():
            return plan_cloudflare(spec)
        case PairSpec():
            return plan_pair(spec)
        case _:
            assert_never(spec)


def plan_pair(spec: PairSpec) -> CloudflarePlan:
    """The plan of two sites; RefusedError as `plan_cloudflare`, with paths of the pair."""
    try:
        return plan_cloudflare(edge_of(spec), (spec.primary.name, spec.failover.name))
    except RefusedError as refused:
        raise RefusedError(replace(one, path=_in_pair(one.path)) for one in refused.refusals) from refused


def _in_pair(path: str) -> str:
    """Where a pair has what the edge that it stands for has at that path."""
    for index, part in enumerate(("primary", "failover")):
        for whole in (f"failover.pools[{index}]", f"tunnels[{index}]"):
            if path == whole or path.startswith(f"{whole}."):
                rest = path.removeprefix(whole) if whole.startswith("tunnels") else ""
                return f"{part}{rest}"
    return path.removeprefix("failover.")


def edge_of(spec: PairSpec) -> CloudflareSpec:
    """The edge that a pair stands for: pools in order, nobody bound to a site, and back by hand with a database."""
    sites = {"primary": spec.primary, "failover": spec.failover}
    pools = tuple(
        PoolSpec(
            name=site.name,
            endpoints=(EndpointSpec(name=site.name, tunnel=site.name),),
            drained=spec.drained == part,
        )
        for part, site in sites.items()
    )
    failover = FailoverSpec(
        host=spec.host,
        pools=pools,
        monitor=spec.monitor,
        fallback=sites[spec.fallback].name,
        database=spec.database,
        fail_back="by-hand" if spec.database else "automatic",
        rto_seconds=spec.rto_seconds,
        account_plan=spec.account_plan,
    )
    return CloudflareSpec(
        edge=spec.edge, failover=failover, cloudflare=spec.cloudflare, tunnels=(spec.primary, spec.failover)
    )
