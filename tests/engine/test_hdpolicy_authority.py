"""Keys and Authority kinds: what is made, who is certified, and who is not."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from hdinfra.plugins.policy import authority
from hdinfra.plugins.policy.package import PolicyPath
from hdinfra.protocol import certificate, seal
from tests.engine.policy_api import ZONE, StackKeys, StandInApi, StandInFleet, serving_api
from tests.engine.test_hdpolicy_policy import PACE
from tests.local.hdlocal_fixtures import Driver, Fault, driven

KIND, KEYS = "hdpolicy:index:Authority", "hdpolicy:index:Keys"


@pytest.fixture(scope="module")
def keys() -> StackKeys:
    return StackKeys.made()


@pytest.fixture
def api(keys: StackKeys, tmp_path: Path) -> Iterator[StandInApi]:
    with ExitStack() as stack:
        made = stack.enter_context(serving_api(StandInFleet(keys), "a-control-1", tmp_path))
        made.uncertified()
        yield made


@pytest.fixture
def plugin() -> Iterator[Driver]:
    with driven(PolicyPath(PACE)) as driver:
        assert driver.configure() == []
        yield driver


@pytest.fixture
def inputs(keys: StackKeys, api: StandInApi) -> dict[str, Any]:
    return {
        "zone": ZONE,
        "machine": "a-control-1",
        "generation": "1",
        "endpoint": api.endpoint,
        "root": keys.root,
        "rootKey": keys.root_key,
        "signingKey": keys.signing,
    }


def test_keys_are_whole_and_their_secrets_are_born_secret(plugin: Driver) -> None:
    resource_id, state, secrets = plugin.create(KEYS, "keys", {"zone": ZONE})
    assert (resource_id, secrets) == ("test/keys", {"signingKey", "rootKey", "adminToken"})
    assert state["signer"] == seal.public_of(state["signingKey"])
    assert state["tokenHash"] == sha256(state["adminToken"].encode()).hexdigest()
    csr = certificate.request(certificate.new_key(), "m")
    made = certificate.issue_authority(state["root"], state["rootKey"], csr, "m", time.time())
    certificate.check_issued(made, state["root"])
    assert plugin.preview(KEYS, "keys", {"zone": ZONE})[1] == secrets
    assert plugin.read(KEYS, "keys", "test/keys", state) == state
    assert plugin.diff(KEYS, state, {"zone": ZONE}, {"zone": "other"}) == (set(), {"zone"}, False)


def test_machine_is_certified_by_what_its_token_proves(plugin: Driver, api: StandInApi, inputs: dict[str, Any]) -> None:
    resource_id, state, secrets = plugin.create(KIND, "authority", inputs, secrets=("rootKey", "signingKey"))
    assert (resource_id, secrets) == ("test/a-control-1", {"rootKey", "signingKey"})
    certificate.check_issued(state["certificate"], inputs["root"])
    assert state["endsAt"] == certificate.ends_at(state["certificate"])
    assert (api.bootstrap, state["request"][:11]) == (None, "-----BEGIN ")
    assert plugin.diff(KIND, state, inputs, inputs) == (set(), set(), False)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"age": 1000}, "the token of `a-control-1` is 1000 s old"),
        ({"machine": "b-control-1"}, r"`b-control-1` \(control\) answers where `a-control-1`"),
        ({"forged": True}, "does not hold its enrolment token"),
    ],
)
def test_whoever_proves_less_gets_nothing(
    plugin: Driver, api: StandInApi, inputs: dict[str, Any], how: dict[str, Any], message: str
) -> None:
    api.uncertified(**how)
    with pytest.raises(Fault, match=message) as caught:
        plugin.create(KIND, "authority", inputs)
    assert "fix: make the machine anew" in caught.value.message
    assert "PUT /v1/bootstrap" not in api.fleet.asked


def test_a_request_that_was_changed_on_its_way_is_refused(
    plugin: Driver, api: StandInApi, inputs: dict[str, Any]
) -> None:
    assert api.bootstrap is not None
    api.bootstrap["csr"] = certificate.request(certificate.new_key(), "a-control-1")
    with pytest.raises(Fault, match="does not hold its enrolment token"):
        plugin.create(KIND, "authority", inputs)
    api.bootstrap = {"hello": "world"}
    with pytest.raises(Fault, match="in a way that is not known here"):
        plugin.create(KIND, "authority", inputs)


def test_certified_before_the_state_was_written_is_fine(plugin: Driver, inputs: dict[str, Any]) -> None:
    first = plugin.create(KIND, "authority", inputs)[1]
    again = plugin.create(KIND, "authority", inputs)[1]
    assert again["certificate"] == first["certificate"]
    renamed = inputs | {"generation": "2"}
    assert plugin.update(KIND, "authority", "x", first, renamed)["request"] == first["request"]


def test_another_stacks_api_machine_is_not_ours(plugin: Driver, inputs: dict[str, Any]) -> None:
    plugin.create(KIND, "authority", inputs)
    with pytest.raises(Fault, match="certificate verify failed"):
        plugin.create(KIND, "authority", inputs | {"root": StackKeys.made().root})


def test_authority_that_ends_soon_is_renewed_for_the_same_key(
    plugin: Driver, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = plugin.create(KIND, "authority", inputs)[1]
    monkeypatch.setattr(authority, "RENEW_SECONDS", 500 * 86_400)
    assert plugin.diff(KIND, state, inputs, inputs) == ({"endsAt"}, set(), False)
    renewed = plugin.update(KIND, "authority", "x", state, inputs)
    assert renewed["certificate"] != state["certificate"]
    assert certificate.key_id(renewed["certificate"]) == certificate.key_id(state["certificate"])
    with pytest.raises(Fault, match="its request is lost"):
        plugin.update(KIND, "authority", "x", state | {"request": ""}, inputs)


def test_machine_that_does_not_answer_is_named_with_its_last_words(plugin: Driver, inputs: dict[str, Any]) -> None:
    with pytest.raises(Fault, match=r"`a-control-1` gave no usable answer within 1.5 s: .*refused"):
        plugin.create(KIND, "authority", inputs | {"endpoint": inputs["endpoint"] | {"port": 9}})
