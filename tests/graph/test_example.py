"""The examples' own tests pass as a user runs them: in its folder, in a process of their own."""

import subprocess
import sys

import pytest

from tests.graph.specs import ROOT


@pytest.mark.parametrize(("example", "tests"), [("zone", 2), ("byol", 1), ("failover-pair", 1)])
def test_an_example_passes_its_tests(example: str, tests: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "test_program.py"],
        cwd=ROOT / "examples" / example,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{tests} passed" in done.stdout
