"""What an edge allows and how fast it follows: the table that the package ships."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from hdinfra.model.failover.spec import AccountPlan


@dataclass(frozen=True, slots=True)
class PlanLimits:
    """What one plan allows an account. None: by contract, so nothing is known to refuse."""

    minimum_interval_seconds: int
    pools: int | None = None
    endpoints: int | None = None
    load_balancers: int | None = None


@dataclass(frozen=True, slots=True)
class EdgeLimits:
    """Cloudflare's: its plans, its regions' codes, and the seconds until all of it follows a change of health."""

    plans: Mapping[AccountPlan, PlanLimits]
    regions: tuple[str, ...]
    edge_seconds: float


@cache
def load_limits() -> EdgeLimits:
    """The shipped table; ValueError or KeyError when it lacks a plan or names one that is none."""
    table = tomllib.loads(files("hdinfra.model.failover").joinpath("limits.toml").read_text(encoding="utf-8"))
    found = {AccountPlan(name): PlanLimits(**row) for name, row in table["plans"].items()}
    plans = {plan: found[plan] for plan in AccountPlan}
    return EdgeLimits(plans, tuple(table["regions"]), table["edge_seconds"])
