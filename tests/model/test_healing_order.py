"""What an order changes of what is held: away and back leads to where one was."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hdinfra as hd
from hdinfra.model.healing.order import Order, digest_of, gone_back, held_for
from hdinfra.model.held import Held
from hdinfra.model.planner import plan_zone
from hdinfra.model.refusal import RefusedError
from hdinfra.model.spec import ZoneSpec
from hdinfra.model.spec_file import parse_spec
from hdinfra.operate.errors import HealError
from hdinfra.operate.healing_plan import Change, Standing, change_of, harmed_of
from tests.graph.specs import ROOT
from tests.model.test_planner import addresses, own_choice
from tests.strategies import WIDE, planned, zones

DRILL = parse_spec((ROOT / "stacks/drill.yaml").read_text(), "drill.yaml")


def ordered(held: Held, **changes: object) -> Held:
    return held_for(Order(serial=held.serial, spec=digest_of(""), **changes), held)  # type: ignore[arg-type]


TOO_FEW = {"instance.two-clusters", "instance.two-operators", "instance.capacity-n-minus-one"}
"""What may forbid to withdraw a Cluster; anything else would leave these properties with nothing to look at."""


@given(zones(), st.data())
def test_a_heal_takes_nothing_away_that_is_not_given_up(spec: ZoneSpec, data: st.DataObject) -> None:
    """One loss after the other, until what remains does not suffice."""
    spec = own_choice(spec)
    before = planned(spec)
    for lost in data.draw(st.permutations([one.name for one in spec.clusters])):
        try:
            after = plan_zone(spec, ordered(before.held, withdraw=(lost,)), WIDE)
        except RefusedError as refused:
            assert {one.rule for one in refused.refusals} <= TOO_FEW
            return
        change = change_of(before, after)
        assert change.harmed == ()
        change.sparing("india")
        before = after


def test_what_would_take_something_else_away_is_refused() -> None:
    before = plan_zone(DRILL)
    lost = before.held.instances["web"].clusters[0]
    after = plan_zone(DRILL, ordered(before.held, withdraw=(lost,)))
    name = next(one.name for one in before.machines if one.role == "waf" and one.place != lost)
    (standing,) = (one for one in after.machines if one.name == name)
    others = [one for one in after.machines if one.name != name]
    for worse in ([], [replace(standing, volume_gib=20)], [replace(standing, region="lab-hill")]):
        assert harmed_of(before.machines, [*others, *worse], after.withdrawn) == (name,)
    assert harmed_of(before.machines, [*others, standing], after.withdrawn) == ()
    with pytest.raises(HealError, match=f"take away or make anew {name}") as told:
        Change((), (name,), 0.0, (name,)).sparing("india")
    assert "hdinfra plan --stack india" in told.value.retry


@given(zones(), st.data())
def test_away_and_back_leads_to_where_one_was(spec: ZoneSpec, data: st.DataObject) -> None:
    spec = own_choice(spec)
    first = planned(spec)
    lost = data.draw(st.sampled_from(spec.clusters)).name
    try:
        healed = plan_zone(spec, ordered(first.held, withdraw=(lost,)), WIDE)
    except RefusedError as refused:
        assert {one.rule for one in refused.refusals} <= TOO_FEW
        return
    assert lost not in {machine.place for machine in healed.machines}
    back = ordered(healed.held, let_in=(lost,), placement=gone_back(healed.held, lost))
    restored = planned(spec, back)
    assert addresses(restored) == addresses(first)
    if lost in first.held.clusters:
        assert healed.held.clusters[lost] == first.held.clusters[lost], "it cannot be moved meanwhile"
    assert restored.held.stood == {} and restored.held.withdrawn == ()
    assert restored.held.serial > healed.held.serial > first.held.serial


def test_a_second_loss_keeps_the_memory_of_the_first() -> None:
    held = plan_zone(DRILL).held
    assert gone_back(held, "a") == {}, "nobody was away"
    four = parse_spec(
        (ROOT / "stacks/drill.yaml")
        .read_text()
        .replace("instances:\n", "  - {name: d, provider: local, region: lab-hill}\ninstances:\n", 1),
        "drill.yaml",
    )
    first = plan_zone(four)
    one, two = first.held.instances["web"].clusters
    healed = plan_zone(four, ordered(first.held, withdraw=(one,)))
    again = plan_zone(four, ordered(healed.held, withdraw=(two,)))
    assert again.held.stood["web"] == (one, two)
    target = gone_back(again.held, one)["web"]
    assert one in target and two not in target and len(target) == 2


def test_an_avoided_one_keeps_what_it_has_and_gets_nothing_new() -> None:
    held = plan_zone(DRILL).held
    here = held.instances["web"].clusters
    kept = plan_zone(DRILL, ordered(held, avoid=here[:1]))
    assert kept.held.instances["web"].clusters == here
    (spare,) = {"a", "b", "c"} - {*here}
    with pytest.raises(RefusedError) as refused:
        plan_zone(DRILL, ordered(held, withdraw=here[:1], avoid=(spare,)))
    assert "instance.two-clusters" in {one.rule for one in refused.value.refusals}


def test_what_changes_nothing_counts_no_serial() -> None:
    held = plan_zone(DRILL).held
    once = ordered(held, withdraw=("a",))
    assert ordered(once, withdraw=("a",)) is once


def test_no_lock_file_looks_newer_than_what_was_ordered() -> None:
    held = plan_zone(DRILL).held
    assert ordered(held, withdraw=("a",), floor=40).serial == 41


SPARE = "  entrances: [{name: main, places: [east]}, {name: spare, places: [west]}]\n"
TWO_ENTRANCES = (ROOT / "stacks/drill.yaml").read_text() + f"dns:\n  name: drill.example.net\n{SPARE}"


def standing(held: Held, in_file: Held | None) -> Standing:
    """What is deployed, beside what the lock file says."""
    return Standing(TWO_ENTRANCES, parse_spec(TWO_ENTRANCES, "drill.yaml"), held, {}, in_file)


@pytest.mark.parametrize(
    ("deployed", "in_file", "then"),
    [
        ((5, None), (6, "spare"), "spare"),
        ((5, "spare"), (6, None), None),
        ((5, None), (5, "spare"), None),
        ((5, None), (4, "spare"), None),
        ((5, None), (6, "unheard-of"), None),
        ((5, "spare"), None, "spare"),
    ],
)
def test_a_heal_keeps_a_switch_that_the_lock_file_alone_knows(
    deployed: tuple[int, str | None], in_file: tuple[int, str | None] | None, then: str | None
) -> None:
    first = plan_zone(parse_spec(TWO_ENTRANCES, "drill.yaml")).held
    held = first.model_copy(update=dict(zip(("serial", "entrance"), deployed, strict=True)))
    file = first.model_copy(update=dict(zip(("serial", "entrance"), in_file, strict=True))) if in_file else None
    now = standing(held, file)
    order = Order.model_validate_json(now.order(withdraw=("a",)).model_dump_json())
    after = held_for(order, held)
    assert after.entrance == then
    assert after.serial > now.floor
    assert now.plan(order).held.entrance == then


@pytest.mark.parametrize("names", ["abc", "nop", "xyz"], ids=str)
def test_api_machines_and_name_servers_that_stay_keep_their_doors(names: str) -> None:
    """On the local cloud another port is another machine, and the last one that lives would be made anew. Which two
    of three Clusters are chosen lies with their names."""
    text = (ROOT / "stacks/drill.yaml").read_text()
    for before, after in zip("abc", names, strict=True):
        text = text.replace(f"{{name: {before}, provider: local, region", f"{{name: {after}, provider: local, region")
    spec = parse_spec(text + "dns: {name: drill.example.net, publish: {port: 15300}}\n", "drill.yaml")
    first = plan_zone(spec)
    for role, lost in itertools.product(("control", "dns"), names):
        doors = {machine.name: machine.publish for machine in first.machines if machine.role == role}
        healed = plan_zone(spec, ordered(first.held, withdraw=(lost,)))
        now = [machine for machine in healed.machines if machine.role == role]
        stayed = [machine for machine in now if machine.name in doors]
        assert stayed and all(machine.publish == doors[machine.name] for machine in stayed)
        assert len({machine.publish.port for machine in now if machine.publish}) == 2


def test_code_for_first_boots_lies_in_no_withdrawn_cluster() -> None:
    india = hd.load_spec(ROOT / "stacks/india.yaml")
    small = tuple(instance.model_copy(update={"capacity": 1}) for instance in india.instances)
    spec = india.model_copy(update={"instances": small})
    first = plan_zone(spec)
    bucket = first.bundles.bucket
    assert bucket
    assert plan_zone(spec, ordered(first.held, withdraw=(bucket,))).bundles.bucket not in {None, bucket}
