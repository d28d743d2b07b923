"""Name servers in the plan: where they stand, where they lead to, and for how long an old answer may live."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdinfra.model.dns import worst_case
from hdinfra.model.dns_spec import DnsSpec
from hdinfra.model.failover.spec import MonitorSpec
from hdinfra.model.failover.timing import worst_case_of
from hdinfra.model.held import Held
from hdinfra.model.plan import DnsPlan
from hdinfra.model.planner import plan_zone
from hdinfra.model.spec import ZoneSpec
from hdinfra.model.typed import validated
from tests.model.legal import Change, legal
from tests.model.refused_dns import CDN, DOMAIN, EAST, dns
from tests.strategies import WIDE


def planned(change: Change, held: Held | None = None) -> tuple[DnsPlan, Held]:
    """The name servers of the legal spec with that change, and what is held then."""
    plan = plan_zone(validated(ZoneSpec, legal(change)), held or Held(), WIDE)
    assert plan.dns is not None
    return plan.dns, plan.held


def test_a_zone_without_them_holds_nothing_of_them() -> None:
    plan = plan_zone(validated(ZoneSpec, legal()), Held(), WIDE)
    assert plan.dns is None
    assert "entrance" not in plan.held.model_dump()
    assert not [machine for machine in plan.machines if machine.role == "dns"]


def test_they_stand_at_two_operators() -> None:
    found, _ = planned(dns())
    assert len(found.machines) == 2
    assert len({machine.operator for machine in found.machines}) == 2
    assert {machine.name for machine in found.machines} == {f"{machine.place}-dns-1" for machine in found.machines}


def test_doors_are_of_udp_too_and_count_on_by_the_names_of_clusters() -> None:
    found, _ = planned(dns(publish={"port": 15300}))
    doors = {machine.place: machine.publish for machine in found.machines}
    by_name = sorted(cluster["name"] for cluster in legal()["clusters"])
    assert {place: (door.port, door.target, door.udp) for place, door in doors.items() if door} == {
        place: (15300 + by_name.index(place), 53, True) for place in doors
    }


def test_the_only_entrance_leads_to_all_places() -> None:
    found, _ = planned(dns())
    assert [(one.name, one.places) for one in found.entrances] == [("edge", ("east", "west"))]
    assert found.entrance == "edge"


def test_the_first_entrance_is_in_force_until_users_are_switched() -> None:
    both = dns(entrances=[EAST, CDN])
    first, held = planned(both)
    assert (first.entrance, held.entrance) == ("main", None)
    switched, later = planned(both, held.model_copy(update={"entrance": "cdn", "serial": 2}))
    assert (switched.entrance, later.entrance, later.serial) == ("cdn", "cdn", 2)


def test_without_name_servers_no_entrance_is_held() -> None:
    plan = plan_zone(validated(ZoneSpec, legal()), Held(zone="india", entrance="cdn"), WIDE)
    assert (plan.dns, plan.held.entrance) == (None, None)


@given(
    interval=st.integers(2, 255),
    timeout=st.integers(1, 254),
    failures=st.integers(1, 10),
    ttl=st.integers(5, 3600),
    died_after=st.floats(0, 1, exclude_min=True),
)
def test_no_outage_is_noticed_later_than_computed(
    interval: int, timeout: int, failures: int, ttl: int, died_after: float
) -> None:
    """Checks begin each interval; the place dies that part of an interval after a good one began. What was found is
    answered a second later."""
    timeout = min(timeout, interval - 1)
    spec = DnsSpec(name=DOMAIN, interval_seconds=interval, timeout_seconds=timeout, failures=failures, ttl_seconds=ttl)
    bad = [number * interval for number in range(1, failures + 1)]
    noticed = bad[-1] + timeout + 1 - died_after * interval
    worst = worst_case(spec)
    assert noticed <= worst.detect_seconds
    assert worst.seconds == worst.detect_seconds + ttl
    assert worst.detect_seconds - noticed < interval + 1e-9, "the bound is no later than an interval"


@pytest.mark.parametrize(("interval", "timeout", "failures"), [(2, 1, 1), (5, 2, 2), (60, 5, 3), (255, 10, 10)])
def test_it_is_the_sum_of_the_failover_model_and_gdnsds_second(interval: int, timeout: int, failures: int) -> None:
    spec = DnsSpec(name=DOMAIN, interval_seconds=interval, timeout_seconds=timeout, failures=failures, ttl_seconds=30)
    monitor = MonitorSpec(interval_seconds=interval, timeout_seconds=timeout, retries=0, consecutive_down=failures)
    same = worst_case_of(monitor, edge_seconds=1, ttl_seconds=30)
    assert (same.detect_seconds + 1, same.recover_seconds) == (
        worst_case(spec).detect_seconds,
        worst_case(spec).seconds,
    )
