"""A drill's arithmetic: nothing is rounded in the product's favour, nothing is hidden."""

from dataclasses import replace

import pytest

from hdinfra.operate.report import Answer, Ledger, Report, Setting, ledger_of, percentile, report_of

SETTING = Setting("a", "kill", 200, 20, 3.0, view_right_seconds=1.0, back_seconds=2.0)
WELL = Report("a", "kill", 200, 20, 100, 95, 0, view_right_seconds=1.0, back_seconds=2.0)


def get(seconds: float = 0.01, failure: str | None = None) -> Answer:
    """One GET's fate."""
    return Answer("GET", "shop.acme.test", "http://edge", 0, seconds, failure)


def post(number: int, failure: str | None = None) -> Answer:
    """One numbered POST's fate."""
    return Answer("POST", "shop.acme.test", "http://edge", 0, 0.01, failure, number)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_percentile_is_the_nearest_rank(share: float, expected: int) -> None:
    assert percentile([float(value) for value in range(1, 101)], share) == expected


def test_percentile_of_nothing_is_zero() -> None:
    assert percentile([], 0.99) == 0


def test_ledger_tells_lost_twice_and_failed_but_ran_apart() -> None:
    answers = [post(1), post(2), post(3), post(4, "ReadTimeout"), post(5, "status 502"), get()]
    written = {"shop.acme.test": {1: 1, 2: 2, 4: 1}}
    assert ledger_of(answers, written) == Ledger(
        sent=5, acknowledged=3, ran_twice=(2,), lost=(3,), failed=(4, 5), failed_but_ran=(4,)
    )


def test_ledger_counts_a_failed_post_that_ran_twice() -> None:
    assert ledger_of([post(9, "ReadTimeout")], {"shop.acme.test": {9: 4}}).ran_twice == (9,)


def test_ledger_of_another_host_proves_nothing() -> None:
    assert ledger_of([post(1)], {"blog.globex.test": {1: 1}}).lost == (1,)


def test_report_counts_failures_by_method_and_kind() -> None:
    answers = [get(), get(2.5, "ReadTimeout"), get(0.1, "status 503"), post(1, "status 503")]
    report = report_of(answers, {}, SETTING)
    assert report.failures == {"GET ReadTimeout": 1, "GET status 503": 1, "POST status 503": 1}
    assert (report.requests, report.gets, report.failed_gets, report.slowest_seconds) == (4, 3, 2, 2.5)


def test_a_drill_without_a_flaw_keeps_its_promises() -> None:
    assert WELL.broken_promises == ()
    assert WELL.as_json()["well"] is True


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (replace(WELL, failed_gets=1), "1 of 95 GETs failed"),
        (replace(WELL, gets=0), "no GET was sent"),
        (replace(WELL, slowest_seconds=3.01), "3.0 s are allowed"),
        (replace(WELL, view_right_seconds=None), "never saw"),
        (replace(WELL, back_seconds=None), "did not come back"),
        (replace(WELL, ledger=Ledger(ran_twice=(7,))), "1 POSTs ran twice"),
        (replace(WELL, ledger=Ledger(lost=(7,))), "1 acknowledged POSTs are not in the ledger"),
    ],
)
def test_every_broken_promise_is_told(broken: Report, told: str) -> None:
    assert len(broken.broken_promises) == 1
    assert told in broken.broken_promises[0]
    assert broken.as_json()["well"] is False


def test_failed_posts_alone_break_no_promise() -> None:
    assert replace(WELL, ledger=Ledger(sent=3, failed=(1, 2))).broken_promises == ()


def test_a_busy_client_is_blamed_beside_the_zone() -> None:
    slow = replace(WELL, slowest_seconds=5.0, client_late_p99_seconds=4.2)
    assert "too busy to send in time (p99 4.20 s late)" in slow.broken_promises[0]
    assert "too busy" not in replace(slow, client_late_p99_seconds=0.01).broken_promises[0]
