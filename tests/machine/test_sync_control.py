"""An API machine's own policy: where all of them are, and when it says of itself that it serves."""

import json
from pathlib import Path
from typing import Any

import pytest

from hdinfra.agent import look, services
from hdinfra.agent.applier import Applier
from hdinfra.agent.commands import ApplyError, Result
from hdinfra.agent.fields import PolicyError
from hdinfra.agent.hdsync import Daemon
from hdinfra.agent.policy import ControlPolicy, parse

API: dict[str, Any] = {"name": "c1-control-1", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "port": 9000}
CONTROL: dict[str, Any] = {"app": "control", "schema_version": 1, "callers": ["10.64.0.1/32"], "apis": [API]}


def document(**changes: object) -> bytes:
    return json.dumps(CONTROL | changes).encode()


def test_reads_where_the_api_machines_are() -> None:
    policy = parse(document()).policy
    assert isinstance(policy, ControlPolicy)
    assert [(api.name, str(api.ipv4), str(api.ipv6), api.port) for api in policy.apis] == [tuple(API.values())]


def test_a_document_from_before_they_were_named_is_still_read() -> None:
    older = {name: value for name, value in CONTROL.items() if name != "apis"}
    assert parse(json.dumps(older).encode()).policy == parse(document(apis=[])).policy


@pytest.mark.parametrize(
    ("apis", "words"),
    [
        (None, r"control\.apis: None is not a list"),
        ([API] * 17, r"control\.apis: 17 entries; 16 are the most"),
        ([API, API], r"apis: \['c1-control-1'\] occur more than once"),
        ([API | {"name": "a b"}], r"control\.apis\[0\]\.name"),
        ([API | {"ipv4": "2001:db8::1"}], r"control\.apis\[0\]\.ipv4"),
        ([API | {"ipv6": "fe80::1%a b"}], r"control\.apis\[0\]\.ipv6"),
        ([API | {"port": 65_536}], r"control\.apis\[0\]\.port"),
        ([API | {"more": 1}], r"control\.apis\[0\]: keys \['more'\]"),
    ],
    ids=["no list", "too many", "twice", "name", "ipv4", "ipv6", "port", "key"],
)
def test_refuses_places_that_are_none(apis: object, words: str) -> None:
    with pytest.raises(PolicyError, match=f"^{words}"):
        parse(document(apis=apis))


class Management:
    """The API of this machine as its hdsync finds it: `status` of /v1/ready, 0 when nothing answers."""

    def __init__(self) -> None:
        self.status = 503

    def status_of(self, port: int, path: str, _host: str) -> int:
        assert (port, path) == (9001, "/v1/ready")
        return self.status


@pytest.fixture
def management(monkeypatch: pytest.MonkeyPatch) -> Management:
    found = Management()
    monkeypatch.setattr(services, "status_of", found.status_of)
    monkeypatch.setattr(services, "_listens", lambda port: port == 9000)
    return found


@pytest.fixture
def applier(tmp_path: Path) -> Applier:
    return Applier(lambda _: Result(0, ""), tmp_path)


def test_an_api_that_is_not_ready_holds_up_no_policy(applier: Applier, management: Management) -> None:
    applied = applier.apply(document(), 0)
    assert look.current(applier) == applied.document
    assert set(applier.programs(applied.document).values()) == {True}
    management.status = 0
    with pytest.raises(ApplyError, match="ManagementService does not serve"):
        applier.apply(document(callers=[]), 0)


def test_an_api_machine_says_that_it_serves_once_it_is_ready(tmp_path: Path, management: Management) -> None:
    daemon = Daemon(tmp_path, lambda _: Result(0, ""))
    daemon.applier.apply(document(), 0)
    assert (daemon.report()["serving"], daemon.status()["serving"]) == (False, False)
    management.status = 200
    assert (daemon.report()["serving"], daemon.status()["serving"]) == (True, True)
