"""The example's own tests pass as a user runs them: in its folder, in a process of their own."""

import subprocess
import sys

from tests.graph.specs import ROOT


def test_the_example_passes_its_tests() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "test_program.py"],
        cwd=ROOT / "examples/zone",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
