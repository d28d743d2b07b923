"""The catalogue of tenants' plans, and what a plan comes to on a machine."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from hdinfra.model.plan import TenantPlan
from hdinfra.model.policy import TenantLimits
from hdinfra.model.spec import HostingPlan

_WEIGHT_OF_A_CORE = 100
"""Systemd's default weight: a tenant with one core counts as much as any other service."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one plan gives. `cpu` in cores; a tenant may have more while nobody else wants it."""

    cpu: float
    memory_mib: int
    tasks: int
    disk_gib: int
    backup_days: int


@cache
def load_allowances() -> Mapping[HostingPlan, Allowance]:
    """The table that the package ships; ValueError or KeyError when it lacks a plan or names one that is none."""
    rows = tomllib.loads(files("hdinfra.model").joinpath("plans.toml").read_text(encoding="utf-8"))
    found = {HostingPlan(name): Allowance(**row) for name, row in rows.items()}
    return {plan: found[plan] for plan in HostingPlan}


def limits_of(tenant: TenantPlan) -> TenantLimits:
    """What the tenant's slice gets. Half the plan's memory is its own even where memory is short; above all of it the
    tenant is slowed down, and at a quarter more stopped."""
    allowance = load_allowances()[tenant.plan]
    weight = round(allowance.cpu * _WEIGHT_OF_A_CORE)
    return TenantLimits(
        name=tenant.name,
        plan=tenant.plan.value,
        cpu_weight=weight,
        io_weight=weight,
        memory_low_mib=allowance.memory_mib // 2,
        memory_high_mib=allowance.memory_mib,
        memory_max_mib=allowance.memory_mib * 5 // 4,
        tasks_max=allowance.tasks,
        disk_mib=allowance.disk_gib * 1024,
    )
