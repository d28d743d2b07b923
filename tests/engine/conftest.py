"""The real engine on projects that a test writes, with stand-ins for every provider."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from hdinfra.operate.sidecars import drop_empty_sidecars
from tests.engine.metal_fixtures import hurried, installer, plugin, rig

__all__ = ["hurried", "installer", "plugin", "rig"]  # fixtures of the tests of servers

ROOT = Path(__file__).parents[2]
# A run of this size takes 3 s on a quiet machine; ten times that on a busy one.
RUN_SECONDS = 90


@pytest.fixture(scope="session")
def pulumi_cli() -> Path:
    """The engine that `make setup` put beside this interpreter; missing is a failure, never a skip."""
    found = Path(sys.executable).parent / "pulumi"
    assert os.access(found, os.X_OK), f"{found} is missing\n  fix: make setup"
    return found


@dataclass
class EngineWorkspace:
    """One project with a file backend, home and passphrase of its own; its stack is called `test`."""

    folder: Path
    pulumi: Path
    environment: dict[str, str]
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def project(self) -> Path:
        """Where Pulumi.yaml lies."""
        return self.folder / "project"

    def write(self, program: str, *, packages: Sequence[str] = (), main: str | None = None) -> None:
        """The project: `program` as its __main__.py, a stand-in for each of `packages`."""
        code = self.project / (main or ".") / "__main__.py"
        code.parent.mkdir(parents=True, exist_ok=True)
        code.write_text(textwrap.dedent(program))
        providers = [{"name": name, "path": str(self.provider(name))} for name in packages]
        settings = {"name": "project", "runtime": "python", "plugins": {"providers": providers}}
        (self.project / "Pulumi.yaml").write_text(yaml.safe_dump({**settings, **({"main": main} if main else {})}))

    def provider(self, package: str) -> Path:
        """The folder of a stand-in's executable."""
        folder = self.folder / "plugins" / package
        folder.mkdir(parents=True, exist_ok=True)
        executable = folder / f"pulumi-resource-{package}"
        command = f'"{sys.executable}" -m tests.engine.standin {package} "$@"'
        executable.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec {command}\n')
        executable.chmod(0o755)
        return folder

    def run(self, *arguments: str, code: int | None = 0, seconds: float = RUN_SECONDS) -> str:
        """Run the command line and return all it said; `code` is the exit code it must end with, None is any."""
        drop_empty_sidecars(self.environment["PULUMI_BACKEND_URL"])  # as hdinfra does, for tests kill engines
        done = subprocess.run(
            [self.pulumi, *arguments, "--non-interactive", "--color", "never"],
            cwd=self.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert code is None or done.returncode == code, done.stdout
        return done.stdout

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """The same without waiting, in a process group of its own; ended with the test."""
        process = subprocess.Popen(
            [self.pulumi, *arguments, "--non-interactive", "--color", "never"],
            cwd=self.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )
        self.running.append(process)
        return process

    def create_stack(self) -> None:
        """After `write`, before the first `up`."""
        self.run("stack", "init", "test")

    def up(self, *arguments: str, code: int | None = 0) -> str:
        """Deploy without questions."""
        return self.run("up", "--yes", "--skip-preview", *arguments, code=code)

    def preview(self, *arguments: str, code: int | None = 0) -> str:
        """What `up` would do."""
        return self.run("preview", *arguments, code=code)

    def destroy(self, *arguments: str, code: int | None = 0) -> str:
        """Remove everything without questions."""
        return self.run("destroy", "--yes", "--skip-preview", *arguments, code=code)

    def deployment(self) -> dict[str, Any]:
        """The stack's state."""
        exported: dict[str, Any] = json.loads(self.run("stack", "export"))["deployment"]
        return exported

    def resources(self) -> dict[str, dict[str, Any]]:
        """The state's resources by name."""
        found: list[dict[str, Any]] = self.deployment().get("resources") or []
        return {resource["urn"].rpartition("::")[2]: resource for resource in found}

    def calls(self) -> list[dict[str, str]]:
        """What the stand-ins were asked to do so far: package, call and urn."""
        log = Path(self.environment["STANDIN_LOG"])
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def close(self) -> None:
        """End what a failed test left running."""
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=30)


@pytest.fixture
def engine_workspace(tmp_path: Path, pulumi_cli: Path) -> Iterator[EngineWorkspace]:
    """Empty: `write` a program, `create_stack`, then `up`, `preview`, `destroy`."""
    backend = tmp_path / "backend"
    backend.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
    own = {
        "PATH": f"{pulumi_cli.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PULUMI_BACKEND_URL": backend.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "a passphrase of this test",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "STANDIN_LOG": str(tmp_path / "calls.jsonl"),
    }
    workspace = EngineWorkspace(tmp_path, pulumi_cli, {**kept, **own})
    yield workspace
    workspace.close()
