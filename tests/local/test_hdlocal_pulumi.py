"""The plugin under the real engine: up, no change, refresh after a kill, destroy."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hdinfra.plugins.local.engine import Engine
from hdinfra.plugins.local.inventory import list_owned
from tests.local.conftest import USER_DATA
from tests.local.hdlocal_fixtures import NAMESPACE, place, prefixes

BIN = Path(sys.executable).parent
PROGRAM = """\
import json, pulumi
from hdinfra.plugins.local import resources as local

given = json.loads(open("given.json").read())
cloud = local.Provider("cloud", namespace=given["namespace"], project="tests", stack="cli", region="one")
opts = pulumi.ResourceOptions(provider=cloud)
image = local.Image("image", packages=[], opts=opts)
net = local.Network("net", **given["prefixes"], opts=opts)
machine = local.Machine(
    "m", image=image.tag, networks=[given["place"] | {"network": net.network_name}], user_data=given["user_data"],
    description=given["description"],
    meta_data="instance-id: m", cpus=1, memory_mib=256, ports=[], labels={}, booted=given["booted"], opts=opts,
)
bundle = local.Bundle(
    "b", container=machine.container, container_id=machine.container_id, sha256=given["sha256"], path=given["path"],
    opts=opts,
)
pulumi.export("seen", {"net": net.network_name, "ipv4": machine.ipv4, "file": bundle.file_name, "up": machine.running})
pulumi.export("id", machine.container_id)
"""


def bundle_of(folder: Path, content: bytes) -> dict[str, str]:
    """An archive on this computer, as a program names it."""
    sha256 = hashlib.sha256(content).hexdigest()
    path = folder / f"{sha256}.tar"
    path.write_bytes(content)
    return {"sha256": sha256, "path": str(path)}


class Stack:
    """One project of the real engine with a file backend of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.given: dict[str, Any] = {
            "namespace": NAMESPACE,
            "prefixes": prefixes(1),
            "place": place("", 1, 10),
            "user_data": USER_DATA,
            "booted": ["test", "-e", "/etc/greeting"],
            "description": "d" * 64,
            **bundle_of(folder, b"first"),
        }
        (folder / "Pulumi.yaml").write_text(
            f"name: tests\nruntime: python\nplugins: {{providers: [{{name: hdlocal, path: {BIN}}}]}}\n"
        )
        (folder / "__main__.py").write_text(PROGRAM)
        (folder / "state").mkdir()

    def pulumi(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs the command line to its end."""
        (self.folder / "given.json").write_text(json.dumps(self.given))
        environment = os.environ | {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.folder}/state",
            "PULUMI_CONFIG_PASSPHRASE": "tests",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        return subprocess.run(
            ["pulumi", *words, "--non-interactive"], cwd=self.folder, env=environment,
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip

    def well(self, *words: str) -> str:
        """Runs it and expects success."""
        done = self.pulumi(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def changes(self, *words: str) -> dict[str, int]:
        """What a preview would do, without what stays the same."""
        summary: dict[str, int] = json.loads(self.well("preview", "--json", *words))["changeSummary"]
        return {deed: count for deed, count in summary.items() if deed != "same"}

    def output(self, name: str) -> Any:
        """A stack output."""
        return json.loads(self.well("stack", "output", "--json"))[name]


@pytest.fixture
def stack(tmp_path: Path, reaped: str, system_image: str) -> Iterator[Stack]:
    """An empty stack of a program with one machine."""
    assert (BIN / "pulumi").exists(), f"{BIN}/pulumi is missing\n  fix: make setup"
    assert (reaped, bool(system_image)) == (NAMESPACE, True)
    made = Stack(tmp_path)
    made.well("stack", "init", "cli")
    yield made
    made.pulumi("destroy", "--yes", "--skip-preview")


def test_up_then_nothing_to_do_then_destroy_leaves_nothing(stack: Stack, container_engine: Engine) -> None:
    stack.well("up", "--yes", "--skip-preview")
    seen = stack.output("seen")
    assert (seen["net"], seen["ipv4"], seen["up"]) == (f"{NAMESPACE}-net", stack.given["place"]["ipv4"], True)
    assert seen["file"] == f"{stack.given['sha256']}.tar"
    assert stack.changes() == {}
    assert stack.changes("--refresh") == {}
    state = stack.well("stack", "export")
    assert "/etc/greeting" not in state.replace('"/etc/greeting"', "")  # the user data's; `booted` has it, too
    stack.given |= bundle_of(stack.folder, b"second")
    assert stack.changes() == {"update": 1}
    stack.given["user_data"] = USER_DATA.replace("hello", "goodbye")
    assert stack.changes() == {"update": 1}
    stack.given["description"] = "e" * 64
    assert stack.changes() == {"replace": 1, "update": 1}
    stack.well("destroy", "--yes", "--skip-preview")
    assert list_owned(container_engine.client, NAMESPACE) == ()


def test_killed_and_removed_machines_come_back_by_up_refresh(stack: Stack, container_engine: Engine) -> None:
    stack.well("up", "--yes", "--skip-preview")
    first = stack.output("id")
    container_engine.client.containers.get(f"{NAMESPACE}-m").kill()
    assert stack.changes("--refresh") == {"update": 1}
    stack.well("up", "--yes", "--skip-preview", "--refresh")
    assert stack.output("id") == first
    assert stack.changes("--refresh") == {}
    container_engine.client.containers.get(f"{NAMESPACE}-m").remove(force=True)
    stack.well("up", "--yes", "--skip-preview", "--refresh")
    assert stack.output("id") != first
    assert stack.changes("--refresh") == {}


def test_machine_that_does_not_boot_shows_its_log_and_the_next_up_mends_it(stack: Stack) -> None:
    stack.given["booted"] = ["sh", "-c", "test -e /etc/mended || { echo agent is missing >&2; exit 3; }"]
    failed = stack.pulumi("up", "--yes", "--skip-preview")
    assert failed.returncode != 0
    assert "agent is missing" in failed.stdout + failed.stderr
    stack.given["booted"] = ["test", "-e", "/etc/greeting"]
    stack.well("up", "--yes", "--skip-preview")
    assert stack.changes("--refresh") == {}
