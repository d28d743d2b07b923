"""A licence is verified faster than anybody notices."""

from bench.licence import GOAL_MILLISECONDS, measure_licence


def test_a_licence_is_verified_in_five_milliseconds() -> None:
    (figure,) = measure_licence(times=50)
    assert (figure.name, figure.unit, figure.goal) == ("licence-verify", "ms", GOAL_MILLISECONDS)
    assert figure.reached and figure.value < 5
