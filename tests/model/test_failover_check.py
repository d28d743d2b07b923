"""What a failover is refused for comes as a whole, with paths of the spec that it is part of, and with ways out."""

import pytest

from hdinfra.model.failover.check import check_failover, checked_failover
from hdinfra.model.failover.spec import FailoverSpec
from hdinfra.model.refusal import RefusedError
from tests.model.failover_specs import failover
from tests.model.legal import Change, setting


def fix(spec: FailoverSpec) -> str:
    """What the only refusal says to write."""
    (refusal,) = check_failover(spec)
    return refusal.fix


def test_paths_are_those_of_the_spec_around_it() -> None:
    spec = failover(setting("fallback", None), setting("pools.1.minimum_healthy", 2))
    paths = [refusal.path for refusal in check_failover(spec, at="failover.")]
    assert paths == ["failover.fallback", "failover.pools[1].minimum_healthy"]


def test_what_is_well_is_given_back() -> None:
    spec = failover()
    assert checked_failover(spec) is spec
    with pytest.raises(RefusedError):
        checked_failover(failover(setting("fallback", None)))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], "write `fallback: hetzner`"),
        # Writes of a shared database belong to the first site.
        ([setting("database", True), setting("fail_back", "by-hand")], "write `fallback: on-prem`"),
        # A pool that is drained would answer with an error.
        ([setting("pools.1.drained", True)], "write `fallback: on-prem`"),
    ],
)
def test_the_fallback_that_is_proposed_is_one_that_serves(changes: list[Change], expected: str) -> None:
    assert fix(failover(setting("fallback", None), *changes)) == expected


@pytest.mark.parametrize(
    ("monitor", "expected"),
    [
        ({"interval_seconds": 10}, "write `retries: 1`, or `interval_seconds: 15`"),
        (
            {"interval_seconds": 10, "timeout_seconds": 10, "retries": 1},
            "write `retries: 0`, or `interval_seconds: 20`",
        ),
    ],
)
def test_probes_that_overlap_are_made_to_fit(monitor: dict[str, int], expected: str) -> None:
    assert fix(failover(setting("account_plan", "enterprise"), setting("monitor", monitor))) == expected


def test_an_interval_that_a_better_plan_gives_is_told() -> None:
    assert fix(failover(setting("monitor", {"interval_seconds": 15}))) == (
        "write `interval_seconds: 60` or more, or `account_plan: business`"
    )


def test_a_timeout_longer_than_the_interval_is_cut() -> None:
    spec = failover(setting("monitor", {"interval_seconds": 8, "timeout_seconds": 10, "retries": 0}))
    assert "write `timeout_seconds: 8` and `retries: 0`" in [refusal.fix for refusal in check_failover(spec)]
