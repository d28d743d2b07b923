"""What the adapters of all clouds share: names that fit, options of one resource, and what a ground knows."""

from dataclasses import replace
from typing import Any

import pulumi
import pytest

from hdinfra.clouds.cloud import Ground, Scope
from hdinfra.clouds.firewalls import families
from hdinfra.clouds.names import cut, ordinal_of
from hdinfra.clouds.options import extended
from tests.graph.specs import plan_of

SCOPE = Scope("shop", "live", "shop-live", "india")


@pytest.mark.parametrize("limit", [12, 24, 63])
def test_a_cut_name_fits_and_tells_wholes_apart(limit: int) -> None:
    text = "blr-" + "shop-" * 20
    one, other = cut(text, text, limit), cut(text, f"{text}2", limit)
    assert one != other
    assert one == cut(text, text, limit)
    assert all(len(name) <= limit and name.startswith("blr") and "--" not in name for name in (one, other))


def test_a_cut_name_ends_in_as_many_digits_as_asked() -> None:
    assert len(cut("blr-web", "blr-web", 63, digits=7).rpartition("-")[2]) == 7


def test_machines_are_counted_from_nought() -> None:
    machine = plan_of().machines[0]
    names = {"blr-web-1": 0, "blr-web-12": 11, "blr-bundles": 0}
    assert {name: ordinal_of(replace(machine, name=name)) for name in names} == names


def test_options_are_added_and_none_is_lost() -> None:
    first, second = (pulumi.Resource.__new__(pulumi.Resource) for _ in range(2))
    opts = extended(pulumi.ResourceOptions(depends_on=[first], protect=True), after=second, retain_on_delete=True)
    waited: Any = opts.depends_on
    assert (opts.protect, opts.retain_on_delete, waited) == (True, True, [first, second])


def test_families_are_networks_apart() -> None:
    assert families(["192.0.2.7", "2001:db8::/32", None, "10.0.0.0/8"]) == [
        ["10.0.0.0/8", "192.0.2.7/32"],
        ["2001:db8::/32"],
    ]
    assert families([]) == []


def test_a_ground_without_a_plan_has_no_place() -> None:
    cluster = plan_of().clusters[0]
    nobody: Any = None
    ground = Ground("blr", nobody, SCOPE, nobody, plan=cluster)
    assert ground.place is cluster
    with pytest.raises(ValueError, match="`blr` has no plan of its own"):
        _ = replace(ground, plan=None).place


def test_labels_of_a_stack_are_its_own() -> None:
    assert SCOPE.own_labels == {
        "hdinfra.project": "shop",
        "hdinfra.stack": "live",
        "hdinfra.namespace": "shop-live",
    }
