"""`hdinfra policy`: what is served, what `up` would change, and the way back, against API machines over real TLS."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hdinfra.model.spec_file import load_spec
from hdinfra.operate import cli
from hdinfra.operate.control import Control, alarms_of, control_of
from hdinfra.operate.documents import Planned, planned_documents
from hdinfra.operate.engine import Deployed, Engine
from hdinfra.operate.errors import ControlError, WorkspaceError
from hdinfra.operate.policy import diff_scopes, history, list_releases, resume, roll_back, show_scope
from hdinfra.planning import planned
from tests.model.policy_zone import (
    MEMBERS,
    SCOPE,
    TOKEN,
    Fleet,
    StackKeys,
    WholeApi,
    control_of_apis,
    document,
    release,
    site,
    state_of,
)

CHECKOUT = Path(__file__).parents[2]
ONE = document(site("shop.acme.test"))
TWO = document(site("shop.acme.test", mode="MITIGATION"), site("blog.acme.test"))
NOBODY = {"name": "a-control-1", "address": "127.0.0.1", "port": 1}


@pytest.fixture
def fleet(keys: StackKeys) -> Fleet:
    """Three machines at release 2 of the web Instance."""
    made = Fleet(keys)
    made.endow(release(1, ONE), release(2, TWO))
    return made


@pytest.fixture
def silent(keys: StackKeys) -> Iterator[Control]:
    """The operator's side of API machines that are all gone."""
    with control_of_apis(keys, NOBODY) as opened:
        yield opened


def quiet(_: str) -> None:
    """Nobody listens."""


def test_keys_and_endpoints_come_from_the_state_and_no_secret_is_shown(keys: StackKeys) -> None:
    deployed = state_of(keys, NOBODY)
    with control_of(deployed, "local") as control:
        assert (control.keys.signing, control.keys.admin_token) == (keys.signing, TOKEN)
        shown = f"{control!r} {deployed!r}"
    assert "a-control-1" in shown
    assert keys.signing not in shown
    assert TOKEN not in shown


@pytest.mark.parametrize("lacking", ["stack", "output", "keys", "endpoints"])
def test_a_stack_without_a_management_api_says_what_makes_one(keys: StackKeys, lacking: str) -> None:
    endpoints = () if lacking == "endpoints" else (NOBODY,)
    deployed: Deployed | None = state_of(keys, *endpoints)
    assert deployed is not None
    if lacking == "output":
        deployed.resources[0]["outputs"].pop("control")
    if lacking == "keys":
        deployed.raw["deployment"]["resources"].pop()
    with pytest.raises(WorkspaceError, match="no management API") as told:
        control_of(None if lacking == "stack" else deployed, "india")
    assert told.value.retry == "hdinfra up --stack india"


def test_one_api_machine_is_enough(keys: StackKeys, apis: list[WholeApi]) -> None:
    with control_of_apis(keys, NOBODY, apis[1].endpoint) as control:
        assert [one["number"] for one in list_releases(control)] == [2]
        assert sorted(control.machines()) == sorted(MEMBERS)


def test_with_none_left_it_says_what_still_runs(silent: Control) -> None:
    for ask in (silent.machines, silent.releases, silent.alarms, lambda: silent.standing(SCOPE)):
        with pytest.raises(ControlError, match="No API machine answers") as told:
            ask()
        assert "last policy" in told.value.running


def test_a_refusal_is_told_in_the_apis_own_words(keys: StackKeys, apis: list[WholeApi]) -> None:
    stranger = StackKeys(signing=keys.signing, root=keys.root)
    with control_of_apis(stranger, apis[0].endpoint) as control:
        apis[0].answer = lambda *_: (403, {"error": "role.missing", "message": "SYSTEM only"})  # type: ignore[method-assign]
        with pytest.raises(ControlError, match=r"role\.missing: SYSTEM only"):
            control.releases()


def test_of_two_words_the_later_counts(control: Control, apis: list[WholeApi]) -> None:
    def told(seen: float, number: int) -> Any:
        return lambda *_: (200, {"machines": [{"name": "a-web-1", "number": number, "seen_seconds": seen}]})

    apis[0].answer, apis[1].answer = told(9.0, 1), told(0.5, 2)  # type: ignore[method-assign]
    assert control.machines()["a-web-1"]["number"] == 2


def test_alarms_are_told_once_and_are_best_effort(keys: StackKeys, apis: list[WholeApi]) -> None:
    alarm = {"at": 5, "code": "machine.two-keys", "machine": "a-web-1", "message": "two keys"}
    apis[0].alarms, apis[1].alarms = [alarm], [{**alarm, "at": 7}]
    assert alarms_of(state_of(keys, *(api.endpoint for api in apis)), "local") == [alarm]
    assert alarms_of(state_of(keys, NOBODY), "local") == []
    assert alarms_of(None, "local") == []


def test_a_scope_is_shown_with_what_the_api_owns(control: Control, fleet: Fleet) -> None:
    setting = {"host": "shop.acme.test", "values": {"mode": "BYPASS"}, "author": "ada", "at": 1_790_000_000}
    fleet.settings = [{**setting, "number": 1, "api": "a-control-1", "state": "served", "reason": ""}]
    told = show_scope(control, SCOPE)
    assert (told["release"]["number"], told["document"], len(told["settings"])) == (2, TWO, 1)


def test_an_unknown_scope_is_told_with_those_there_are(control: Control) -> None:
    with pytest.raises(ControlError, match="instance-nowhere") as told:
        show_scope(control, "instance-nowhere")
    assert SCOPE in told.value.retry


def test_diff_tells_changes_newcomers_what_is_kept_and_what_is_gone(control: Control, fleet: Fleet) -> None:
    setting = {"host": "blog.acme.test", "values": {"mode": "BYPASS"}, "author": "ada", "at": 1_790_000_000}
    fleet.settings = [{**setting, "state": "served", "reason": ""}]
    fleet.endow(release(1, ONE, scope="lab-old"))
    wanted = document(site("shop.acme.test"), site("blog.acme.test"), site("new.acme.test"))
    scopes = {SCOPE: Planned(wanted, MEMBERS | {"b-web-2": "b"}), "edge": Planned({"app": "waf", "sites": []}, {})}
    found = {diff.scope: diff for diff in diff_scopes(control, scopes)}
    assert list(found) == ["edge", SCOPE, "lab-old"]
    assert found["edge"].changes[0] == "is new"
    assert found[SCOPE].changes == (
        "site new.acme.test: added",
        "site shop.acme.test: mode MITIGATION -> RECORD",
        "machine b-web-2 joins",
    )
    assert [line.startswith("kept: blog.acme.test mode is BYPASS") for line in found[SCOPE].kept] == [True]
    assert found["lab-old"].changes == ("is in the plan no more",)


def test_no_change_is_no_difference(control: Control) -> None:
    (diff,) = diff_scopes(control, {SCOPE: Planned(TWO, MEMBERS)})
    assert (diff.changes, diff.kept, diff.number) == ((), (), 2)


def test_history_is_newest_first_with_what_each_changed(control: Control, fleet: Fleet) -> None:
    fleet.endow(release(3, ONE, rollback_of=2, released=("a-web-1",)))
    told = history(control, SCOPE)
    assert [(one["number"], one["rollback_of"], one["whole"]) for one in told] == [
        (3, 2, False),
        (2, None, True),
        (1, None, True),
    ]
    assert "site blog.acme.test: removed" in told[0]["changes"]
    assert "site blog.acme.test: added" in told[1]["changes"]
    assert told[2]["changes"] == []


def test_a_rollback_is_a_new_number_that_meets_its_canary_first(control: Control, fleet: Fleet) -> None:
    outcome = roll_back(control, SCOPE, None, quiet)
    assert (outcome.number, outcome.serving) == (3, True)
    newest = fleet.releases(SCOPE)[0]
    assert (newest.document, newest.rollback_of, newest.whole) == (ONE, 2, True)
    stages = list(dict.fromkeys(fleet.published))
    assert stages == [
        (3, ("a-web-1",)),
        (3, ("a-web-1", "a-web-2")),
        (3, ("a-web-1", "a-web-2", "b-web-1")),
    ]


def test_a_second_rollback_goes_to_a_named_release_only(control: Control, fleet: Fleet) -> None:
    roll_back(control, SCOPE, None, quiet)
    with pytest.raises(ControlError, match="no other good release") as told:
        roll_back(control, SCOPE, None, quiet)
    assert "one of: 2, 1" in told.value.retry
    assert roll_back(control, SCOPE, 2, quiet).number == 4
    assert fleet.releases(SCOPE)[0].document == TWO


@pytest.mark.parametrize("to", [2, 9])
def test_a_release_that_is_no_older_one_is_no_way_back(control: Control, fleet: Fleet, to: int) -> None:
    with pytest.raises(ControlError, match=f"no release {to} before it"):
        roll_back(control, SCOPE, to, quiet)
    assert fleet.published == []


def test_a_rollback_that_the_canary_refuses_is_taken_back_with_its_words(control: Control, fleet: Fleet) -> None:
    for machine in fleet.machines.values():
        machine.refuses = lambda said: "nginx: [emerg] no such thing" if said == ONE else ""
    with pytest.raises(ControlError, match="no such thing") as told:
        roll_back(control, SCOPE, None, quiet)
    assert "release 4" in told.value.running
    assert fleet.releases(SCOPE)[0].document == TWO
    assert {machine.number for machine in fleet.machines.values()} == {4}


def test_what_stands_at_its_canary_goes_on(control: Control, fleet: Fleet) -> None:
    fleet.endow(release(3, ONE, released=("a-web-1",)))
    assert {name: machine.number for name, machine in fleet.machines.items()} == {
        "a-web-1": 3,
        "a-web-2": 2,
        "b-web-1": 2,
    }
    outcome = resume(control, SCOPE, quiet)
    assert (outcome.number, outcome.serving) == (3, True)
    assert {machine.number for machine in fleet.machines.values()} == {3}


def test_what_is_out_already_does_not_go_on(control: Control, fleet: Fleet) -> None:
    with pytest.raises(ControlError, match="nothing stands still"):
        resume(control, SCOPE, quiet)
    assert fleet.published == []


def test_every_scope_of_a_plan_has_its_document_and_machines() -> None:
    found = planned_documents(planned(load_spec(CHECKOUT / "stacks" / "local.yaml")))
    assert sorted(found) == ["control", "edge", "instance-web", "lab-acme-shop", "lab-globex-blog"]
    assert found["instance-web"].members == {"a-web-1": "a", "b-web-1": "b"}
    assert [one["host"] for one in found["edge"].document["sites"]] == ["blog.globex.test", "shop.acme.test"]
    assert found["lab-acme-shop"].document["hosts"] == ["shop.acme.test"]
    assert found["control"].document["callers"]


@pytest.fixture
def project(keys: StackKeys, apis: list[WholeApi], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project whose stack's state names the API machines."""
    root = tmp_path / "project"
    (root / "stacks").mkdir(parents=True)
    shutil.copy(CHECKOUT / "Pulumi.yaml", root)
    shutil.copy(CHECKOUT / "stacks" / "local.yaml", root / "stacks")
    state = state_of(keys, *(api.endpoint for api in apis))
    monkeypatch.setattr(Engine, "deployed_with_secrets", lambda _: state)
    monkeypatch.chdir(root)
    yield root


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("verb", "words"),
    [
        (["show"], [SCOPE, "all 3"]),
        (["show", SCOPE], ["shop.acme.test", "MITIGATION", "release 2"]),
        (["history", SCOPE], ["site blog.acme.test: added"]),
        (["diff"], ["edge (no release yet)", "site blog.globex.test: added", "machine a-web-2 leaves"]),
        (["rollback", SCOPE], ["release 3 is served by all its machines"]),
    ],
    ids=" ".join,
)
def test_every_verb_has_a_face_for_people_and_one_for_programs(
    verb: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["policy", *verb]) == 0
    told = capsys.readouterr().out
    assert [word for word in words if word not in told] == []
    if verb[0] != "rollback":
        assert cli.run(["policy", *verb, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("project")
def test_a_machine_that_does_not_follow_ends_with_one_and_is_named(
    fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = fleet.machines["b-web-1"]
    gone.seen_seconds, gone.sync = 3600.0, lambda _: None  # type: ignore[method-assign]
    assert cli.run(["policy", "rollback", SCOPE, "--json"]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out) == {
        "scope": SCOPE,
        "number": 3,
        "serving": False,
        "silent": ["b-web-1"],
        "lagging": {},
    }
    assert TOKEN not in told.err


@pytest.mark.usefixtures("project")
def test_nothing_to_release_ends_with_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["policy", "release", SCOPE]) == 1
    assert "nothing stands still" in capsys.readouterr().err
