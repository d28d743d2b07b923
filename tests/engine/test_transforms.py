"""What is declared can be changed as docs/clouds.md says, under the real engine: the changed inputs arrive."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hdinfra.testing.credentials import dummy_credentials
from hdinfra.testing.recorder import CONTROL_PLANE
from tests.engine.conftest import EngineWorkspace
from tests.graph.answers import INVOKES, standin_outputs
from tests.graph.bases import BASES, stand

ROOT = Path(__file__).parents[2]
PACKAGES = ("aws", "digitalocean", "hcloud", "hdpolicy")
INSTANCE, ADDRESS = "aws:ec2/instance:Instance", "aws:ec2/eip:Eip"


def documented() -> tuple[str, str]:
    """The two programs of the section, as they stand there."""
    section = (ROOT / "docs/clouds.md").read_text().partition("## Changing what is declared")[2].partition("\n## ")[0]
    typed, raw = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    return typed, raw


@pytest.fixture
def workspace(engine_workspace: EngineWorkspace) -> Iterator[EngineWorkspace]:
    """A stack whose program is the documented one, after the second, which only registers."""
    base = BASES["europe"]
    dummies = dummy_credentials("of this test")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in dummies.items():
            patch.setenv(name, value)
        outputs = standin_outputs(stand(base).graph, CONTROL_PLANE)
    engine_workspace.environment |= {
        **dummies,
        "STANDIN_OUTPUTS": json.dumps(outputs),
        "STANDIN_INVOKES": json.dumps({token: answer({}) for token, answer in INVOKES.items()}),
    }
    typed, raw = documented()
    engine_workspace.write(f"{raw}\n{typed}", packages=PACKAGES)
    (engine_workspace.project / "europe.yaml").write_text(yaml.safe_dump(base.data))
    engine_workspace.create_stack()
    yield engine_workspace


def test_the_documented_changes_arrive(workspace: EngineWorkspace) -> None:
    workspace.up()
    resources = workspace.resources()
    roots = {name: it["inputs"]["rootBlockDevice"] for name, it in resources.items() if it["type"] == INSTANCE}
    sizes = {name: root["volumeSize"] for name, root in roots.items()}
    changed = {name for name in sizes if name.endswith("-edge")}
    assert changed and changed < sizes.keys()
    assert {name for name, size in sizes.items() if size == 30} == changed
    assert all(root["encrypted"] and root["volumeType"] == "gp3" for root in roots.values())
    assert {it.get("protect", False) for it in resources.values() if it["type"] == ADDRESS} == {True}
    assert not any(it.get("protect") for it in resources.values() if it["type"] == INSTANCE)
