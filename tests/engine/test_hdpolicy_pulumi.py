"""The policy plugin under the real engine: secrets stay secret, previews are readable, no change is no change."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.engine.conftest import EngineWorkspace
from tests.engine.policy_api import StackKeys, StandInFleet, serving_api
from tests.engine.test_hdpolicy_policy import MEMBERS, document
from tests.local.hdlocal_fixtures import eventually

PROGRAM = """\
import json, pulumi
from hdinfra.plugins.policy import resources as policy

given = json.loads(open("given.json").read())
provider = policy.Provider("policies")
opts = pulumi.ResourceOptions(provider=provider)
keys = policy.Keys("keys", zone="test", opts=opts)
pulumi.export("signer", keys.signer)
pulumi.export("token_hash", keys.token_hash)
if given["endpoints"]:
    shop = policy.Policy(
        "shop", zone="test", scope="instance-shop", members=given["members"], generations=given["generations"],
        document=given["document"], bake_seconds=given["bake"], code={}, endpoints=given["endpoints"], root=keys.root,
        signing_key=keys.signing_key, admin_token=keys.admin_token, opts=opts,
    )
    pulumi.export("seen", {"number": shop.number, "serving": shop.serving, "silent": shop.silent})
"""


class PolicyStack:
    """The stack, what its program is given, and all that was ever printed."""

    def __init__(self, workspace: EngineWorkspace) -> None:
        self.workspace = workspace
        self.given: dict[str, Any] = {
            "endpoints": [],
            "members": MEMBERS,
            "generations": dict.fromkeys(MEMBERS, "1"),
            "document": document("one.test"),
            "bake": 0,
        }
        workspace.write(PROGRAM)
        settings = yaml.safe_load((workspace.project / "Pulumi.yaml").read_text())
        settings["plugins"] = {"providers": [{"name": "hdpolicy", "path": str(Path(sys.executable).parent)}]}
        (workspace.project / "Pulumi.yaml").write_text(yaml.safe_dump(settings))
        workspace.create_stack()
        self.printed = self.deploy()

    def hand_over(self) -> None:
        (self.workspace.project / "given.json").write_text(json.dumps(self.given))

    def deploy(self, code: int | None = 0) -> str:
        self.hand_over()
        return self.workspace.up(code=code)

    def preview(self, *words: str) -> str:
        self.hand_over()
        return self.workspace.preview("--diff", *words)

    def keys(self) -> StackKeys:
        """What the state keeps encrypted."""
        told = json.loads(self.workspace.run("stack", "export", "--show-secrets"))["deployment"]["resources"]
        outputs = next(one["outputs"] for one in told if one["type"] == "hdpolicy:index:Keys")
        plain = {n: json.loads(v["plaintext"]) if isinstance(v, dict) else v for n, v in outputs.items()}
        return StackKeys(plain["signingKey"], plain["rootKey"], plain["root"], plain["adminToken"])


@pytest.fixture
def stack(engine_workspace: EngineWorkspace) -> PolicyStack:
    engine_workspace.environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    return PolicyStack(engine_workspace)


@pytest.fixture
def fleet(stack: PolicyStack, tmp_path: Path) -> Iterator[StandInFleet]:
    fleet = StandInFleet(stack.keys())
    for name in MEMBERS:
        fleet.machine(name)
    with ExitStack() as apis:
        made = [apis.enter_context(serving_api(fleet, name, tmp_path)) for name in ("api-1", "api-2")]
        stack.given["endpoints"] = [api.endpoint for api in made]
        yield fleet


def test_up_preview_and_no_change(stack: PolicyStack, fleet: StandInFleet) -> None:
    printed = [stack.printed, stack.preview(), stack.deploy()]
    assert "site one.test: added" in printed[1]
    outputs = json.loads(stack.workspace.run("stack", "output", "--json"))
    assert outputs["seen"] == {"number": 1, "serving": True, "silent": []}
    printed += [stack.preview("--expect-no-changes"), stack.preview("--refresh", "--expect-no-changes")]
    stack.given["document"] = document("one.test", "two.test", mode="MITIGATION")
    fleet.settings = [{"host": "one.test", "values": {"mode": "BYPASS"}, "author": "ada", "at": 1, "state": "served"}]
    printed.append(stack.preview())
    for line in (
        "site two.test: added",
        "site one.test: mode RECORD -> MITIGATION",
        "kept: one.test mode is BYPASS, set through the API by ada at 1970-01-01 00:00 UTC; the spec says MITIGATION",
    ):
        assert line in printed[-1]
    assert len(fleet.releases("instance-shop")) == 1
    printed.append(stack.deploy())
    assert fleet.releases("instance-shop")[0].number == 2
    told = "".join((*printed, stack.workspace.run("stack", "export"), *all_files(stack.workspace.folder)))
    for secret in (fleet.keys.signing, fleet.keys.root_key.splitlines()[1], fleet.keys.token):
        assert len(secret) > 20
        assert secret not in told
    assert fleet.keys.signer in told


def all_files(folder: Path) -> Iterator[str]:
    """Whatever state, logs and caches the engine left there."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path.read_text(errors="replace")


def test_refusal_fails_the_up_with_the_machines_words(stack: PolicyStack, fleet: StandInFleet) -> None:
    stack.deploy()
    stack.given["document"] = document("bad.test")
    fleet.machines["a-1"].refuses = lambda doc: "nginx: [emerg] boom" if doc == document("bad.test") else ""
    said = stack.deploy(code=None)
    assert "release 2 of `instance-shop` failed on its canary `a-1`: nginx: [emerg] boom" in said
    assert fleet.releases("instance-shop")[0].rollback_of == 2


def test_killed_plugin_leaves_the_release_at_its_canary(stack: PolicyStack, fleet: StandInFleet) -> None:
    stack.deploy()
    stack.given |= {"document": document("two.test"), "bake": 60}
    stack.hand_over()
    running = stack.workspace.start("up", "--yes", "--skip-preview")
    eventually(lambda: fleet.machines["a-1"].number == 2, within=60)
    plugin = next(one for one in psutil.Process(running.pid).children() if "hdpolicy" in " ".join(one.cmdline()))
    os.kill(plugin.pid, signal.SIGKILL)
    running.communicate(timeout=60)
    assert running.returncode != 0
    halted = fleet.releases("instance-shop")[0]
    assert (halted.number, halted.released) == (2, ("a-1",))
    assert {name for name, machine in fleet.machines.items() if machine.number == 2} == {"a-1"}
    stack.given["document"] = document("one.test")  # put back: the canary must not keep what nobody wants any more
    assert "release 2 stands at a-1" in stack.preview()
    stack.deploy()
    assert {machine.number for machine in fleet.machines.values()} == {3}
