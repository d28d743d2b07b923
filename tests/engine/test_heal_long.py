"""What else may stand in a heal's way: minutes of engine runs, so in the long loop alone (HDINFRA_LONG)."""

import json
import os
import signal

import pytest
import yaml

from hdinfra.model.refusal import RefusedError
from hdinfra.operate.engine import changed_by
from hdinfra.operate.errors import EngineError, HealError
from hdinfra.operate.restore import restore
from hdinfra.operate.waiting import seconds_until
from tests.engine.lost_zone import FOUR, LOST, QUIET, REGION, Lost, lost, shelf

__all__ = ["lost", "shelf"]  # fixtures, defined beside what they make

if "HDINFRA_LONG" in os.environ:

    def test_healing_twice_changes_nothing_the_second_time(lost: Lost) -> None:
        lost.without()
        serial = lost.heal().serial
        lost.forget_calls()
        assert lost.heal().serial == serial
        assert lost.touched() == set()

    def test_the_next_up_does_not_undo_a_heal_and_asks_nothing_of_what_is_lost(lost: Lost) -> None:
        before = lost.lock.read_text()
        lost.without()
        done = lost.heal()
        lost.lock.write_text(before)
        lost.forget_calls()
        lost.workspace.up("--exclude", "**::a-*")
        assert lost.touched() == set()
        assert lost.output("held")["serial"] == done.serial

    def test_what_breaks_a_rule_is_refused_before_anything_is_done(lost: Lost) -> None:
        lost.without()
        lost.heal("a")
        lost.without(f"{LOST},hdlocal:lab-south")
        lost.heal("b")
        lost.forget_calls()
        with pytest.raises(RefusedError) as refused:
            lost.heal("c")
        assert "instance.two-clusters" in {one.rule for one in refused.value.refusals}
        assert lost.touched() == set()

    def test_over_budget_nothing_is_done_unless_a_human_says_so(lost: Lost) -> None:
        lost.spec.write_text(yaml.safe_dump({**FOUR, "healing": {"budget": {"machines": 1}}}))
        lost.workspace.up()
        lost.without()
        with pytest.raises(HealError, match="2 new machines, of 1 allowed"):
            lost.heal()
        assert lost.touched() == set()
        assert lost.heal(over_budget=True).change.comes

    def test_while_somebody_else_changes_the_stack_nothing_is_done(lost: Lost) -> None:
        lost.workspace.environment["STANDIN_STUCK"] = "hdlocal:lab-hill"
        more = {**FOUR, "instances": [{**FOUR["instances"][0], "clusters": ["a", "b", "d"]}]}
        lost.spec.write_text(yaml.safe_dump(more))
        other = lost.workspace.start("up", "--yes", "--skip-preview")
        try:
            assert seconds_until(lambda: bool(changed_by(lost.opened)), within=60) is not None
            with pytest.raises(HealError, match=f"being changed by process {other.pid}"):
                lost.heal()
        finally:
            other.send_signal(signal.SIGINT)
            other.communicate(timeout=60)

    def test_an_update_that_fails_half_way_goes_on_with_the_next(lost: Lost) -> None:
        lost.without(f"{LOST},hdpolicy")
        with pytest.raises(EngineError, match="hdpolicy is down"):
            lost.heal()
        lost.without()
        done = lost.heal()
        assert set(done.change.comes) <= lost.machines()
        assert lost.output("held")["withdrawn"] == ["a"]

    def test_expired_credentials_of_another_one_hold_no_heal_up(lost: Lost) -> None:
        lost.without()
        expired = lost.heal(dry_run=True).change.comes[0].partition("-")[0]
        before = lost.of(expired)
        lost.without(f"{LOST},hdlocal:{REGION[expired]}")
        done = lost.heal()
        assert done.avoided == (expired,) and set(done.change.comes) <= lost.machines()
        assert lost.of(expired) == before

    def test_a_provider_with_which_it_takes_for_ever_counts_as_one_that_refuses(lost: Lost) -> None:
        lost.without()
        refusing = lost.heal(dry_run=True).change.comes[0].partition("-")[0]
        lost.workspace.environment["STANDIN_STUCK"] = f"hdlocal:{REGION[refusing]}"
        assert lost.heal(patience_seconds=90).avoided == (refusing,)

    def test_a_restore_that_was_interrupted_goes_on(lost: Lost) -> None:
        before = lost.machines()
        lost.without()
        lost.heal()
        lost.workspace.environment["STANDIN_DOWN"] = ""
        with pytest.raises(HealError, match="is not seen well"):
            restore(lost.opened, "a", QUIET, lambda _: False, within=0)
        assert lost.machines() > before
        restore(lost.opened, "a", QUIET, lambda _: True)
        assert lost.machines() == before

    def test_keys_of_sites_are_left_nowhere(lost: Lost) -> None:
        lost.without()
        lost.heal()
        assert not list(lost.opened.state.glob("*.order.json"))
        assert json.loads(lost.output("spec"))["zone"] == "drill"
