"""An edge's stack under the real engine, with stand-ins for Cloudflare and Kubernetes: one site's maintenance touches
that site's pool alone, and nothing is ever made anew."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.engine.conftest import EngineWorkspace
from tests.model.cloudflare_specs import EDGE
from tests.model.legal import Change, setting

ROOT = Path(__file__).parents[2]
ASKED = "cloudflare:index/getZeroTrustTunnelCloudflaredToken:getZeroTrustTunnelCloudflaredToken"
SECRETS = {"token": "token of a tunnel", "api": "token of the account", "kubeconfig": "way to a cluster"}
NAMED = {"metadata": {"name": "{name}-0a1b2c", "namespace": "edge"}}
OUTPUTS = {"kubernetes:core/v1:Secret": NAMED, "kubernetes:core/v1:ServiceAccount": NAMED}


class EdgeStack:
    """The project's own program and settings; its spec is stacks/test.yaml."""

    def __init__(self, workspace: EngineWorkspace) -> None:
        self.workspace = workspace
        self.spec = workspace.project / "stacks/test.yaml"
        self.spec.parent.mkdir(parents=True)
        for name in ("__main__.py", "zone.py", "byol.py", "edge.py"):
            shutil.copy(ROOT / "stacks" / name, self.spec.parent)
        providers = [{"name": name, "path": str(workspace.provider(name))} for name in ("cloudflare", "kubernetes")]
        settings = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
        text = yaml.safe_dump({**settings, "plugins": {"providers": providers}})
        (workspace.project / "Pulumi.yaml").write_text(text)
        workspace.environment["STANDIN_INVOKES"] = json.dumps({ASKED: {"token": SECRETS["token"]}})
        workspace.environment["STANDIN_OUTPUTS"] = json.dumps(OUTPUTS)

    def tell(self, *changes: Change) -> None:
        """What the spec says from now on."""
        data: dict[str, Any] = json.loads(json.dumps(EDGE))
        for change in (setting("cloudflare.account", "cf"), *changes):
            change(data)
        self.spec.write_text(yaml.safe_dump(data))

    def touched(self, *changes: Change) -> set[tuple[str, str]]:
        """(call, name) of all that one update with these changes asked of the providers."""
        Path(self.workspace.environment["STANDIN_LOG"]).unlink(missing_ok=True)
        self.tell(*changes)
        self.workspace.up()
        calls = self.workspace.calls()
        return {(c["call"], c["urn"].rpartition("::")[2]) for c in calls if c["call"] in {"Create", "Update", "Delete"}}


@pytest.fixture
def stack(engine_workspace: EngineWorkspace) -> EdgeStack:
    """Not up yet; its accounts are set."""
    made = EdgeStack(engine_workspace)
    made.tell()
    engine_workspace.create_stack()
    for account, key, value in (("cf", "token", SECRETS["api"]), ("k8s-hel", "kubeconfig", SECRETS["kubeconfig"])):
        engine_workspace.run("config", "set", "--secret", "--path", f"hdinfra:account-{account}.{key}", value)
    return made


def test_from_the_first_run_to_maintenance_of_a_site(stack: EdgeStack) -> None:
    made = stack.touched()
    assert {call for call, _ in made} == {"Create"}
    assert {"shop-paris-tunnel", "shop-paris-pool", "shop-load-balancer", "shop-helsinki-connectors-pods"} <= {
        name for _, name in made
    }
    assert "unchanged" in stack.workspace.preview("--expect-no-changes")
    before = {name: one.get("id") for name, one in stack.workspace.resources().items()}
    assert stack.touched(setting("failover.pools.1.drained", True)) == {("Update", "shop-helsinki-pool")}
    faster = setting("failover.monitor", {"interval_seconds": 90})
    assert stack.touched(faster) == {("Update", "shop-helsinki-pool"), ("Update", "shop-monitor")}
    assert {name: one.get("id") for name, one in stack.workspace.resources().items()} == before
    state = json.dumps(stack.workspace.deployment())
    assert not [name for name, secret in SECRETS.items() if secret in state]
    outputs = json.loads(stack.workspace.run("stack", "output", "--json", "--show-secrets"))
    assert outputs["tunnel_tokens"] == {"paris": SECRETS["token"]}
    assert outputs["status"]["host"] == "shop.example.com"


def test_a_refused_spec_registers_nothing_and_names_the_rule(stack: EdgeStack) -> None:
    stack.tell(setting("tunnels.0.connectors.1.machine", "iron-1"))
    said = stack.workspace.up(code=1)
    assert "edge.connectors" in said and "tunnels[0].connectors" in said
    assert "Traceback" not in said
    assert stack.workspace.calls() == []
