"""A Zone on Azure and one operator more under the real engine, with stand-ins for both: up, unchanged, and gone."""

import pytest

from tests.engine.conftest import EngineWorkspace
from tests.engine.test_clouds import CloudsStack, credentials  # noqa: F401  a fixture
from tests.graph.bases import BASES, Standing, stand

BASE = BASES["azure"]


@pytest.fixture(scope="module")
def standing(credentials: dict[str, str]) -> Standing:  # noqa: ARG001, F811  they are looked for
    """The same stack as a recorded graph."""
    return stand(BASE)


def test_up_then_nothing_to_change_then_nothing_left(
    engine_workspace: EngineWorkspace,
    standing: Standing,
    credentials: dict[str, str],  # noqa: F811
) -> None:
    stack = CloudsStack(engine_workspace, standing, credentials)
    stack.write()
    stack.tell(BASE.data)
    engine_workspace.create_stack()
    assert f"+ {len(standing.graph.resources) + 1} created" in engine_workspace.up()
    assert stack.output("held")["images"] == standing.held.images
    # The next run has a token and an image's version that the first did not have.
    assert "unchanged" in engine_workspace.preview("--expect-no-changes")
    engine_workspace.destroy()
    assert engine_workspace.resources() == {}
    kept = {call["urn"].rpartition("::")[2] for call in engine_workspace.calls() if call["call"] == "Delete"}
    assert {"az-group", "az-even-1", "az-even-1-interface"} <= kept
    assert not {"az-volumes", "az-even-1-volume"} & kept
