"""Killed at any point, a machine comes back with exactly one whole good version."""

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tests.machine.sync_machine import Place, on_disk
from tests.machine.sync_stack import Stack, waf

TIMES = 200 if "HDINFRA_LONG" in os.environ else 20
SITES = 12
RELEASES = 400


def test_killed_at_random_points_it_comes_back_whole(place: Place, stack: Stack, tmp_path: Path) -> None:
    documents = {number: [f"v{number}-{site}.test" for site in range(SITES)] for number in range(1, RELEASES + 1)}
    releases = [stack.release(number, waf(*hosts)) for number, hosts in documents.items()]
    told = tmp_path / "told.json"
    told.write_text(json.dumps({"trust": asdict(stack.trust), "releases": releases}))
    chance, seen, cut = random.Random(7), set[int](), 0
    for _ in range(TIMES):
        _killed(place.root, told, chance.uniform(0, 0.4))
        left = set(on_disk(place.root))
        keeper = place.keeper()
        keeper.step()
        number = keeper.order[0]
        # Between a first document and the note of its number it serves on, nameless, until it is offered again.
        document = keeper.applier.current()
        whole = set(documents[number or 1] if document else ())
        assert set(on_disk(place.root)) == whole == place.program.serves.keys(), f"version {number} is not whole"
        assert number == 0 or document is not None
        assert place.problems.texts() == []
        assert number >= max(seen, default=0), "it went back behind a version that was good"
        seen.add(number)
        cut += left not in [set(hosts) for hosts in documents.values()]
        if number > RELEASES - 150:
            _forget(place.root)
            seen = set()
    assert len(seen) > 1, "it never came to apply anything"
    assert cut, "no kill ever hit an apply; this proves nothing"


def _killed(root: Path, told: Path, seconds: float) -> None:
    """Start the victim and kill it so long after it began."""
    argv = [sys.executable, "-m", "tests.machine.sync_victim", str(root), str(told)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"ready\n"
        time.sleep(seconds)  # the random moment itself; nothing is waited for
        victim.kill()


def _forget(root: Path) -> None:
    """Begin again with the first release."""
    for path in sorted((root / "var").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    for path in (root / "etc/hdinfra/policy").iterdir():
        path.unlink()
