"""A Zone with IBM Cloud in it under the real engine, its provider a package that is made of another one's plugin."""

import json
from pathlib import Path

import pytest

from hdinfra.sdks.ibm import package
from tests.engine.conftest import EngineWorkspace
from tests.engine.test_clouds import CloudsStack, assert_down, credentials  # noqa: F401  a fixture
from tests.graph.bases import BASES, SITE, Standing, stand

BASE = BASES["ibm"]
IBM = ("ibm-", "mad-")
"""What the names of everything on IBM Cloud start with."""


@pytest.fixture(scope="module")
def standing(credentials: dict[str, str]) -> Standing:  # noqa: ARG001, F811  they are looked for
    """The same stack as a recorded graph."""
    return stand(BASE)


@pytest.fixture
def stack(engine_workspace: EngineWorkspace, standing: Standing, credentials: dict[str, str]) -> CloudsStack:  # noqa: F811
    """Nothing yet."""
    found = CloudsStack(engine_workspace, standing, credentials)
    found.write()
    found.tell(BASE.data)
    engine_workspace.create_stack()
    return found


def test_a_zone_with_ibm_comes_up_follows_and_goes(stack: CloudsStack, standing: Standing) -> None:
    said = stack.workspace.up()
    assert f"+ {len(standing.graph.resources) + 1} created" in said
    told = [json.loads(call["urn"]) for call in stack.workspace.calls() if call["call"] == "Parameterize"]
    remote = {"remote": {"url": "registry.opentofu.org/ibm-cloud/ibm", "version": package.VERSION}}
    assert told and all(each == ["ibm", remote] for each in told)
    kept = {kind for kind in stack.kept() if not kind.startswith(("pulumi:pulumi:", "pulumi:providers:pulumi "))}
    assert kept == {f"{resource.type} {resource.name}" for resource in standing.graph.resources}
    assert stack.output("held")["images"] == standing.held.images
    _settled(stack)
    _one_provider_down(stack)
    stack.workspace.environment["STANDIN_DOWN"] = ""
    stack.tell(BASE.data)
    stack.workspace.destroy()
    assert stack.workspace.resources() == {}


def _settled(stack: CloudsStack) -> None:
    """In its second run the engine (3.250) writes the plugin's version over the package's in explicit providers of such
    a package: an update of those two alone, once. Then nothing changes."""
    stack.forget_calls()
    assert stack.steps() == {("update", "pulumi:providers:ibm", f"{name}provider") for name in IBM}
    stack.workspace.up()
    assert stack.touched() == set()
    assert "unchanged" in stack.workspace.preview("--expect-no-changes")


def _one_provider_down(stack: CloudsStack) -> None:
    """The others follow a new site; of what stands on IBM Cloud nothing is deleted, replaced or forgotten."""
    before = stack.kept()
    Path(stack.workspace.environment["STANDIN_LOG"]).unlink()
    data = json.loads(json.dumps(BASE.data))
    data["instances"][0]["tenants"][0]["sites"] = [{**SITE, "host": "new.acme.example"}]
    stack.tell(data)
    stack.workspace.environment["STANDIN_DOWN"] = "ibm"
    stack.workspace.up("--refresh", *(word for name in IBM for word in ("--exclude", f"**::{name}*")))
    after = stack.kept()
    touched = {name for _, name in stack.touched()}
    assert "instance-web-policy" in touched and not any(name.startswith(IBM) for name in touched)
    theirs = {name: kept for name, kept in before.items() if name.partition(" ")[2].startswith(IBM)}
    assert len(theirs) > 40
    assert {name: after.get(name) for name in theirs} == theirs
    assert before.keys() == after.keys()
    assert_down(stack, "ibm")
