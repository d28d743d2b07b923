"""An engine that was killed while it wrote down what it had done: the next one reads on."""

import subprocess
from pathlib import Path

from hdinfra.operate.engine import Engine
from hdinfra.operate.workspace import Workspace
from tests.engine.conftest import EngineWorkspace


def test_a_state_beside_which_nothing_was_written_yet_is_read(engine_workspace: EngineWorkspace) -> None:
    engine_workspace.write("")
    engine_workspace.create_stack()
    states = Path(engine_workspace.environment["PULUMI_BACKEND_URL"].removeprefix("file://")) / ".pulumi/stacks"
    (sidecar,) = states.rglob("test.json.attrs")
    sidecar.write_bytes(b"")
    by_itself = subprocess.run(
        [engine_workspace.pulumi, "stack", "export", "--stack", "test"],
        cwd=engine_workspace.project,
        env=engine_workspace.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "failed to load checkpoint: EOF" in by_itself.stderr
    assert Engine(Workspace(engine_workspace.project, "test", engine_workspace.environment)).deployed() is not None
