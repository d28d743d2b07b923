"""The lock file: what is written is read back, the newer one wins, and a broken one is refused."""

from pathlib import Path

import pytest
from hypothesis import given

from hdinfra.model.held import Held, HeldInstance
from hdinfra.model.held_file import dump_held, load_held, newest, parse_held
from hdinfra.model.refusal import RefusedError
from hdinfra.model.spec import ZoneSpec
from tests.strategies import planned, zones


@given(zones())
def test_what_is_written_is_read_back(spec: ZoneSpec) -> None:
    held = planned(spec).held
    assert parse_held(dump_held(held)) == held
    assert dump_held(parse_held(dump_held(held))) == dump_held(held)


def test_the_text_is_for_people() -> None:
    lines = dump_held(Held(serial=3, slots={"b": 11, "a": 10})).splitlines()
    assert lines[0].startswith("# What hdinfra decided")
    assert lines[2:] == ["instances: {}", "serial: 3", "slots:", "  a: 10", "  b: 11", "version: 1", "withdrawn: []"]


def test_an_owner_is_written_only_where_there_is_one() -> None:
    usual = {"clusters": ("a", "b"), "machines_per_cluster": 1, "size": "s"}
    shared, own = HeldInstance.model_validate(usual), HeldInstance.model_validate(usual | {"tenant": "initech"})
    assert dump_held(Held(instances={"web": own})).count("tenant: initech") == 1
    assert "tenant" not in dump_held(Held(instances={"web": shared}))


def test_the_newer_one_wins() -> None:
    old, new, other = Held(serial=1), Held(serial=2), Held(serial=2, withdrawn=("a",))
    assert newest(old, new) is new
    assert newest(new, old) is new
    assert newest(other, new) is other
    assert newest(new, other) is other, "a heal is not undone by a file that was written at the same time"
    assert newest(None, old) is old
    assert newest(old, None) is old
    assert newest(None, None) == Held()


def test_there_may_be_no_file_yet(tmp_path: Path) -> None:
    path = tmp_path / "zone.lock.yaml"
    assert load_held(path) is None
    path.write_text(dump_held(Held(serial=4)), encoding="utf-8")
    assert load_held(path) == Held(serial=4)


def test_a_stack_output_has_numbers_as_floats() -> None:
    assert Held.model_validate({"serial": 2.0, "version": 1.0, "slots": {"a": 10.0}}) == Held(serial=2, slots={"a": 10})


@pytest.mark.parametrize(
    ("text", "rule", "path"),
    [
        ("serial: x", "spec.type", "serial"),
        ("version: 2", "spec.type", "version"),
        ("serail: 1", "spec.unknown-key", "serail"),
        ("instances: {shop: {clusters: [a], size: b}}", "spec.missing", "instances.shop.machines_per_cluster"),
        ("serial: 1\nserial: 2", "spec.yaml", "zone.lock.yaml"),
    ],
)
def test_a_broken_file_is_refused(text: str, rule: str, path: str) -> None:
    with pytest.raises(RefusedError) as error:
        parse_held(text, "zone.lock.yaml")
    assert [(r.rule, r.path) for r in error.value.refusals] == [(rule, path)]
