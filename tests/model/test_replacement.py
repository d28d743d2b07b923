"""A host moves to a spare: the identity stays, the server changes, and nothing that was well gets worse unsaid."""

from ipaddress import IPv4Interface

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdinfra.model.hardware.inventory import inventory_of
from hdinfra.model.hardware.replacement import BY_LEAVE, Wish, decide, moved
from hdinfra.model.hardware.server_plan import server_plan
from hdinfra.model.refusal import RefusedError
from hdinfra.operate.replace_host import next_steps
from tests.model import hardware_specs as hardware
from tests.model.legal import Data, setting
from tests.model.refused import RefusalCase, refusals
from tests.model.refused_replacement import REPLACEMENT, WISH
from tests.model.refused_replacement import moved as case

ANY_HOST = st.sampled_from(["web-1", "web-2", "edge-1", "edge-2"])
AT_ANY_PRICE = BY_LEAVE
LAST = setting("spares", ["iron-5"])


@settings(deadline=None)
@given(ANY_HOST, st.booleans())
def test_the_identity_stays_and_the_server_changes(host: str, old_is_well: bool) -> None:
    before, wish = hardware.spec_of(), Wish(host, "iron-5", old_is_well, AT_ANY_PRICE)
    was = {one.name: one for one in before.hosts}
    decision, after = decide(before, wish), moved(before, wish)
    for one in after.hosts:
        kept = was[one.name].model_copy(update={"server": one.server})
        assert one == kept
        assert (one.server == was[one.name].server) == (one.name != host)
    assert after.model_copy(update={"hosts": before.hosts, "spares": before.spares}) == before
    assert len({one.server for one in after.hosts} | set(after.spares)) == len(after.hosts) + len(after.spares)
    assert (decision.old in after.spares) == old_is_well
    assert decision.spares == after.spares


@settings(deadline=None)
@given(ANY_HOST)
def test_the_spare_is_installed_under_the_name_with_its_own_disks_and_ports(host: str) -> None:
    before = hardware.spec_of()
    plan = decide(before, Wish(host, "iron-5", in_spite_of=AT_ANY_PRICE)).plan
    was = server_plan(inventory_of(before), host)
    assert (plan.name, plan.network, plan.swap_mib, plan.bonding) == (host, was.network, was.swap_mib, was.bonding)
    assert [disk.serial for disk in plan.disks] == ["S64FNE0R802501", "S64FNE0R802502"]
    assert [link.mac for link in plan.links] == ["0c:42:a1:00:05:00", "0c:42:a1:00:05:01"]
    assert not {disk.serial for disk in plan.disks} & {disk.serial for disk in was.disks}


@settings(deadline=None)
@given(ANY_HOST, st.booleans())
def test_the_same_wish_again_is_done_already(host: str, old_is_well: bool) -> None:
    wish = Wish(host, "iron-5", old_is_well, AT_ANY_PRICE)
    after = moved(hardware.spec_of(), wish)
    again = decide(after, wish)
    assert again.is_done
    assert moved(after, wish) == after


def test_that_there_is_a_spare_less_is_told_and_not_refused() -> None:
    decision = decide(hardware.spec_of(LAST), WISH)
    assert [one.rule for one in decision.weaker] == ["spare.per-model-and-site"]
    assert decide(hardware.spec_of(LAST), Wish("web-2", "iron-5", old_is_well=True)).weaker == ()


@pytest.mark.parametrize("one", [one for one in REPLACEMENT if one.rule in BY_LEAVE], ids=lambda one: one.rule)
def test_what_may_be_set_aside_is_named_by_the_refusal(one: RefusalCase) -> None:
    assert f"--in-spite-of {one.rule}" in refusals(one.refuse)[0].fix


def test_a_rule_set_aside_lets_the_host_move() -> None:
    decision = decide(hardware.spec_of(LAST), Wish("web-1", "iron-5", in_spite_of=frozenset({"replace.weaker"})))
    assert {one.rule for one in decision.weaker} == {"placement.spread-racks", "spare.per-model-and-site"}


def test_no_leave_opens_what_would_do_harm() -> None:
    harmful = case("replace.disks", "with", setting("servers.4.disks.1.size_mib", 400_000))
    assert refusals(harmful.refuse)
    with pytest.raises(RefusedError):
        decide(
            hardware.spec_of(setting("servers.4.disks.1.size_mib", 400_000)),
            Wish("web-2", "iron-5", in_spite_of=AT_ANY_PRICE | {"replace.disks"}),
        )


@pytest.mark.parametrize(
    ("serving", "allowed"),
    [
        (None, True),
        (set(), True),
        ({"web-1"}, True),
        ({"web-1", "web-2"}, True),
        ({"web-2"}, False),
        ({"web-2", "edge-1", "edge-2"}, False),
    ],
    ids=["unknown", "nobody", "the other", "both", "it alone", "it alone of its service"],
)
def test_the_last_that_serves_stays(serving: set[str] | None, allowed: bool) -> None:
    wish = Wish("web-2", "iron-5", serving=None if serving is None else frozenset(serving))
    if allowed:
        assert not decide(hardware.spec_of(), wish).is_done
    else:
        assert [one.rule for one in refusals(lambda: decide(hardware.spec_of(), wish))] == ["replace.still-needed"]


@pytest.mark.parametrize(
    ("wish", "near"), [(Wish("web2", "iron-5"), "`web-2`"), (Wish("web-2", "iorn-5"), "`iron-5`")], ids=str
)
def test_an_unknown_name_is_told_with_its_nearest(wish: Wish, near: str) -> None:
    fixes = [one.fix for one in refusals(lambda: decide(hardware.spec_of(), wish))]
    assert len(fixes) == 1
    assert fixes[0].startswith(f"name one of {near}")


def test_everything_is_refused_at_once() -> None:
    changes = (setting("servers.4.model", "R350"), setting("servers.4.disks.0.size_mib", 400_000))
    found = refusals(lambda: decide(hardware.spec_of(*changes), Wish("web-1", "iron-5", serving=frozenset({"web-1"}))))
    rules = {"replace.disks", "replace.model", "replace.still-needed", "replace.weaker"}
    assert {one.rule for one in found} == rules


def test_a_broken_inventory_does_not_hinder_a_replacement() -> None:
    """Something is broken elsewhere as well: that is no reason to leave this host where it is."""
    broken = hardware.spec_of(setting("servers.0.psus.1.feed", "a1-red"))
    assert decide(broken, WISH).new == "iron-5"
    assert decide(broken, WISH).plan.network.ipv4 == IPv4Interface("192.0.2.12/24")


def test_cables_of_batteries_that_move_along_are_named() -> None:
    def watch(data: Data) -> None:
        data["upss"][0]["nut"] = {"host": "web-2", "low_seconds": 600}
        data["upss"][1]["nut"] = {"host": "edge-2", "low_seconds": 600}

    decision = decide(hardware.spec_of(watch), WISH)
    assert decision.batteries == ("ups-red",)
    assert "plug the cable of `ups-red` into `iron-5`" in next_steps(decision, None)
