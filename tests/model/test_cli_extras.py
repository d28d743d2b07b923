"""The command line of an installation without the extra `local`."""

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_WITHOUT_DOCKER = "import sys; sys.modules['docker'] = None; from hdinfra.operate.cli import run; sys.exit(run({}))"


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = _WITHOUT_DOCKER.format(list(arguments))
    return subprocess.run(
        [sys.executable, "-c", program], cwd=_ROOT, capture_output=True, text=True, check=False, timeout=60
    )


def test_plan_needs_no_extra() -> None:
    done = _run("plan", "--json")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_missing_extra_is_named_with_the_way_to_get_it() -> None:
    done = _run("drill", "cluster-loss", "--cluster", "a")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, 'fix: pip install "hdinfra[local]"')
    assert "Traceback" not in done.stderr
