"""What a plan's machines and load balancers cost: dated estimates, for weighing plans and not for a budget."""

from collections import defaultdict

from hdinfra.model.plan import MachinePlan, ZonePlan
from hdinfra.model.regions import Catalogue, load_catalogue

HOURS_PER_MONTH = 730  # 365 days of 24 hours in 12 months, as the providers bill


def monthly_prices(plan: ZonePlan, catalogue: Catalogue | None = None) -> dict[str, float]:
    """By Cluster or place what its machines and its load balancer cost in a month, in euro, without disks, addresses
    and traffic."""
    tables = catalogue or load_catalogue(frozenset(machine.provider for machine in plan.machines))
    found: defaultdict[str, float] = defaultdict(float)
    for machine in plan.machines:
        region = tables.region(machine.provider, machine.region)
        factor = region.price_factor if region else 1.0
        found[machine.place] += machine.size.price_per_hour * factor * HOURS_PER_MONTH
        if machine.balancer and machine.name == f"{machine.place}-edge":  # one before all of a place
            found[machine.place] += _balancer(machine, tables) * factor * HOURS_PER_MONTH
    return {place: round(price, 2) for place, price in sorted(found.items())}


def _balancer(machine: MachinePlan, tables: Catalogue) -> float:
    traits = tables.providers[machine.provider].balancer
    return traits.price_per_hour if traits else 0.0
