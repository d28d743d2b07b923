"""Zones over three clouds under the real engine, with stand-ins for all of them: up, one of them down, and gone."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from hdinfra.sdks.ibm import package
from hdinfra.testing.credentials import dummy_credentials
from hdinfra.testing.recorder import CONTROL_PLANE
from tests.engine.conftest import EngineWorkspace
from tests.engine.test_stack_zone import ZoneStack
from tests.graph import upgrades
from tests.graph.answers import INVOKES, standin_outputs
from tests.graph.bases import BASES, SITE, WORLD, Standing, stand
from tests.graph.walk import Flipped
from tests.model.legal import Data

GROUNDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "europe": {"aws": ("aws", "dub"), "digitalocean": ("do",), "hcloud": ("hz", "hel")},
    "india": {"aws": ("aws", "hyd"), "digitalocean": ("do",), "linode": ("li", "bom")},
    "world": {"azure-native": ("az-iad", "edge-ams"), "gcp": ("gcp-sin", "edge-tyo"), "ibm": ("ibm-fra",)},
}
"""By Zone: Clusters and places by the package of their provider."""
PLUGINS = {"ibm": package.BRIDGE}
"""Of packages that another one's plugin becomes."""
STACKS = {**BASES, WORLD.name: WORLD}
DEEDS = ("create", "update", "replace", "delete")
SAMPLE = 2


class CloudsStack(ZoneStack):
    """The same program; the clouds answer what they answered when the graph was recorded."""

    def __init__(self, workspace: EngineWorkspace, standing: Standing, credentials: dict[str, str]) -> None:
        super().__init__(workspace)
        self.standing = standing
        used = {one.type.partition(":")[0] for one in standing.graph.resources if one.custom} - {"pulumi"}
        self.packages = tuple(sorted(PLUGINS.get(name, name) for name in used))
        answers = {token: answer({"family": "debian-13"}) for token, answer in INVOKES.items()}
        workspace.environment |= {**credentials, "STANDIN_INVOKES": json.dumps(answers)}

    def answer(self, generation: str) -> None:  # noqa: ARG002  a cloud's ids are new ones each time
        """By type and name."""
        outputs = standin_outputs(self.standing.graph, CONTROL_PLANE)
        self.workspace.environment["STANDIN_OUTPUTS"] = json.dumps(outputs)

    def tell(self, data: Data) -> None:
        """What the spec says from now on."""
        self.spec.write_text(yaml.safe_dump(data))

    def kept(self) -> dict[str, tuple[str, Any]]:
        """`type name` of all in the state to what a cloud would know: id and inputs."""
        state = json.loads(self.workspace.run("stack", "export", "--show-secrets"))["deployment"]["resources"]
        return {f"{one['type']} {_name(one['urn'])}": (one.get("id", ""), one.get("inputs")) for one in state}

    def steps(self) -> set[tuple[str, str, str]]:
        """(deed, type, name) of what the next update would do to what a provider realises."""
        planned = json.loads(self.workspace.run("preview", "--json"))["steps"]
        kinds = {step["urn"]: step["urn"].split("::")[2].rpartition("$")[2] for step in planned}
        return {
            (step["op"], kinds[step["urn"]], _name(step["urn"]))
            for step in planned
            if step["op"] in DEEDS and not kinds[step["urn"]].startswith(("hdinfra:", "pulumi:pulumi:"))
        }


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]


@pytest.fixture(scope="module")
def credentials() -> Iterator[dict[str, str]]:
    """Something that stands where credentials are looked for, here and in the engine's environment."""
    dummies = dummy_credentials("of this test")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in dummies.items():
            patch.setenv(name, value)
        yield dummies


@pytest.fixture(scope="module")
def standing(credentials: dict[str, str], request: pytest.FixtureRequest) -> Standing:  # noqa: ARG001  they are looked for
    """The same stack as a recorded graph."""
    return stand(STACKS[request.param])


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, standing: Standing) -> Path:
    """Where the stack that is up is kept, for the tests that begin with one."""
    return tmp_path_factory.mktemp(standing.base.name) / "kept"


each_zone = pytest.mark.parametrize("standing", GROUNDS, indirect=True)


@pytest.fixture
def deployed(
    engine_workspace: EngineWorkspace, shelf: Path, standing: Standing, credentials: dict[str, str]
) -> CloudsStack:
    """The Zone, up. The first run is done once and its files copied for each further test."""
    stack = CloudsStack(engine_workspace, standing, credentials)
    parts = [(engine_workspace.folder / name, shelf / name) for name in ("backend", "project")]
    if shelf.exists():
        for mine, kept in parts:
            shutil.copytree(kept, mine, dirs_exist_ok=True)
        stack.write()
        engine_workspace.run("stack", "select", "test")
        return stack
    stack.write()
    stack.tell(standing.base.data)
    engine_workspace.create_stack()
    said = engine_workspace.up()
    assert f"+ {len(standing.graph.resources) + 1} created" in said
    if package.BRIDGE in stack.packages:
        engine_workspace.up()  # the engine writes versions of IBM's providers anew, once (test_ibm.py)
    for mine, kept in parts:
        shutil.copytree(mine, kept)
    stack.forget_calls()
    return stack


@each_zone
def test_first_up_makes_all_and_the_next_preview_changes_nothing(deployed: CloudsStack, standing: Standing) -> None:
    kept = {kind for kind in deployed.kept() if not kind.startswith(("pulumi:pulumi:", "pulumi:providers:pulumi "))}
    assert kept == {f"{resource.type} {resource.name}" for resource in standing.graph.resources}
    assert deployed.output("held")["images"] == standing.held.images
    assert "unchanged" in deployed.workspace.preview("--expect-no-changes")


@pytest.mark.parametrize(
    ("standing", "dead"), [(zone, dead) for zone, grounds in GROUNDS.items() for dead in grounds], indirect=["standing"]
)
def test_one_provider_down(deployed: CloudsStack, standing: Standing, dead: str) -> None:
    """The others follow a new site; of what the dead one has, nothing is deleted, replaced or forgotten."""
    before = deployed.kept()
    data = json.loads(json.dumps(standing.base.data))
    theirs_are = GROUNDS[standing.base.name][dead]
    data["instances"][0]["tenants"][0]["sites"].append({**SITE, "host": "new.acme.example"})
    deployed.tell(data)
    deployed.workspace.environment["STANDIN_DOWN"] = dead
    deployed.workspace.up("--refresh", *(word for name in theirs_are for word in ("--exclude", f"**::{name}-*")))
    after = deployed.kept()
    first = f"instance-{data['instances'][0]['name']}-policy"
    assert deployed.touched() == {("Update", name) for name in (first, "edge-policy", "edge-certificates")}
    theirs = {name for name in before if name.partition(" ")[2].startswith(tuple(f"{one}-" for one in theirs_are))}
    assert len(theirs) > 10
    assert {name: after.get(name) for name in theirs} == {name: before[name] for name in theirs}
    assert before.keys() == after.keys()
    assert_down(deployed, dead)


def assert_down(stack: CloudsStack, dead: str) -> None:
    """It was: whoever leaves nothing out meets it. A name that no provider has would have failed nobody."""
    said = stack.workspace.run("preview", "--refresh", code=None)
    assert f"{dead} is down" in said, said


@each_zone
def test_destroy_leaves_nothing(deployed: CloudsStack) -> None:
    deployed.workspace.destroy()
    assert deployed.workspace.resources() == {}


def _sample(zone: str) -> list[Flipped]:
    """Of those that replace something, some; the whole list takes 20 s each, for people who ask for it."""
    record = json.loads((upgrades.FOLDER / f"{zone}.json").read_text())
    flips = [flip for flip in BASES[zone].flips() if "refused" not in record.get(flip.label, {})]
    if "HDINFRA_LONG" in os.environ:
        return flips
    replacing = [flip for flip in flips if "replace" in record.get(flip.label, {})]
    return sorted(replacing, key=lambda flip: hashlib.sha256(flip.label.encode()).digest())[:SAMPLE]


@pytest.mark.parametrize(
    ("standing", "flip"),
    [
        pytest.param(zone, flip, id=f"{zone}-{flip.label}")
        for zone in sorted(GROUNDS.keys() & BASES)
        for flip in _sample(zone)
    ],
    indirect=["standing"],
)
def test_the_engine_plans_what_the_graph_told(deployed: CloudsStack, standing: Standing, flip: Flipped) -> None:
    _, steps = standing.next(flip.data)
    deployed.tell(flip.data)
    assert deployed.steps() == {(step.deed, step.type, step.name) for step in steps}
