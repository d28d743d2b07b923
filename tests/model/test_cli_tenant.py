"""`hdinfra tenant` edits a spec as a careful person would, and takes no site away by accident."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdinfra.model.spec import HostingPlan
from hdinfra.operate import cli
from hdinfra.operate.errors import SpecEditError
from hdinfra.operate.tenant_edit import add_tenant, remove_tenant
from tests.model.test_cli_site import COMMENTED, data, lines_lost, spec_of


def tenants_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = spec["instances"][0]["tenants"]
    return found


@pytest.mark.parametrize("plan", [None, HostingPlan.X_LARGE])
def test_a_tenant_is_added_and_all_else_stays(plan: HostingPlan | None) -> None:
    after = add_tenant("initech", plan=plan)(COMMENTED)
    wanted = copy.deepcopy(data(COMMENTED))
    tenants_of(wanted).append({"name": "initech", **({"plan": plan.value} if plan else {})})
    assert data(after) == wanted
    assert lines_lost(COMMENTED, after) == []


@pytest.mark.parametrize("name", ["acme", "globex", "empty", "flat", "bare"])
def test_another_plan_changes_that_alone(name: str) -> None:
    after = add_tenant(name, plan=HostingPlan.FREE)(COMMENTED)
    wanted = copy.deepcopy(data(COMMENTED))
    next(one for one in tenants_of(wanted) if one["name"] == name)["plan"] = "free"
    assert data(after) == wanted
    assert data(add_tenant(name, plan=HostingPlan.LARGE)(after)) != wanted
    assert add_tenant(name)(after) == after


@pytest.mark.parametrize("name", ["acme", "globex"])
def test_a_tenant_with_sites_is_removed_only_with_them(name: str) -> None:
    with pytest.raises(SpecEditError, match=rf"`{name}` has 2 sites") as told:
        remove_tenant(name)(COMMENTED)
    assert "--with-sites" in told.value.retry
    after = remove_tenant(name, with_sites=True)(COMMENTED)
    wanted = copy.deepcopy(data(COMMENTED))
    wanted["instances"][0]["tenants"] = [one for one in tenants_of(wanted) if one["name"] != name]
    assert data(after) == wanted


@settings(deadline=None)  # YAML on a busy machine
@given(st.lists(st.sampled_from(["on", "a-b", "n0", "initech"]), unique=True, min_size=1))
def test_what_was_added_can_be_removed_again(names: list[str]) -> None:
    text = COMMENTED
    for name in names:
        text = add_tenant(name)(text)
    for name in names:
        text = remove_tenant(name)(text)
    assert text == COMMENTED


def test_an_unknown_tenant_is_told_with_those_there_are() -> None:
    with pytest.raises(SpecEditError, match="no tenant `gone`") as told:
        remove_tenant("gone")(COMMENTED)
    assert "acme, globex, empty" in told.value.retry


def test_a_tenant_of_two_instances_is_removed_from_the_one_that_is_named() -> None:
    text = """\
zone: z
instances:
  - name: a
    tenants:
      - name: acme
  - name: b
    tenants:
      - name: acme
"""
    with pytest.raises(SpecEditError, match="several Instances") as told:
        remove_tenant("acme")(text)
    assert "a, b" in told.value.retry
    assert data(remove_tenant("acme", "b")(text))["instances"] == [
        {"name": "a", "tenants": [{"name": "acme"}]},
        {"name": "b", "tenants": []},
    ]


def test_the_commands_write_list_and_remove(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = spec_of(project)
    assert cli.run(["tenant", "add", "initech", "--plan", "free", "--no-up"]) == 0
    assert lines_lost(before, spec_of(project)) == []
    capsys.readouterr()
    assert cli.run(["tenant", "list", "--json"]) == 0
    listed = {one["tenant"]: one for one in json.loads(capsys.readouterr().out)["tenants"]}
    assert (listed["initech"]["memory_mib"], listed["initech"]["backup_days"]) == (256, 3)
    assert (listed["acme"]["plan"], listed["acme"]["sites"]) == ("small", ["shop.acme.test"])
    assert cli.run(["tenant", "list"]) == 0
    assert "256 MiB" in capsys.readouterr().out
    assert cli.run(["tenant", "remove", "initech", "--no-up"]) == 0
    assert spec_of(project) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["add", "../etc"], "spec.type"),
        (["add", "A_b"], "spec.type"),
        (["add", "x" * 33], "spec.type"),
        (["add", "a\nplan: x-large"], "spec.type"),
        (["remove", "acme"], "--with-sites"),
        (["remove", "gone"], "acme"),
    ],
)
def test_what_cannot_be_had_ends_with_two_and_the_file_stays(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    before = spec_of(project)
    assert cli.run(["tenant", *arguments, "--no-up"]) == 2
    assert words in capsys.readouterr().err
    assert spec_of(project) == before
