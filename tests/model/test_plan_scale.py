"""A great Zone is planned while a person waits."""

from bench.plan_scale import figures


def test_a_thousand_instances_take_a_second_and_200_mib() -> None:
    time, memory = figures(1000)
    assert (time["name"], memory["name"]) == ("plan-seconds", "plan-memory")
    assert float(time["value"]) < float(time["goal"])
    assert float(memory["value"]) < float(memory["goal"])
