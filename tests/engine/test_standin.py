"""The stand-in provider: differences by the table, answers from the environment, and a world that is gone."""

import json
from collections.abc import Callable
from typing import Any, NoReturn

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2
from pulumi.runtime.rpc import UNKNOWN

from hdinfra.testing.wire import SECRET, SIGNATURE, message_of, plain
from tests.engine.conftest import EngineWorkspace
from tests.engine.replacements import change, changed_paths, is_stateful
from tests.engine.standin import StandIn

INSTANCE = "aws:ec2/instance:Instance"
SERVER = "hcloud:index/server:Server"
FIREWALL = "hcloud:index/firewall:Firewall"
MACHINE = "hdlocal:index:Machine"


class Refused(Exception):
    """A call that the stand-in ended."""


class Context:
    """Where a call is ended."""

    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        raise Refused(f"{code.name}: {details}")


def urn(kind: str, name: str) -> str:
    return f"urn:pulumi:test::project::hdinfra:index:Zone${kind}::{name}"


def asked(kind: str, old: dict[str, Any], new: dict[str, Any]) -> Any:
    """The answer to Diff."""
    request = provider_pb2.DiffRequest(urn=urn(kind, "a"), old_inputs=message_of(old), news=message_of(new))
    return StandIn(kind.partition(":")[0]).Diff(request, Context())


def test_paths_of_what_differs() -> None:
    old = {"same": 1, "tags": {"a": "1", "b": "2"}, "disks": [{"kind": "x", "size": 1}], "gone": True}
    new = {"same": 1, "tags": {"a": "1", "b": "3"}, "disks": [{"kind": "x", "size": 2}], "come": [1]}
    assert list(changed_paths(old, new)) == ["come", "disks.size", "gone", "tags.b"]
    assert list(changed_paths({"disks": [1]}, {"disks": [1, 2]})) == ["disks"]


@pytest.mark.parametrize(
    ("kind", "old", "new", "replaces"),
    [
        (INSTANCE, {"ami": "a", "tags": {"x": "1"}}, {"ami": "b", "tags": {"x": "1"}}, ["ami"]),
        (INSTANCE, {"tags": {"x": "1"}}, {"tags": {"x": "2"}}, []),
        (INSTANCE, {"rootBlockDevice": {"volumeSize": 8}}, {"rootBlockDevice": {"volumeSize": 9}}, []),
        (INSTANCE, {"rootBlockDevice": {"encrypted": True}}, {"rootBlockDevice": {}}, ["rootBlockDevice"]),
        (INSTANCE, {}, {"rootBlockDevice": {"encrypted": True}}, ["rootBlockDevice"]),
        (INSTANCE, {"userData": "1"}, {"userData": "2"}, []),
        (INSTANCE, {"userData": "1"}, {"userData": "2", "userDataReplaceOnChange": True}, ["userData"]),
        (INSTANCE, {"subnetId": "s-1"}, {"subnetId": UNKNOWN}, ["subnetId"]),
        (SERVER, {"serverType": "cx22"}, {"serverType": "cx32"}, []),
        (SERVER, {"labels": {}, "image": "1"}, {"labels": {"a": "b"}, "image": "2"}, ["image"]),
        (FIREWALL, {"rules": [{"port": "80"}]}, {"rules": [{"port": "80"}, {"port": "443"}]}, []),
        (MACHINE, {"networks": [{"ipv4": "10.0.0.1"}]}, {"networks": [{"ipv4": "10.0.0.2"}]}, ["networks"]),
    ],
)
def test_differences_are_those_of_the_table(
    kind: str, old: dict[str, Any], new: dict[str, Any], replaces: list[str]
) -> None:
    answer = asked(kind, old, new)
    assert answer.changes == answer.DIFF_SOME and answer.diffs
    assert list(answer.replaces) == replaces


def test_what_nobody_knows_counts_as_replaced() -> None:
    assert list(asked("aws:lb/listener:Listener", {"port": 80}, {"port": 81}).replaces) == ["port"]
    assert list(asked(INSTANCE, {}, {"notOfTheSdk": 1}).replaces) == ["notOfTheSdk"]


def test_what_counts_at_the_first_boot_only_is_no_difference() -> None:
    answer = asked(MACHINE, {"userData": "1"}, {"userData": "2"})
    assert (answer.changes, list(answer.diffs), list(answer.replaces)) == (answer.DIFF_NONE, [], [])


def test_a_type_that_the_table_lacks_is_updated() -> None:
    answer = asked("elsewhere:index:Thing", {"a": 1}, {"a": 2})
    assert (list(answer.diffs), list(answer.replaces)) == (["a"], [])


def test_a_secret_differs_by_its_value() -> None:
    wrapped = {"userData": {SIGNATURE: SECRET, "value": "one"}}
    assert asked(SERVER, wrapped, {"userData": "one"}).changes == provider_pb2.DiffResponse.DIFF_NONE
    assert list(asked(SERVER, wrapped, {"userData": {SIGNATURE: SECRET, "value": "two"}}).replaces) == ["userData"]


def test_a_name_that_the_program_gives_is_free_only_when_the_old_one_is_gone() -> None:
    assert change(SERVER, {"name": "a", "image": "1"}, {"name": "a", "image": "2"}).delete_first
    assert not change(SERVER, {"name": "a", "image": "1"}, {"name": "b", "image": "2"}).delete_first
    assert not change(INSTANCE, {"ami": "1"}, {"ami": "2"}).delete_first
    assert change(MACHINE, {"image": "1"}, {"image": "2"}).delete_first


def test_what_holds_state_is_known_by_its_type() -> None:
    assert is_stateful("hcloud:index/volume:Volume")
    assert not is_stateful(SERVER) and not is_stateful("elsewhere:index:Thing")


def created(package: str, kind: str, name: str, *, preview: bool = False) -> tuple[str, dict[str, Any]]:
    request = provider_pb2.CreateRequest(urn=urn(kind, name), properties=message_of({"given": 1}), preview=preview)
    answer = StandIn(package).Create(request, Context())
    return answer.id, plain(answer.properties)[0]


def test_outputs_are_told_per_type_and_per_name(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = {SERVER: {"status": "running", "host": "{name}.test"}, f"{SERVER} b-*": {"status": "off"}}
    monkeypatch.setenv("STANDIN_OUTPUTS", json.dumps(outputs))
    assert created("hcloud", SERVER, "a-web")[1] == {"given": 1, "status": "running", "host": "a-web.test"}
    assert created("hcloud", SERVER, "b-web")[1] == {"given": 1, "status": "off", "host": "b-web.test"}
    assert created("hcloud", FIREWALL, "b-web")[1] == {"given": 1}


def test_a_preview_tells_nothing_that_only_the_cloud_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_OUTPUTS", json.dumps({SERVER: {"ipv4Address": "192.0.2.1"}, MACHINE: {"ipv4": "1"}}))
    assert created("hcloud", SERVER, "a", preview=True) == ("", {"given": 1, "ipv4Address": UNKNOWN})
    assert created("hdlocal", MACHINE, "a", preview=True) == ("", {"given": 1, "ipv4": "1"})


def test_a_cloud_gives_another_id_each_time() -> None:
    first, second = (created("hcloud", SERVER, "a")[0] for _ in range(2))
    assert first != second and first.isdecimal()
    first, second = (created("aws", INSTANCE, "a")[0] for _ in range(2))
    assert first != second and first.startswith("a-")
    assert created("hdlocal", MACHINE, "a")[0] == "a"


def test_functions_answer_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_INVOKES", json.dumps({"aws:ec2/getAmi:getAmi": {"id": "ami-1"}}))
    answer = StandIn("aws").Invoke(provider_pb2.InvokeRequest(tok="aws:ec2/getAmi:getAmi"), Context())
    assert plain(getattr(answer, "return"))[0] == {"id": "ami-1"}
    silent = StandIn("aws").Invoke(provider_pb2.InvokeRequest(tok="aws:ec2/getAmi:getAim"), Context())
    assert "no answer for `aws:ec2/getAmi:getAim`" in silent.failures[0].reason


CALLS: dict[str, Callable[[StandIn], object]] = {
    "Configure": lambda it: it.Configure(provider_pb2.ConfigureRequest(), Context()),
    "Create": lambda it: it.Create(provider_pb2.CreateRequest(urn=urn(SERVER, "a")), Context()),
    "Read": lambda it: it.Read(provider_pb2.ReadRequest(), Context()),
    "Update": lambda it: it.Update(provider_pb2.UpdateRequest(urn=urn(SERVER, "a")), Context()),
    "Delete": lambda it: it.Delete(provider_pb2.DeleteRequest(urn=urn(SERVER, "a")), Context()),
    "Invoke": lambda it: it.Invoke(provider_pb2.InvokeRequest(tok="f"), Context()),
}


@pytest.mark.parametrize("call", CALLS)
def test_everything_fails_that_needs_a_world_that_is_down(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_DOWN", "aws,hcloud")
    with pytest.raises(Refused, match="UNAVAILABLE: hcloud is down"):
        CALLS[call](StandIn("hcloud"))
    CALLS[call](StandIn("digitalocean"))


PROGRAM = """
    import os
    import pulumi

    def thing(kind, name, provider, **inputs):
        pulumi.CustomResource(kind, name, inputs, pulumi.ResourceOptions(provider=provider))

    mark = os.environ["MARK"]
    a = pulumi.ProviderResource("aws", "a-provider", {})
    b = pulumi.ProviderResource("hcloud", "b-provider", {})
    ami = "ami-1"
    if "LOOKUP" in os.environ:
        ami = pulumi.runtime.invoke("aws:ec2/getAmi:getAmi", {}, pulumi.InvokeOptions(provider=a)).value["id"]
    thing("aws:ec2/instance:Instance", "a-web", a, ami=ami, tags={"is": mark})
    thing("hcloud:index/server:Server", "b-web", b, image=os.environ["IMAGE"], labels={"is": mark})
"""


@pytest.fixture
def two_clouds(engine_workspace: EngineWorkspace) -> EngineWorkspace:
    """One machine in each of two clouds, up."""
    engine_workspace.environment |= {"MARK": "1", "IMAGE": "1"}
    engine_workspace.write(PROGRAM, packages=("aws", "hcloud"))
    engine_workspace.create_stack()
    engine_workspace.up()
    return engine_workspace


def test_the_engine_plans_by_the_table(two_clouds: EngineWorkspace) -> None:
    two_clouds.environment["MARK"] = "2"
    assert "~ 2 to update" in two_clouds.preview()
    answer = {"aws:ec2/getAmi:getAmi": {"id": "ami-2"}}
    two_clouds.environment |= {"IMAGE": "2", "LOOKUP": "1", "STANDIN_INVOKES": json.dumps(answer)}
    said = two_clouds.preview()
    assert "+-2 to replace" in said and "to update" not in said


def test_what_the_dead_cloud_holds_stays_and_the_others_follow(two_clouds: EngineWorkspace) -> None:
    before = two_clouds.resources()["a-web"]
    two_clouds.environment |= {"MARK": "2", "STANDIN_DOWN": "aws"}
    assert "aws is down" in two_clouds.up(code=1)
    two_clouds.up("--refresh", "--exclude", "**::a-provider", "--exclude", "**::a-*")
    after = two_clouds.resources()
    assert (after["a-web"]["id"], after["a-web"]["inputs"]) == (before["id"], before["inputs"])
    assert after["b-web"]["inputs"]["labels"] == {"is": "2"}
    assert not [call for call in two_clouds.calls() if call["call"] == "Delete"]


def test_a_look_up_at_a_dead_cloud_ends_the_whole_program(two_clouds: EngineWorkspace) -> None:
    """Which is why adapters take image ids from the plan and ask no cloud: `--exclude` does not help here."""
    two_clouds.environment |= {"MARK": "2", "LOOKUP": "1", "STANDIN_DOWN": "aws"}
    said = two_clouds.up("--refresh", "--exclude", "**::a-provider", "--exclude", "**::a-*", code=None)
    assert "invocation of aws:ec2/getAmi:getAmi returned an error: aws is down" in said
    assert two_clouds.resources()["b-web"]["inputs"]["labels"] == {"is": "1"}
