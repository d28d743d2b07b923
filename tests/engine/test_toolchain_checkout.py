"""What `make clean`, `make docs` and a bare `make` promise."""

import json
import subprocess
from pathlib import Path

import pytest

from toolchain.clean import clean, stacks_up
from toolchain.documents import documents, stale
from toolchain.go_build import numbers, wanted_go

ROOT = Path(__file__).parents[2]
TARGETS = ["setup", "check", "test", "test-model", "test-machine", "test-graph", "test-engine", "test-local"]
TARGETS += ["setup-metal", "test-metal"]
DEEDS = ["up", "drill", "down", "bench", "docs", "clean"]


def checkpoint(root: Path, latest: object) -> None:
    path = root / ".state" / "backend" / ".pulumi" / "stacks" / "hdinfra" / "local.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"version": 3, "checkpoint": {"latest": latest}}))


@pytest.mark.parametrize(
    "latest", [{"resources": [{"urn": "u"}]}, {"resources": [], "pending_operations": [{"type": "creating"}]}]
)
def test_clean_keeps_the_state_of_a_stack_that_is_up(tmp_path: Path, latest: object) -> None:
    checkpoint(tmp_path, latest)
    (tmp_path / ".venv").mkdir()
    assert clean(tmp_path) == ["local"]
    assert (tmp_path / ".state").exists()
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("latest", [None, {}, {"resources": []}])
def test_clean_removes_the_state_of_a_stack_that_is_down(tmp_path: Path, latest: object) -> None:
    checkpoint(tmp_path, latest)
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.local.yaml").touch()
    assert clean(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["stacks"]
    assert list((tmp_path / "stacks").iterdir()) == []


def test_clean_keeps_a_state_that_it_cannot_read(tmp_path: Path) -> None:
    checkpoint(tmp_path, None)
    next(tmp_path.rglob("local.json")).write_text("{")
    assert stacks_up(tmp_path) == ["local"]


def test_make_alone_lists_every_target_with_one_line() -> None:
    said = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [line.split(maxsplit=1) for line in said.stdout.splitlines()]
    assert [line[0] for line in lines] == ["help", *TARGETS, *DEEDS]
    assert all(len(line) == 2 for line in lines)


def test_stale_documents_are_named(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for path, text in documents().items():
        (tmp_path / path).write_text(text)
    assert stale(tmp_path) == []
    (tmp_path / "docs" / "rules.md").write_text("# Rules\n")
    assert stale(tmp_path) == ["docs/rules.md"]


def test_versions_are_compared_as_numbers() -> None:
    assert numbers("v3.250.0") < numbers("go3.1000") < numbers("10.0")
    assert numbers("devel") == ()
    assert wanted_go() == (1, 25, 11)
