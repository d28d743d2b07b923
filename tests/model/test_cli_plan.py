"""`hdinfra plan` and everything about the command line that needs no engine."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from hdinfra.model.held_file import load_held
from hdinfra.model.refusal import RefusedError
from hdinfra.operate import cli
from hdinfra.operate.decide import decide, decide_again, keep
from hdinfra.operate.drills.catalogue import DRILLS
from hdinfra.operate.engine import Deployed, Engine
from hdinfra.operate.errors import EngineError
from hdinfra.operate.workspace import open_workspace

CHECKOUT = Path(__file__).parents[2]
VERBS = (
    *(
        ["plan"],
        ["up"],
        ["down"],
        ["status"],
        ["env"],
        ["bundle"],
        ["graph"],
        ["drill", "cluster-loss"],
        ["drill", "bad-policy"],
    ),
    *(["drill", name] for name in (*DRILLS, "all")),
    *(["policy", verb] for verb in ("show", "diff", "history", "rollback", "release")),
    *(["site", verb] for verb in ("add", "remove", "mode", "list")),
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkout's own project without its state; the current folder is inside it."""
    shutil.copy(CHECKOUT / "Pulumi.yaml", tmp_path)
    (tmp_path / "stacks").mkdir()
    shutil.copy(CHECKOUT / "stacks" / "local.yaml", tmp_path / "stacks")
    monkeypatch.chdir(tmp_path / "stacks")
    return tmp_path


def edit(project: Path, **changes: object) -> None:
    """Write the spec anew with these top-level keys."""
    path = project / "stacks" / "local.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **changes}))


def files(project: Path) -> set[str]:
    """Every file of the project."""
    return {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_explains_itself_with_an_example(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*verb, "--help"]) == 0
    told = capsys.readouterr().out
    assert "Example" in told
    assert "--stack" in told


@pytest.mark.parametrize(
    "wrong",
    [
        ["nonsense"],
        ["plan", "--nonsense"],
        ["drill", "cluster-loss"],
        ["site", "add", "x.test"],
        ["policy", "rollback"],
        [],
    ],
    ids=str,
)
def test_wrong_use_ends_with_two(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(wrong) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_plan_as_json_is_the_whole_plan_and_nothing_else(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(project)
    assert cli.run(["plan", "--json"]) == 0
    told = capsys.readouterr()
    plan = json.loads(told.out)
    assert told.err == ""
    assert [cluster["name"] for cluster in plan["clusters"]] == ["a", "b"]
    assert sorted(machine["role"] for machine in plan["machines"]) == [
        "bundle-store",
        *["control"] * 2,
        *["lab-origin"] * 2,
        *["load-balancer"] * 2,
        *["waf"] * 2,
    ]
    assert [(site["host"], site["mode"]) for site in plan["sites"]] == [
        ("blog.globex.test", "RECORD"),
        ("shop.acme.test", "MITIGATION"),
    ]
    assert plan["instances"] == [{"name": "web", "tenancy": "shared", "tenants": ["acme", "globex"], "machines": 2}]
    assert all(0 < row["bytes"] <= row["limit"] for row in plan["user_data"])
    assert plan["monthly_price"] > 0
    assert files(project) == before


def test_plan_for_people_names_machines_and_user_data(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["plan", "--directory", str(project)]) == 0
    told = capsys.readouterr().out
    for word in (
        "a-web-1",
        "b-web-1",
        "east-edge",
        "a-control-1",
        "shared",
        "acme, globex",
        "bundle-store",
        "http://127.0.0.1:8080",
        "16,384 B",
        "euro a month",
    ):
        assert word in told


def test_plan_says_what_each_clusters_and_places_provider_lacks(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(CHECKOUT / "stacks/europe.yaml", project / "stacks/europe.yaml")
    assert cli.run(["plan", "--stack", "europe", "--json"]) == 0
    lacks = json.loads(capsys.readouterr().out)["lacks"]
    assert lacks.keys() == {"aws-fra", "do-fra", "hz-nbg", "edge-dub", "edge-hel"}
    assert {name for name, features in lacks.items() if "flow-logs" in features} == {"do-fra", "hz-nbg", "edge-hel"}
    assert cli.run(["plan", "--stack", "europe"]) == 0
    said = capsys.readouterr().out
    assert "its provider lacks" in said and "flow-logs" in said


def test_bundles_lie_under_the_names_that_their_pins_have(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bundle", "public"]) == 0
    told = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert len(told) == len(list((project / "stacks" / "public").iterdir())) == 4
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.stem for path in told)


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("verb", [["status"], ["policy", "show"], ["policy", "diff"], ["drill", "bad-policy"]], ids=str)
def test_a_stack_that_never_was_up_is_told_with_what_brings_it_up(
    verb: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(verb) == 1
    told = capsys.readouterr().err
    assert "try: hdinfra up --stack local" in told
    assert "Traceback" not in told


def test_every_refusal_is_told_at_once(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(
        project,
        clusters=[{"name": "a", "provider": "local", "region": "lab-north"}],
        edge={"places": [{"name": "east", "provider": "local", "region": "lab-east"}]},
    )
    assert cli.run(["plan", "--json"]) == 2
    told = capsys.readouterr()
    refusals = json.loads(told.out)["refusals"]
    assert {"instance.two-clusters", "edge.two-operators"} <= {refusal["rule"] for refusal in refusals}
    assert all(list(refusal) == ["rule", "path", "message", "fix"] for refusal in refusals)
    assert told.err.count("  fix: ") == len(refusals)
    assert "Traceback" not in told.err


@pytest.mark.parametrize("host", ["a\nb.test", 'x".test', "x;y.test", "{x}.test", "ü.test", f"{'x' * 300}.test"])
def test_a_hostile_host_is_refused_before_anything_exists(
    project: Path, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    spec = yaml.safe_load((project / "stacks" / "local.yaml").read_text())
    spec["instances"][0]["tenants"][0]["sites"][0]["host"] = host
    edit(project, instances=spec["instances"])
    before = files(project)
    assert cli.run(["up"]) == 2
    assert "instances[0].tenants[0].sites[0].host" in capsys.readouterr().err
    assert files(project) == before


@pytest.mark.usefixtures("project")
def test_a_spec_that_is_missing_is_told_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["plan", "--stack", "nowhere"]) == 2
    told = capsys.readouterr().err
    assert "nowhere.yaml" in told
    assert "Traceback" not in told


def test_outside_a_project_exit_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["plan"]) == 1
    assert "Pulumi.yaml" in capsys.readouterr().err


def test_what_is_held_stays_until_it_is_chosen_anew(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = project / "stacks" / "local.lock.yaml"
    held_web = {"clusters": ["a", "b"], "machines_per_cluster": 1, "size": "local-2g"}
    lock.write_text(yaml.safe_dump({"serial": 7, "slots": {"a-web-1": 77}, "instances": {"web": held_web}}))
    assert cli.run(["plan", "--json"]) == 0
    kept = _web_of(json.loads(capsys.readouterr().out))
    assert (kept["size"], kept["private"][0].rpartition(".")[2]) == ("local-2g", "77")
    assert cli.run(["plan", "--json", "--rechoose"]) == 0
    anew = json.loads(capsys.readouterr().out)
    assert _web_of(anew)["size"] != "local-2g"
    assert _web_of(anew)["private"] == kept["private"]
    assert (anew["serial"], yaml.safe_load(lock.read_text())["serial"]) == (8, 8)


def _web_of(plan: dict[str, Any]) -> dict[str, Any]:
    return next(machine for machine in plan["machines"] if machine["name"] == "a-web-1")


def test_env_prints_exports_of_absolute_paths(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["env"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("export ") for line in lines)
    assert any(str(project / ".state" / "passphrase") in line for line in lines)


def test_what_is_deployed_is_planned_with_unless_it_was_decided_already(project: Path) -> None:
    workspace = open_workspace(project, "local")
    first = decide(workspace, None)
    same = first.plan.held.model_dump(mode="json")
    newer = same | {"serial": 9, "slots": {**same["slots"], "a-web-1": 99}}
    assert decide_again(workspace, first, None) is first
    assert decide_again(workspace, first, _deployed(same)) is first
    again = decide_again(workspace, first, _deployed(newer))
    assert (again.plan.held.serial, again.plan.held.slots["a-web-1"]) == (9, 99)
    assert "older than what is deployed" in again.notes[0]


STANDS = {"type": "hdlocal:index:Machine", "urn": "urn:pulumi:local::hdinfra::x::a-web-1"}
MOVES = {
    "cluster.place-kept": ("clusters", 0, {"region": "lab-coast"}),
    "cluster.network-kept": ("clusters", 0, {"ipv4": "192.168.64.0/21"}),
    "zone.name-kept": (None, 0, {"zone": "elsewhere"}),
    "instance.owner-kept": ("instances", 0, {"tenancy": "dedicated"}),
}


@pytest.fixture
def moved(project: Path, request: pytest.FixtureRequest) -> Path:
    """A project whose lock file says that it stands, and whose spec goes elsewhere; its engine has a state."""
    edit(project, instances=[{"name": "web", "capacity": 1, "tenants": [{"name": "acme"}]}])
    workspace = open_workspace(project, "local")
    keep(workspace, decide(workspace, None).plan.held)
    workspace.prepare()
    key, index, changes = MOVES[request.param]
    spec = yaml.safe_load((project / "stacks" / "local.yaml").read_text())
    (spec[key][index] if key else spec).update(changes)
    edit(project, **spec)
    return project


def engine_knows(monkeypatch: pytest.MonkeyPatch, state: Deployed | Exception | None) -> None:
    """What it answers when it is asked what is deployed."""

    def answer(_: Engine) -> Deployed | None:
        if isinstance(state, Exception):
            raise state
        return state

    monkeypatch.setattr(Engine, "deployed", answer)


@pytest.mark.parametrize("moved", MOVES, indirect=True)
@pytest.mark.parametrize("state", [None, Deployed({"deployment": {"resources": []}})], ids=["gone", "empty"])
def test_a_stack_that_is_down_may_come_up_elsewhere(
    moved: Path, state: Deployed | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine_knows(monkeypatch, state)
    workspace = open_workspace(moved, "local")
    decision = decide(workspace, None)
    assert "stack `local` is down" in decision.notes[-1]
    before = load_held(workspace.lock_file)
    assert before is not None
    assert (decision.plan.held.slots, decision.plan.held.serial) == (before.slots, before.serial + 1)
    keep(workspace, decision.plan.held)
    engine_knows(monkeypatch, Deployed({"deployment": {"resources": [STANDS]}}))
    assert decide(workspace, None).notes == ()  # it stands there now


@pytest.mark.parametrize("moved", MOVES, indirect=True)
@pytest.mark.parametrize(
    "state",
    [
        Deployed({"deployment": {"resources": [STANDS]}}),
        Deployed({"deployment": {"pending_operations": [{"resource": STANDS, "type": "creating"}]}}),
        EngineError("The state of `local` cannot be read: no credentials"),
    ],
    ids=["up", "half up", "unknown"],
)
def test_what_may_be_up_stays_where_it_is(
    moved: Path, state: Deployed | Exception, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine_knows(monkeypatch, state)
    with pytest.raises(RefusedError) as refused:
        decide(open_workspace(moved, "local"), None)
    assert {refusal.rule for refusal in refused.value.refusals} == {request.node.callspec.params["moved"]}


@pytest.mark.parametrize("moved", ["cluster.place-kept"], indirect=True)
def test_without_the_engines_state_nobody_knows_that_it_is_down(moved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine_knows(monkeypatch, None)
    shutil.rmtree(moved / ".state")
    with pytest.raises(RefusedError, match=r"cluster\.place-kept"):
        decide(open_workspace(moved, "local"), None)


@pytest.mark.parametrize("moved", ["cluster.place-kept"], indirect=True)
def test_what_else_is_wrong_with_the_spec_is_told_of_a_stack_that_is_down(
    moved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine_knows(monkeypatch, None)
    edit(moved, control={"clusters": ["nowhere"]})
    with pytest.raises(RefusedError) as refused:
        decide(open_workspace(moved, "local"), None)
    rules = {refusal.rule for refusal in refused.value.refusals}
    assert rules and "cluster.place-kept" not in rules


def _deployed(held: dict[str, Any]) -> Deployed:
    stack = {"type": "pulumi:pulumi:Stack", "urn": "urn:pulumi:local::hdinfra::x::y", "outputs": {"held": held}}
    return Deployed({"deployment": {"resources": [stack]}})
