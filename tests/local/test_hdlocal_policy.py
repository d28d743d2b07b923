"""Policies of the local cloud: handed to the machine's own hdctl (a stand-in here), watched and applied again."""

import hashlib
from typing import Any

import pytest

from hdinfra.plugins.local.console import run
from hdinfra.plugins.local.engine import Engine
from hdinfra.plugins.values import UNKNOWN
from tests.local.hdlocal_fixtures import NAMESPACE, Driver, Fault

NAME = f"{NAMESPACE}-m"
DOCUMENT = {"b": [1, {"é": 0.5}], "a": True}
CANONICAL = b'{"a":true,"b":[1,{"\\u00e9":0.5}]}'
DIGEST = hashlib.sha256(CANONICAL).hexdigest()


@pytest.fixture
def policy(cloud: Driver, inputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs of a policy for a machine that runs."""
    _, machine, _ = cloud.create("Machine", "m", inputs)
    return {"container": machine["container"], "containerId": machine["containerId"], "document": DOCUMENT}


def test_machine_gets_the_canonical_document_for_root_alone(
    cloud: Driver, container_engine: Engine, policy: dict[str, Any]
) -> None:
    _, state, _ = cloud.create("Policy", "p", policy)
    assert (state["digest"], state["serving"]) == (DIGEST, True)
    machine = container_engine.client.containers.get(NAME)
    assert run(machine, ["cat", "/var/lib/hdinfra/policy.json"]).out.encode() == CANONICAL
    assert run(machine, ["stat", "-c", "%a %U", f"/var/lib/hdinfra/inbox/{DIGEST}.json"]).out == "600 root\n"
    assert cloud.read("Policy", "p", "x", state) == state
    assert cloud.diff("Policy", state, policy, policy) == (set(), set(), False)


def test_refused_policy_ends_with_the_validators_words_and_the_old_one_stays(
    cloud: Driver, policy: dict[str, Any]
) -> None:
    _, state, _ = cloud.create("Policy", "p", policy)
    with pytest.raises(Fault) as caught:
        cloud.update("Policy", "p", "x", state, policy | {"document": {"refuse": True}})
    assert "nginx: [emerg] unknown directive" in caught.value.message
    assert cloud.read("Policy", "p", "x", state) == state


def test_drift_is_seen_and_applied_again(cloud: Driver, container_engine: Engine, policy: dict[str, Any]) -> None:
    _, state, _ = cloud.create("Policy", "p", policy)
    machine = container_engine.client.containers.get(NAME)
    run(machine, ["sh", "-c", "echo '{}' > /var/lib/hdinfra/policy.json"])
    seen = cloud.read("Policy", "p", "x", state)
    assert seen is not None
    assert seen["digest"] != DIGEST
    assert cloud.diff("Policy", seen, policy, policy) == ({"digest"}, set(), False)
    assert cloud.update("Policy", "p", "x", seen, policy)["digest"] == DIGEST
    machine.kill()
    seen = cloud.read("Policy", "p", "x", state)
    assert seen is not None
    assert (seen["serving"], cloud.diff("Policy", seen, policy, policy)) == (
        False,
        ({"digest", "serving"}, set(), False),
    )


def test_another_machine_gets_its_policy_again(cloud: Driver, policy: dict[str, Any]) -> None:
    state = policy | {"digest": DIGEST, "serving": True}
    changed = policy | {"containerId": UNKNOWN}
    assert cloud.diff("Policy", state, policy, changed) == ({"containerId"}, set(), False)
    assert cloud.preview("Policy", "p", changed)[0]["digest"] == DIGEST


def test_policy_of_a_machine_that_is_gone(cloud: Driver) -> None:
    gone = {"container": NAME, "containerId": "ab", "document": DOCUMENT}
    with pytest.raises(Fault, match=f"machine `{NAME}` is gone"):
        cloud.create("Policy", "p", gone)
    cloud.delete("Policy", "p", "x", gone)
