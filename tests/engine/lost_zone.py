"""stacks/drill.yaml with a fourth Cluster under the real engine, for what happens when one is lost."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from hdinfra.operate.engine import changed_by
from hdinfra.operate.heal import Healed, HealOrder, heal
from hdinfra.operate.progress import Progress
from hdinfra.operate.workspace import Workspace
from tests.engine.conftest import EngineWorkspace
from tests.engine.zone_stack import ROOT, ZoneStack

QUIET = Progress(Console(quiet=True))
DRILL = yaml.safe_load((ROOT / "stacks/drill.yaml").read_text())
FOUR = {**DRILL, "clusters": [*DRILL["clusters"], {"name": "d", "provider": "local", "region": "lab-hill"}]}
LOST = "hdlocal:lab-north"
REGION = {one["name"]: one["region"] for one in FOUR["clusters"]}
DRILL_MACHINES = {f"{cluster}-{what}-1" for cluster in REGION for what in ("web", "control")}


class Lost(ZoneStack):
    """stacks/drill.yaml with a fourth Cluster, up; as what `hdinfra` sees of it."""

    @property
    def opened(self) -> Workspace:
        """As the command line would open it."""
        return Workspace(self.workspace.project, "test", self.workspace.environment)

    def without(self, package: str = LOST) -> None:
        """That provider answers nothing from now on."""
        self.workspace.environment["STANDIN_DOWN"] = package
        self.forget_calls()

    def heal(self, cluster: str = "a", **how: Any) -> Healed:
        """As the verb does it."""
        return heal(self.opened, HealOrder(cluster, **how), QUIET)

    @contextmanager
    def healing(self, cluster: str = "a") -> Iterator[subprocess.Popen[bytes]]:
        """The same in a process of its own, as a watcher starts it; ended with the block."""
        words = ("heal", "--cluster", cluster, "--stack", "test", "--directory", str(self.workspace.project))
        with subprocess.Popen(
            [sys.executable, "-c", "from hdinfra.operate.cli import main; main()", *words],
            env=self.workspace.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()
                if busy := changed_by(self.opened):  # the engine that it started goes on without it
                    os.killpg(int(busy.split()[1]), signal.SIGKILL)

    def created(self) -> list[str]:
        """What was asked for since calls were forgotten, by name."""
        return [one["urn"].rpartition("::")[2] for one in self.workspace.calls() if one["call"] == "Create"]

    def of(self, cluster: str) -> dict[str, dict[str, Any]]:
        """A Cluster's resources in the state; without secrets, which are encrypted anew at every run."""
        found = self.workspace.resources().items()
        return {
            name: {key: plainly(one.get(key)) for key in ("urn", "id", "provider", "inputs", "outputs")}
            for name, one in found
            if name == cluster or name.startswith(f"{cluster}-")
        }

    def machines(self) -> set[str]:
        """In the state."""
        return {name for name, one in self.workspace.resources().items() if one["type"] == "hdlocal:index:Machine"}


def plainly(value: Any) -> Any:
    """Without what is secret."""
    if isinstance(value, dict):
        return "a secret" if "ciphertext" in value else {key: plainly(one) for key, one in value.items()}
    return [plainly(one) for one in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the stack that is up is kept for further tests."""
    return tmp_path_factory.mktemp("heal") / "kept"


@pytest.fixture
def lost(engine_workspace: EngineWorkspace, shelf: Path) -> Lost:
    """Up; the first run is done once and its files copied for each further test."""
    stack = Lost(engine_workspace)
    parts = [(engine_workspace.folder / name, shelf / name) for name in ("backend", "project")]
    if shelf.exists():
        for mine, kept in parts:
            shutil.copytree(kept, mine, dirs_exist_ok=True)
        stack.write()
        engine_workspace.run("stack", "select", "test")
    else:
        stack.write()
        stack.spec.write_text(yaml.safe_dump(FOUR))
        engine_workspace.create_stack()
        engine_workspace.up()
        for mine, kept in parts:
            shutil.copytree(mine, kept)
    stack.forget_calls()
    return stack
