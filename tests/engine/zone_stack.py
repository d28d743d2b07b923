"""The project's own program and settings under the real engine, with stand-ins in place of the plugins."""

import json
import shutil
from pathlib import Path
from typing import Any

import yaml

from hdinfra.testing.recorder import CONTROL_PLANE
from tests.engine.conftest import EngineWorkspace

ROOT = Path(__file__).parents[2]


class ZoneStack:
    """The project's own program and settings; its stack is called `test`, so its spec is stacks/test.yaml."""

    packages: tuple[str, ...] = ("hdlocal", "hdpolicy")

    def __init__(self, workspace: EngineWorkspace) -> None:
        self.workspace = workspace
        self.spec = workspace.project / "stacks/test.yaml"
        self.lock = workspace.project / "stacks/test.lock.yaml"

    def write(self) -> None:
        """The files of a checkout, and stand-ins in place of the plugins."""
        self.spec.parent.mkdir(parents=True, exist_ok=True)
        for name in ("__main__.py", "zone.py", "byol.py", "edge.py"):
            shutil.copy(ROOT / "stacks" / name, self.spec.parent)
        providers = [{"name": name, "path": str(self.workspace.provider(name))} for name in self.packages]
        settings = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
        text = yaml.safe_dump({**settings, "plugins": {"providers": providers}})
        (self.workspace.project / "Pulumi.yaml").write_text(text)
        self.answer(generation="first")

    def answer(self, generation: str) -> None:
        """What the stand-in adds to the inputs of what it makes from now on."""
        machine = {"container": "c", "containerId": generation, "running": True}
        outputs = {
            "hdlocal:index:Image": {"tag": "image"},
            "hdlocal:index:Network": {"networkName": "network"},
            "hdlocal:index:Machine": machine,
            "hdlocal:index:Bundle": {"fileName": "f"},
            **{kind: outputs("", {}) for kind, outputs in CONTROL_PLANE.items()},
        }
        self.workspace.environment["STANDIN_OUTPUTS"] = json.dumps(outputs)

    def forget_calls(self) -> None:
        """Start a new list."""
        Path(self.workspace.environment["STANDIN_LOG"]).unlink(missing_ok=True)

    def touched(self) -> set[tuple[str, str]]:
        """(call, name) of all that the provider was asked to change."""
        calls = self.workspace.calls()
        return {(c["call"], c["urn"].rpartition("::")[2]) for c in calls if c["call"] in {"Create", "Update", "Delete"}}

    def output(self, name: str) -> Any:
        """One stack output."""
        return json.loads(self.workspace.run("stack", "output", "--json"))[name]
