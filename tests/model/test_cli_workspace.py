"""A stack's environment: what the user set wins, paths are absolute, secrets are theirs alone."""

import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hdinfra.operate.errors import WorkspaceError
from hdinfra.operate.workspace import Workspace, find_root, open_workspace, write_atomically


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a project file."""
    root = tmp_path / "check out"
    (root / "stacks" / "deep").mkdir(parents=True)
    (root / "Pulumi.yaml").write_text("name: hdinfra\nruntime: python\n")
    return root


def workspace(project: Path, **outer: str) -> Workspace:
    """The stack `local` as a user with that environment sees it."""
    return Workspace(project, "local", {"PATH": "/usr/bin:/bin", **outer})


def test_the_root_is_found_from_below(project: Path) -> None:
    assert find_root(project / "stacks" / "deep") == project.resolve()


def test_outside_a_project_the_error_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match=r"No Pulumi\.yaml") as told:
        find_root(tmp_path)
    assert "--directory" in told.value.retry
    assert str(tmp_path) in str(told.value)


@pytest.mark.parametrize("name", ["../x", "", "a b", "A", "x" * 40, "local\n", "a;b"])
def test_a_stack_name_that_would_leave_the_folder_is_refused(project: Path, name: str) -> None:
    with pytest.raises(WorkspaceError, match="cannot name a stack"):
        open_workspace(project, name)


def test_state_lies_in_the_checkout_unless_the_user_set_it(project: Path) -> None:
    own = workspace(project).environment
    assert own["PULUMI_BACKEND_URL"] == (project / ".state" / "backend").as_uri()
    assert own["PULUMI_CONFIG_PASSPHRASE_FILE"] == str(project / ".state" / "passphrase")
    set_by_user = workspace(
        project, PULUMI_BACKEND_URL="s3://ours", PULUMI_CONFIG_PASSPHRASE="x", PULUMI_SKIP_UPDATE_CHECK="false"
    ).environment
    assert set_by_user["PULUMI_BACKEND_URL"] == "s3://ours"
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in set_by_user


def test_a_passphrase_file_of_the_users_wins(project: Path) -> None:
    environment = workspace(project, PULUMI_CONFIG_PASSPHRASE_FILE="/secret").environment
    assert environment["PULUMI_CONFIG_PASSPHRASE_FILE"] == "/secret"


def test_this_interpreters_programs_come_first_and_once(project: Path) -> None:
    own = str(Path(sys.executable).parent)
    path = workspace(project, PATH=f"/usr/bin:{own}:/bin").environment["PATH"]
    assert path.split(os.pathsep) == [own, "/usr/bin", "/bin"]


def test_the_passphrase_is_made_once_and_for_its_owner_alone(project: Path) -> None:
    ours = workspace(project)
    ours.prepare()
    secret = (ours.state / "passphrase").read_text()
    ours.prepare()
    assert (ours.state / "passphrase").read_text() == secret
    assert len(secret.strip()) >= 40
    assert stat.S_IMODE((ours.state / "passphrase").stat().st_mode) == 0o600


def test_a_shell_reads_the_exports_as_they_are_meant(project: Path) -> None:
    ours = workspace(project)
    script = f"{ours.exports}\nprintf '%s' \"$PULUMI_CONFIG_PASSPHRASE_FILE\""
    told = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True, timeout=10)
    assert told.stdout == str(project / ".state" / "passphrase")
    assert shlex.quote(str(project / ".state" / "passphrase")) in ours.exports


def test_the_namespace_is_read_from_the_stacks_configuration(project: Path) -> None:
    ours = workspace(project)
    assert ours.namespace is None
    ours.config_file.write_text("config:\n  hdinfra:namespace: hd-abc123\n")
    assert ours.namespace == "hd-abc123"


def test_a_write_that_breaks_leaves_the_old_file_and_no_other(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = project / "stacks" / "local.lock.yaml"
    write_atomically(target, "old")

    def broken(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(target, "new")
    assert target.read_text() == "old"
    assert [path.name for path in target.parent.iterdir() if path.is_file()] == ["local.lock.yaml"]


def test_a_missing_engine_is_named_with_the_command_that_gets_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(project / "python"))
    with pytest.raises(WorkspaceError) as told:
        workspace(project, PATH=str(project)).pulumi()
    assert "make setup" in told.value.retry
