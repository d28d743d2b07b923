"""An engine that answers is used; a missing one is installed by root on Debian, and explained to everybody else."""

import subprocess
import sys
from pathlib import Path

import pytest

from hdinfra.plugins.local.engine import EngineNotFound
from toolchain import container_engine
from toolchain.container_engine import BOOTSTRAP, HELP, PODMAN, Host, ensure_container_engine
from toolchain.talk import ToolchainError

ROOT = Path(__file__).parents[2]


class Computer:
    """A made-up computer: its file system under `root`, and what apt-get was asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.apt: list[tuple[str, ...]] = []

    def host(self, *, is_root: bool = True, **environment: str) -> Host:
        return Host({"PATH": str(self.root / "usr/bin"), **environment}, is_root, self.root)

    def has(self, *programs: str) -> "Computer":
        for name in programs:
            path = self.root / "usr/bin" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("#!/bin/sh\n")
            path.chmod(0o755)
        return self

    def file(self, name: str) -> "Computer":
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).touch()
        return self


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Computer:
    made = Computer(tmp_path)
    monkeypatch.setattr(container_engine, "apt_get", lambda _host, *arguments: made.apt.append(arguments))
    return made


@pytest.fixture
def debian(computer: Computer) -> Computer:
    return computer.has("apt-get").file("etc/debian_version").file("sys/fs/cgroup/cgroup.controllers")


def answers() -> None:
    """An engine is there."""


def nothing_answers() -> None:
    raise EngineNotFound("no container engine answers")


def test_uses_what_answers_and_installs_nothing(debian: Computer, capsys: pytest.CaptureFixture[str]) -> None:
    ensure_container_engine(debian.has("debootstrap").host(), answers)
    assert debian.apt == []
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("variable", ["DOCKER_HOST", "CONTAINER_HOST"])
def test_a_named_engine_that_is_dead_is_an_error(debian: Computer, variable: str) -> None:
    debian.has("debootstrap")
    with pytest.raises(ToolchainError, match=r"^no container engine answers$"):
        ensure_container_engine(debian.host(**{variable: "unix:///nowhere.sock"}), nothing_answers)
    assert debian.apt == []


def test_root_on_debian_gets_podman_and_looks_again(debian: Computer, capsys: pytest.CaptureFixture[str]) -> None:
    def find() -> None:
        if not debian.apt:
            nothing_answers()

    ensure_container_engine(debian.has("debootstrap").host(), find)
    assert debian.apt == [("update", "-qq"), ("install", "-y", "-qq", "--no-install-recommends", *PODMAN)]
    assert capsys.readouterr().err == f"toolchain: installing {' '.join(PODMAN)} with apt-get\n"


def test_podman_on_old_cgroups_needs_runc(computer: Computer) -> None:
    computer.has("apt-get", "podman", "debootstrap").file("etc/debian_version")
    ensure_container_engine(computer.host(), answers)
    assert computer.apt[1:] == [("install", "-y", "-qq", "--no-install-recommends", "runc")]


def test_debootstrap_comes_beside_an_engine_that_answers(debian: Computer) -> None:
    ensure_container_engine(debian.host(), answers)
    assert debian.apt[1:] == [("install", "-y", "-qq", "--no-install-recommends", *BOOTSTRAP)]


@pytest.mark.parametrize("is_root", [False, True])
def test_everybody_else_is_told_what_to_do(computer: Computer, is_root: bool) -> None:
    if not is_root:
        computer.has("apt-get").file("etc/debian_version")
    with pytest.raises(ToolchainError) as refused:
        ensure_container_engine(computer.host(is_root=is_root), nothing_answers)
    assert str(refused.value) == HELP
    assert computer.apt == []


def test_this_computer_has_an_engine() -> None:
    """Missing is a failure of this tier, never a skip."""
    done = subprocess.run(
        [sys.executable, "-m", "toolchain", "containers"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
