"""What tenants book, and what their slices get for it."""

from itertools import pairwise

import pytest
from hypothesis import given

from hdinfra.model.plan import TenantPlan
from hdinfra.model.plans import limits_of, load_allowances
from hdinfra.model.policies import waf_policy
from hdinfra.model.spec import HostingPlan, ZoneSpec
from hdinfra.model.typed import validated
from tests.model.legal import legal, setting
from tests.strategies import planned, zones


def test_the_catalogue_begins_and_ends_as_it_is_sold() -> None:
    allowances = load_allowances()
    free, largest = allowances[HostingPlan.FREE], allowances[HostingPlan.X_LARGE]
    assert (free.memory_mib, free.cpu, free.disk_gib, free.backup_days) == (256, 0.25, 1, 3)
    assert (largest.memory_mib, largest.cpu, largest.disk_gib, largest.backup_days) == (8192, 8, 500, 30)


def test_a_larger_plan_never_gives_less() -> None:
    rows = [load_allowances()[plan] for plan in HostingPlan]
    for less, more in pairwise(rows):
        assert less.cpu < more.cpu
        assert less.memory_mib < more.memory_mib
        assert less.tasks <= more.tasks
        assert less.disk_gib < more.disk_gib
        assert less.backup_days < more.backup_days


@pytest.mark.parametrize("plan", HostingPlan)
def test_every_plan_is_slowed_down_before_it_is_stopped(plan: HostingPlan) -> None:
    limits = limits_of(TenantPlan("acme", plan))
    assert 0 < limits.memory_low_mib < limits.memory_high_mib < limits.memory_max_mib
    assert limits.disk_mib == load_allowances()[plan].disk_gib * 1024
    assert (limits.name, limits.plan) == ("acme", plan.value)


@given(zones())
def test_every_tenant_with_a_site_has_its_limits_on_the_machine(spec: ZoneSpec) -> None:
    for instance in planned(spec).instances:
        lab = {f"lab{number}": ("192.0.2.1", "2001:db8::1") for number in range(2)}
        policy = waf_policy(instance, lab, [])
        assert [tenant.name for tenant in policy.tenants] == sorted({site.tenant for site in instance.sites})


def test_a_plan_reaches_the_policy_and_small_is_the_default() -> None:
    spec = validated(ZoneSpec, legal(setting("instances.0.tenants.1.plan", "x-large")))
    policy = waf_policy(planned(spec).instance("shop"), {"web": ("192.0.2.1", "2001:db8::1")}, [])
    assert [(tenant.name, tenant.plan) for tenant in policy.tenants] == [("acme", "small"), ("globex", "x-large")]
