"""A server's plan is refused before anything is written, with all that is wrong with it."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hdinfra.model.checks.server import planned_server, server_remarks
from hdinfra.model.server import Disk
from tests.model.refused import refusals
from tests.model.refused_server import LEGAL, ONE, A


def test_a_legal_one_is_kept_as_it_is() -> None:
    fits = replace(LEGAL, name="r" * 26, disks=(Disk("A1", 9_730), Disk("B2", 9_730)))
    assert planned_server(LEGAL) is LEGAL and planned_server(fits) is fits


def test_all_is_said_at_once_and_what_is_needed_is_named() -> None:
    small = replace(LEGAL, disks=(Disk("A1", 100), A), links=(ONE,))
    found = refusals(lambda: planned_server(small))
    assert {one.rule for one in found} == {"raid.disk-too-small", "raid.same-disk-twice", "network.two-links"}
    assert "9,730 MiB" in next(one.message for one in found if one.rule == "raid.disk-too-small")


@given(st.lists(st.integers(10_000, 1_000_000), min_size=2, max_size=4))
def test_unequal_disks_are_taken_and_said(sizes: list[int]) -> None:
    disks = tuple(Disk(f"S{number}", mib) for number, mib in enumerate(sizes))
    plan = planned_server(replace(LEGAL, disks=disks[:2], spare_disks=disks[2:]))
    remarks = server_remarks(plan)
    assert plan.disk_mib == min(sizes)
    assert len(remarks) == (min(sizes) != max(sizes))
    assert all(f"uses {min(sizes):,} MiB of each" in remark for remark in remarks)
