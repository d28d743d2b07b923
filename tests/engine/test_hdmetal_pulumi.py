"""A server under the real engine: installed once, unchanged afterwards, its failures in outputs and `hdinfra status`,
installed anew only by another token, tidy when interrupted, and left alone by `destroy`."""

import io
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from hdinfra.operate.engine import Deployed
from hdinfra.operate.servers import fails, servers_of, show_servers
from tests.engine.conftest import EngineWorkspace
from tests.engine.metal_rig import OTHER, PROFILE, Rig, a_rig, image
from tests.engine.redfish_bmc import PASSWORD
from tests.local.hdlocal_fixtures import eventually

PROGRAM = """\
import json, pulumi
from hdinfra.plugins.metal import resources as metal

given = json.loads(open("given.json").read())
provider = metal.Provider("servers")
server = metal.Server("a1", **given, opts=pulumi.ResourceOptions(provider=provider))
pulumi.export("seen", {"installed": server.installed, "failures": server.failures, "power": server.power})
"""


class MetalStack:
    """The stack `test`, what its program is given, and all that was ever printed."""

    def __init__(self, workspace: EngineWorkspace, rig: Rig) -> None:
        self.workspace, self.rig = workspace, rig
        workspace.environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        workspace.write(PROGRAM)
        settings = yaml.safe_load((workspace.project / "Pulumi.yaml").read_text())
        settings["plugins"] = {"providers": [{"name": "hdmetal", "path": str(Path(sys.executable).parent)}]}
        (workspace.project / "Pulumi.yaml").write_text(yaml.safe_dump(settings))
        workspace.create_stack()

    def give(self, **changes: Any) -> None:
        """What the next run's program declares."""
        found = self.rig.inputs(**changes)
        found["report"] = {"admin_token" if name == "adminToken" else name: v for name, v in found["report"].items()}
        (self.workspace.project / "given.json").write_text(json.dumps(found))

    def up(self, code: int | None = 0) -> str:
        """Deploy; an installation is some sixty conversations with a BMC over TLS, on a computer that others use."""
        return self.workspace.run("up", "--yes", "--skip-preview", code=code, seconds=360)

    def seen(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.workspace.run("stack", "output", "--json"))["seen"]
        return told

    def shown(self) -> tuple[list[dict[str, Any]], str]:
        """What `hdinfra status` has of servers, as data and for people."""
        exported = json.loads(self.workspace.run("stack", "export", "--show-secrets"))
        servers, text = servers_of(Deployed(exported)), io.StringIO()
        show_servers(servers, Console(file=text, width=200))
        return servers, text.getvalue()


@pytest.fixture
def stack(engine_workspace: EngineWorkspace, tmp_path: Path) -> Iterator[MetalStack]:
    with a_rig(tmp_path, image(tmp_path / "image")) as rig:
        yield MetalStack(engine_workspace, rig)


def test_a_servers_whole_life(stack: MetalStack) -> None:
    rig, pulumi = stack.rig, stack.workspace
    rig.installs()
    rig.bmc.supplies("OK", "OK")
    stack.give(profile=PROFILE)
    assert "1 to create" in pulumi.preview() or "+ 3 to create" in pulumi.preview()
    assert rig.bmc.server.boots == []
    printed = stack.up()
    assert (rig.bmc.server.boots, rig.tidy()) == (["Cd"], True)
    assert stack.seen() == {"installed": PROFILE, "failures": [], "power": "On"}
    assert "3 unchanged" in pulumi.preview("--refresh", "--expect-no-changes")

    state = pulumi.run("stack", "export")
    for secret in (PASSWORD, rig.fleet.keys.token, rig.inputs()["order"]):
        assert secret not in state and secret not in printed

    rig.bmc.supplies("OK", "Critical")
    servers, shown = stack.shown()  # live, before any refresh
    assert (fails(servers[0]), servers[0]["silence"]) == (True, "")
    assert "failed: srv-a1: power supply `PSU 2` (serial P2): Critical" in shown
    assert servers[0]["readings"]["PSU 1"] == "180 W"
    pulumi.run("refresh", "--yes", "--skip-preview")
    stack.up()
    assert stack.seen()["failures"] == ["power supply `PSU 2` (serial P2): Critical"]

    stack.give(profile=OTHER)
    said = stack.up()
    assert "3 unchanged" in said and "nothing installs a server anew but another text for `reinstall`" in said
    stack.give(profile=OTHER, reinstall="2026-11-29")
    said = stack.up()
    assert "1 updated" in said and "is noted and installs nothing" in said
    assert (rig.installations, stack.seen()["installed"]) == (1, PROFILE)
    rig.installs(OTHER)
    stack.give(profile=OTHER, reinstall="2026-11-30")
    assert "1 updated" in stack.up()
    assert (rig.installations, stack.seen()["installed"]) == (2, OTHER)
    assert rig.overwritten == ("S1", "S2")

    assert "is left as it is" in pulumi.destroy()
    assert (rig.bmc.server.power, len(rig.bmc.server.boots)) == ("On", 2)


def test_a_silent_bmc_is_told_with_what_was_seen_last(stack: MetalStack) -> None:
    rig = stack.rig
    rig.reports()
    rig.bmc.supplies("OK", "Critical")
    stack.give()
    assert "already reports profile" in stack.up()
    rig.bmc.answer("GET", r"/redfish/v1/Systems.*", 503, {"error": {"message": "starting"}})
    servers, shown = stack.shown()
    assert servers[0]["failures"] == ["power supply `PSU 2` (serial P2): Critical"]
    assert "as it was last seen: The BMC at" in shown


def test_interrupting_ejects_the_image(stack: MetalStack) -> None:
    stack.give()
    run = stack.workspace.start("up", "--yes", "--skip-preview")
    eventually(lambda: stack.rig.bmc.server.boots == ["Cd"], within=90, because=run.poll)
    assert stack.rig.bmc.inserted()
    os.killpg(run.pid, signal.SIGINT)
    said, _ = run.communicate(timeout=90)
    assert run.returncode != 0
    assert stack.rig.tidy(), said
    assert "a1" not in stack.workspace.resources()
    stack.rig.reports()
    stack.up()
    assert stack.rig.bmc.server.boots == ["Cd"]


@pytest.mark.parametrize("wrong", ["password", "fingerprint"])
def test_what_a_bmc_refuses_is_one_clear_line(stack: MetalStack, wrong: str) -> None:
    stack.give(bmc=stack.rig.bmc.access(**{wrong: "ab" * 32}))
    said = stack.up(code=None)
    told = {"password": "refuses the user `operator` (401)", "fingerprint": f"pinned is {'ab' * 32}"}
    assert told[wrong] in said and "Traceback" not in said
    assert (stack.rig.bmc.server.boots, PASSWORD in said) == ([], False)
