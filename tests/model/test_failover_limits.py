"""What Cloudflare's plans allow: the table covers every plan, and the document shows it."""

import re
from pathlib import Path

from hdinfra.model.failover.limits import PlanLimits, load_limits
from hdinfra.model.failover.spec import AccountPlan


def row(plan: AccountPlan, limits: PlanLimits) -> tuple[str, ...]:
    counts = (limits.pools, limits.endpoints, limits.load_balancers)
    told = (str(count) if count is not None else "by contract" for count in counts)
    return (str(plan), f"{limits.minimum_interval_seconds} s", *told)


def test_the_document_shows_the_table() -> None:
    section = Path("docs/failover.md").read_text(encoding="utf-8").partition("### What Cloudflare's plans allow")[2]
    cells = re.findall(r"^\| (\w+) \| (.*?) \| (.*?) \| (.*?) \| (.*?) \|$", section, re.MULTILINE)
    shown = [found for found in cells if found[0] in list(AccountPlan)]
    assert shown == [row(plan, limits) for plan, limits in load_limits().plans.items()]


def test_no_plan_is_worse_than_a_cheaper_one() -> None:
    intervals = [limits.minimum_interval_seconds for limits in load_limits().plans.values()]
    assert intervals == sorted(intervals, reverse=True)


def test_cloudflare_has_thirteen_regions() -> None:
    assert len(set(load_limits().regions)) == 13
