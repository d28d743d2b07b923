"""What is deployed is read when it changes, and not for every look."""

import json
import os
from pathlib import Path

import pytest

from hdinfra.operate.errors import EngineError
from hdinfra.operate.watch_eyes import Eyes, Facts, read_facts
from hdinfra.operate.workspace import Workspace
from hdinfra.protocol import certificate

ROOT = certificate.new_root("played", certificate.new_key(), 1_800_000_000.0)


class Reading:
    """Stands in for the reading of a state, and counts."""

    def __init__(self) -> None:
        self.count = 0
        self.withdrawn: tuple[str, ...] = ()

    def __call__(self, _: Workspace) -> Facts:
        self.count += 1
        return Facts("played", ("a", "b"), self.withdrawn, {}, (), ROOT, "token")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """With a state in a folder."""
    (tmp_path / "Pulumi.yaml").write_text("name: p\n")
    state = tmp_path / ".state/backend/.pulumi/stacks/p/played.json"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    return Workspace(tmp_path, "played", {"PATH": os.environ["PATH"]})


def touch(workspace: Workspace, at: float) -> None:
    os.utime(workspace.root / ".state/backend/.pulumi/stacks/p/played.json", (at, at))


def test_it_is_read_once_until_it_changes(workspace: Workspace) -> None:
    reading = Reading()
    eyes = Eyes(workspace, reading, clock=lambda: 0.0)
    for _ in range(5):
        assert eyes.look().clusters == ("a", "b")
    assert reading.count == 1
    reading.withdrawn = ("a",)
    touch(workspace, 5.0)
    assert (eyes.look().clusters, eyes.look().withdrawn) == (("b",), ("a",))
    assert eyes.look().stack == "played", "for what people are told to type"
    assert reading.count == 2
    eyes.forget()
    eyes.look()
    assert reading.count == 3


def test_where_nothing_tells_of_changes_it_is_read_every_ten_minutes(workspace: Workspace) -> None:
    reading, now = Reading(), 0.0
    elsewhere = Workspace(workspace.root, "played", {"PULUMI_BACKEND_URL": "s3://state"})
    eyes = Eyes(elsewhere, reading, clock=lambda: now)
    for second in range(0, 1300, 2):
        now = float(second)
        eyes.look()
    assert reading.count == 3


def test_while_somebody_changes_it_nothing_is_read_and_they_are_named(workspace: Workspace) -> None:
    reading = Reading()
    eyes = Eyes(workspace, reading, clock=lambda: 0.0)
    eyes.look()
    lock = workspace.root / ".state/backend/.pulumi/locks/organization/p/played/x.json"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"pid": os.getpid(), "username": "u", "hostname": os.uname().nodename}))
    touch(workspace, 9.0)
    assert eyes.look().busy == f"process {os.getpid()} of u@{os.uname().nodename}"
    assert reading.count == 1
    lock.unlink()
    assert eyes.look().busy == ""
    assert reading.count == 2


def test_a_stack_that_is_not_up_is_told_in_the_readers_own_words(workspace: Workspace) -> None:
    with pytest.raises(EngineError, match=r"(?s)state cannot be read: .*hdinfra up"):
        read_facts(Workspace(workspace.root, "played", {**os.environ, "PULUMI_BACKEND_URL": "file:///nowhere"}))
