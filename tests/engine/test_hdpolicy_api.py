"""The API's client: whom it believes, what it says when it cannot, and that it holds nobody up."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from hdinfra.plugins.kind import PluginError
from hdinfra.plugins.policy import api as api_module
from hdinfra.plugins.policy.api import Api, ApiRefusedError, ApiUnreachableError, Endpoint, UnverifiedApi
from hdinfra.plugins.policy.plane import ControlPlane
from tests.engine.policy_api import TOKEN, ZONE, StackKeys, StandInApi, StandInFleet, serving_api
from tests.machine.sync_stack import eventually


@pytest.fixture(scope="module")
def keys() -> StackKeys:
    return StackKeys.made()


@pytest.fixture
def served(keys: StackKeys, tmp_path: Path) -> Iterator[StandInApi]:
    with ExitStack() as stack:
        yield stack.enter_context(serving_api(StandInFleet(keys), "api-1", tmp_path))


@pytest.fixture
def silent() -> Iterator[Endpoint]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield Endpoint("mute", "127.0.0.1", listening.getsockname()[1])


def test_answers_are_objects_and_the_connection_is_kept(served: StandInApi, keys: StackKeys) -> None:
    api = Api(Endpoint.of(served.endpoint), keys.root, TOKEN)
    assert api.get("/v1/machines") == {"machines": []}
    kept = api._connection
    assert api.get("/v1/machines") == {"machines": []}
    assert kept is not None
    assert api._connection is kept
    api.close()


def test_idle_connection_that_the_server_dropped_costs_nothing(served: StandInApi, keys: StackKeys) -> None:
    api = Api(Endpoint.of(served.endpoint), keys.root, TOKEN)
    api.get("/v1/machines")
    assert api._connection is not None
    api._connection.sock.shutdown(socket.SHUT_RDWR)
    assert api.get("/v1/machines") == {"machines": []}
    api.close()


def test_a_post_is_never_sent_on_a_connection_that_may_be_dead(served: StandInApi, keys: StackKeys) -> None:
    api = Api(Endpoint.of(served.endpoint), keys.root, TOKEN)
    api.get("/v1/machines")
    before = api._connection
    with pytest.raises(ApiRefusedError, match=r"path\.unknown"):
        api.post("/v1/tokens", {"name": "ci"})
    assert api._connection is not before
    assert served.fleet.asked.count("POST /v1/tokens") == 1
    api.close()


def test_no_is_told_with_status_and_code(served: StandInApi, keys: StackKeys) -> None:
    with pytest.raises(ApiRefusedError) as caught:
        Api(Endpoint.of(served.endpoint), keys.root, "wrong").get("/v1/machines")
    assert (caught.value.status, caught.value.code, caught.value.message) == (401, "token.unknown", "who are you?")


@pytest.mark.parametrize(
    ("change", "message"),
    [({"name": "api-2"}, "Hostname mismatch"), ({"port": 9}, "refused")],
)
def test_whoever_is_not_the_named_machine_is_not_reached(
    served: StandInApi, keys: StackKeys, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ApiUnreachableError, match=message):
        Api(Endpoint.of(served.endpoint | change), keys.root, TOKEN).get("/v1/machines")


def test_another_root_is_not_believed_and_no_root_is_said(served: StandInApi) -> None:
    with pytest.raises(ApiUnreachableError, match="certificate verify failed"):
        Api(Endpoint.of(served.endpoint), StackKeys.made().root, TOKEN).get("/v1/machines")
    with pytest.raises(PluginError, match="no certificate"):
        Api(Endpoint.of(served.endpoint), "-----BEGIN nonsense", TOKEN)


def test_the_unverified_client_carries_no_token(served: StandInApi) -> None:
    with pytest.raises(ApiRefusedError, match=r"bootstrap\.done"):
        UnverifiedApi(Endpoint.of(served.endpoint)).get("/v1/bootstrap")
    with pytest.raises(ApiRefusedError, match=r"token\.unknown"):
        UnverifiedApi(Endpoint.of(served.endpoint)).get("/v1/machines")


def test_not_ready_is_not_a_no(served: StandInApi, keys: StackKeys) -> None:
    served.answer = lambda *_: (502, {})  # type: ignore[method-assign]
    with pytest.raises(ApiUnreachableError, match="answered 502"):
        Api(Endpoint.of(served.endpoint), keys.root, TOKEN).get("/v1/machines")


def test_endless_answers_are_cut_off(served: StandInApi, keys: StackKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "_MAX_BYTES", 1000)
    served.answer = lambda *_: (200, {"machines": ["x" * 1000]})  # type: ignore[method-assign]
    with pytest.raises(ApiUnreachableError, match="more than 1,000 bytes"):
        Api(Endpoint.of(served.endpoint), keys.root, TOKEN).get("/v1/machines")


def test_mute_machine_is_given_up_in_time(silent: Endpoint, keys: StackKeys) -> None:
    begun = time.monotonic()
    with pytest.raises(ApiUnreachableError, match="timed out"):
        Api(silent, keys.root, TOKEN, timeout=0.3).get("/v1/machines")
    assert time.monotonic() - begun < 2


def test_one_mute_machine_holds_up_neither_this_question_nor_the_next(
    served: StandInApi, silent: Endpoint, keys: StackKeys
) -> None:
    apis = [Api(Endpoint.of(served.endpoint), keys.root, TOKEN), Api(silent, keys.root, TOKEN, timeout=3)]
    plane, begun, threads = ControlPlane(apis, ZONE, keys.signing), time.monotonic(), threading.active_count()
    for _ in range(10):
        answers = plane.ask(lambda api: api.get("/v1/machines"))
        assert (list(answers.given), list(answers.silent)) == (["api-1"], ["mute"])
    assert time.monotonic() - begun < 2.5
    # One waits at the mute machine, one serves our own kept connection.
    eventually(lambda: threading.active_count() <= threads + 2)
    plane.close()


def test_answers_of_another_shape_count_as_none(served: StandInApi, keys: StackKeys) -> None:
    plane = ControlPlane([Api(Endpoint.of(served.endpoint), keys.root, TOKEN)], ZONE, keys.signing)
    served.answer = lambda *_: (200, {"history": "?", "release": 7})  # type: ignore[method-assign]
    assert plane.standing("edge") is None
    assert "another shape" in plane.last_words()
    plane.close()


def test_ipv6_addresses_are_reached_as_such(keys: StackKeys) -> None:
    with pytest.raises(ApiUnreachableError) as caught:
        Api(Endpoint("api-1", "::1", 9), keys.root, TOKEN).get("/v1/machines")
    assert isinstance(caught.value.__cause__, OSError)
    assert not isinstance(caught.value.__cause__, http.client.InvalidURL)
