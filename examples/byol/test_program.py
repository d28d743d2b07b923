"""The program without an engine, as you would test your own."""

# ruff: noqa: S101  tests assert

from program import declare

from hdinfra.testing import Recorder


def test_each_machine_has_a_seat(record: Recorder) -> None:
    graph = record(declare)
    machines = {machine.name for machine in graph.of_type("hdlocal:index:Machine")}
    assert machines == {"web-1", "web-2"}
    assert {seat.name for seat in graph.of_type("hdlicence:index:Seat")} == {f"{name}-seat" for name in machines}
    assert graph.duplicates() == frozenset()
    assert graph.without_provider() == graph.orphans() == graph.unfinished() == ()
