"""stacks/ under the real engine, with a stand-in for the local cloud: from the first run to the end."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.engine.conftest import EngineWorkspace
from tests.engine.zone_stack import ZoneStack
from tests.graph.specs import LOCAL, with_site

STACK = "hdinfra-test"
RESOURCES = 52
COMPONENTS = 10
PROVIDERS = 8
POLICIES = {"instance-web-policy", "edge-policy"}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first stack that is up is kept, for the tests that begin with one."""
    return tmp_path_factory.mktemp("zone-stack") / "kept"


@pytest.fixture
def fresh(engine_workspace: EngineWorkspace) -> ZoneStack:
    """A stack that never ran."""
    stack = ZoneStack(engine_workspace)
    stack.write()
    stack.spec.write_text(LOCAL)
    engine_workspace.create_stack()
    return stack


@pytest.fixture
def deployed(engine_workspace: EngineWorkspace, shelf: Path) -> ZoneStack:
    """stacks/local.yaml, up. The first run is done once and its files copied for each further test."""
    stack = ZoneStack(engine_workspace)
    parts = [(engine_workspace.folder / name, shelf / name) for name in ("backend", "project")]
    if shelf.exists():
        for mine, kept in parts:
            shutil.copytree(kept, mine, dirs_exist_ok=True)
        stack.write()
        engine_workspace.run("stack", "select", "test")
        return stack
    stack.write()
    stack.spec.write_text(LOCAL)
    engine_workspace.create_stack()
    engine_workspace.up()
    for mine, kept in parts:
        shutil.copytree(mine, kept)
    stack.forget_calls()
    return stack


def test_first_up_makes_all_and_the_next_preview_changes_nothing(fresh: ZoneStack) -> None:
    said = fresh.workspace.up()
    assert f"+ {RESOURCES + 1} created" in said
    assert len([call for call, _ in fresh.touched() if call == "Create"]) == RESOURCES - COMPONENTS - PROVIDERS
    assert f"{RESOURCES + 1} unchanged" in fresh.workspace.preview("--expect-no-changes")


def test_outputs_say_where_to_look(deployed: ZoneStack) -> None:
    status = deployed.output("status")
    assert status["zone"] == "local" and status["namespace"] == STACK
    assert status["edge"]["urls"] == ["http://127.0.0.1:8080", "http://127.0.0.1:8081"]
    found = {cluster["name"]: [machine["name"] for machine in cluster["machines"]] for cluster in status["clusters"]}
    assert found == {"a": ["a-web-1"], "b": ["b-web-1"]}
    assert {(site["host"], site["mode"]) for site in status["sites"]} == {
        ("shop.acme.test", "MITIGATION"),
        ("blog.globex.test", "RECORD"),
    }


def test_user_data_is_not_in_the_state(deployed: ZoneStack) -> None:
    machines = [r for r in deployed.workspace.resources().values() if r["type"] == "hdlocal:index:Machine"]
    assert len(machines) == 9
    for machine in machines:
        for part in ("inputs", "outputs"):
            assert set(machine[part]["userData"]) >= {"ciphertext"}
    assert "#cloud-config" not in json.dumps(deployed.workspace.deployment())


def test_a_new_site_updates_policies_and_certificates_only(deployed: ZoneStack) -> None:
    deployed.spec.write_text(with_site())
    deployed.workspace.up()
    assert deployed.touched() == {
        ("Update", name) for name in {*POLICIES, "edge-certificates", "lab-globex-blog-policy"}
    }


def test_a_machine_made_anew_gets_its_policy_again(deployed: ZoneStack) -> None:
    deployed.answer(generation="second")
    urn = deployed.workspace.resources()["a-web-1"]["urn"]
    deployed.workspace.up("--replace", urn)
    assert ("Create", "a-web-1") in deployed.touched()
    assert {name for call, name in deployed.touched() if call == "Update"} == {"instance-web-policy"}


def test_a_dead_cluster_can_be_left_out(deployed: ZoneStack) -> None:
    """A site changes while a's provider cannot be reached: everything but a's own resources follows."""
    deployed.spec.write_text(with_site())
    deployed.workspace.up("--exclude", "**::a-provider", "--exclude", "**::a-*")
    names = {name for _, name in deployed.touched()}
    assert names == {*POLICIES, "edge-certificates", "lab-globex-blog-policy"}


def test_a_refused_spec_registers_nothing(fresh: ZoneStack) -> None:
    broken = LOCAL.replace("area: lab", "area: mars").replace("host: blog.globex.test", "host: shop.acme.test")
    fresh.spec.write_text(broken)
    said = fresh.workspace.up(code=1)
    assert "test.yaml is refused; nothing was changed." in said
    assert "zone.area" in said and "site.duplicate-host" in said and "fix: " in said
    assert "Traceback" not in said
    assert fresh.touched() == set()
    assert set(fresh.workspace.resources()) == {STACK}
    assert not fresh.lock.exists()


def test_a_refused_change_leaves_the_stack_as_it_is(deployed: ZoneStack) -> None:
    before, names = deployed.output("held"), deployed.workspace.resources().keys()
    deployed.spec.write_text(LOCAL.replace("area: lab", "area: mars"))
    assert "zone.area" in deployed.workspace.up(code=1)
    assert deployed.touched() == set()
    assert deployed.output("held") == before
    assert deployed.workspace.resources().keys() == names


def test_a_stack_without_a_spec_says_so(fresh: ZoneStack) -> None:
    fresh.spec.unlink()
    assert "write stacks/test.yaml" in fresh.workspace.preview(code=1)


def test_a_lost_lock_file_comes_back_from_the_stack(deployed: ZoneStack) -> None:
    before = deployed.lock.read_text()
    deployed.lock.unlink()
    assert "unchanged" in deployed.workspace.preview("--expect-no-changes")
    assert not deployed.lock.exists(), "a preview writes nothing"
    deployed.workspace.up("--expect-no-changes")
    assert deployed.lock.read_text() == before


def test_an_older_lock_file_gives_way_to_what_is_deployed(deployed: ZoneStack) -> None:
    before = yaml.safe_load(deployed.lock.read_text())
    older = {**before, "serial": before["serial"] - 1, "slots": {name: n + 40 for name, n in before["slots"].items()}}
    deployed.lock.write_text(yaml.safe_dump(older))
    said = deployed.workspace.up("--expect-no-changes")
    assert "test.lock.yaml (serial 0) is older than what is deployed (serial 1)" in said
    assert yaml.safe_load(deployed.lock.read_text()) == before
    assert deployed.touched() == set()


def test_destroy_leaves_nothing(deployed: ZoneStack) -> None:
    deployed.workspace.destroy()
    assert deployed.workspace.resources() == {}
    assert len({name for call, name in deployed.touched() if call == "Delete"}) == RESOURCES - COMPONENTS - PROVIDERS


BARE = """
import pulumi

name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": name})
pulumi.CustomResource("hdlocal:index:Network", "bare", {"ipv4": "10.0.0.0/24", "ipv6": "fd00::/64"})
"""


def test_a_resource_without_a_provider_of_its_own_is_refused(fresh: ZoneStack) -> None:
    """Pulumi.yaml says so; the engine's own functions stay."""
    (fresh.spec.parent / "__main__.py").write_text(BARE)
    said = fresh.workspace.up(code=1)
    assert "Default provider for 'hdlocal' disabled" in said and "must use an explicit provider" in said
    assert fresh.touched() == set()
