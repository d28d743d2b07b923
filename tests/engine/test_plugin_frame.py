"""The gRPC frame of our provider plugins: secrets, unknowns, refusals, failures, Cancel and the process's end."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime import rpc
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from hdinfra.plugins.kind import Call, Difference, InitFailedError, Kind, PluginError, Values
from hdinfra.plugins.shapes import Address, Document, Failure, Many, Number, Record, Table, Text, failures
from hdinfra.plugins.values import SECRET, SIGNATURE, UNKNOWN, UNKNOWN_TEXT, unwrap, wrap
from tests.local.hdlocal_fixtures import Driver, Fault, driven

TOKEN = "toy:index:Lamp"
SAFE = "toy:index:Safe"
LIT = {"colour": "red", "watts": 5, "where": {"room": "hall"}}


@dataclass
class Lamp:
    """A kind that keeps its lamps in memory and remembers what it was told."""

    inputs: ClassVar[Record] = Record({"colour": Text(), "watts": Number(1, 100), "where": Document()})
    outputs: ClassVar[Mapping[str, str]] = {"lit": "boolean"}
    told: list[tuple[str, Values]] = field(default_factory=list)
    fails: BaseException | None = None
    entered: threading.Event = field(default_factory=threading.Event)

    def check(self, inputs: Values) -> Iterable[Failure]:
        return [Failure("colour", "is not sold")] if inputs["colour"] == "octarine" else []

    def preview(self, call: Call, inputs: Values, state: Values | None) -> Values:
        self.told.append(("preview", inputs))
        return {"lit": UNKNOWN}

    def create(self, call: Call, inputs: Values) -> tuple[str, Values]:
        self.told.append(("create", inputs))
        if inputs["colour"] == "slow":
            self.entered.set()
            call.wait_for(lambda: False, within=60, every=0.01)
        if self.fails:
            raise self.fails
        return f"lamp-{call.name}", {"lit": True}

    def read(self, call: Call, resource_id: str, state: Values) -> Values | None:
        return None if resource_id == "stolen" else {"lit": False}

    def diff(self, inputs: Values, state: Values, changed: frozenset[str]) -> Difference:
        return Difference(updates=changed - {"watts"}, replaces=changed & {"watts"}, delete_first=True)

    def update(self, call: Call, resource_id: str, inputs: Values, state: Values) -> Values:
        self.told.append(("update", inputs))
        return {"lit": True}

    def delete(self, call: Call, resource_id: str, state: Values) -> None:
        self.told.append(("delete", state))


@dataclass
class Safe(Lamp):
    """A kind that makes a secret of its own and looks at the world during Diff."""

    outputs: ClassVar[Mapping[str, str]] = {"lit": "boolean", "code": "string"}
    secret_outputs: ClassVar[frozenset[str]] = frozenset({"code"})

    def preview(self, call: Call, inputs: Values, state: Values | None) -> Values:
        return {"lit": True, "code": UNKNOWN if state is None else state["code"]}

    def create(self, call: Call, inputs: Values) -> tuple[str, Values]:
        if self.fails:
            raise self.fails
        return "safe", {"lit": True, "code": "1234"}

    def read(self, call: Call, resource_id: str, state: Values) -> Values | None:
        return {"code": "5678"}

    def look(self, call: Call, inputs: Values, state: Values, changed: frozenset[str]) -> frozenset[str]:
        call.progress(f"looked at {call.name}")
        call.remark(f"{sorted(changed)} would change")
        call.warn("it is dark")
        return frozenset() if state["lit"] else frozenset({"lit"})


@dataclass
class Toys:
    """A package of lamps."""

    lamp: Lamp
    safe: Safe = field(default_factory=Safe)
    name: str = "toy"
    version: str = "1.2.3"
    config: Record = field(default_factory=lambda: Record({"house": Text(r"[a-z]+", "a lower case word")}))
    config_replaces: frozenset[str] = frozenset({"house"})
    world_failures: tuple[type[BaseException], ...] = (ConnectionError,)

    def configure(self, config: Values) -> Mapping[str, Kind]:
        return {TOKEN: self.lamp, SAFE: self.safe}


@pytest.fixture
def lamp() -> Lamp:
    return Lamp()


@pytest.fixture
def toys(lamp: Lamp) -> Iterator[Driver]:
    with driven(Toys(lamp)) as driver:
        assert driver.configure(house="ours") == []
        yield driver


def test_secret_is_plain_to_the_kind_and_wrapped_again(toys: Driver, lamp: Lamp) -> None:
    resource_id, state, secrets = toys.create(TOKEN, "a", LIT, secrets=("where",))
    assert lamp.told == [("create", LIT)]
    assert (resource_id, state, secrets) == ("lamp-a", LIT | {"lit": True}, {"where"})


def test_what_is_born_secret_is_hidden_wherever_it_shows(toys: Driver) -> None:
    assert toys.preview(SAFE, "a", LIT)[1] == {"code"}
    _, state, secrets = toys.create(SAFE, "a", LIT)
    assert (state["code"], secrets) == ("1234", {"code"})
    read = provider_pb2.ReadRequest(id="x", urn=f"urn:pulumi:s::p::{SAFE}::a", properties=wrap(state), inputs=wrap(LIT))
    assert unwrap(toys.stub.Read(read).properties) == (state | {"code": "5678"}, frozenset({"code"}))
    update = provider_pb2.UpdateRequest(
        id="x", urn=f"urn:pulumi:s::p::{SAFE}::a", olds=wrap(state), news=wrap(LIT), preview=True
    )
    assert unwrap(toys.stub.Update(update).properties)[1] == {"code"}


def test_what_is_born_secret_is_hidden_when_making_it_failed(lamp: Lamp) -> None:
    safe = Safe(fails=InitFailedError("safe", {"code": "1234"}, ["jammed"]))
    with driven(Toys(lamp, safe)) as toys, pytest.raises(Fault) as caught:
        toys.configure(house="ours")
        toys.create(SAFE, "a", LIT)
    assert unwrap(caught.value.failed.properties)[1] == {"code"}


def test_a_kind_may_look_during_diff_and_say_what_it_saw(toys: Driver) -> None:
    said: list[tuple[str, str, str]] = []
    for way in ("info", "remark", "warn"):
        setattr(toys.frame._log, way, lambda urn, message, way=way: said.append((way, urn[-1], message)))
    assert toys.diff(SAFE, LIT | {"lit": True}, LIT, LIT) == (set(), set(), False)
    assert toys.diff(SAFE, LIT | {"lit": False}, LIT, LIT | {"colour": "blue"}) == ({"colour", "lit"}, set(), False)
    assert said[3:] == [
        ("info", "x", "looked at x"),
        ("remark", "x", "['colour'] would change"),
        ("warn", "x", "it is dark"),
    ]


def test_secret_deep_inside_makes_its_property_secret() -> None:
    struct = wrap({"a": {"b": [1]}, "c": 2})
    struct["a"]["b"] = [{"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "hush"}]
    assert unwrap(struct) == ({"a": {"b": ["hush"]}, "c": 2}, frozenset({"a"}))


def test_whole_numbers_come_back_whole_and_others_stay() -> None:
    values = unwrap(wrap({"a": 3, "b": 0.5, "c": [4], "d": True}))[0]
    assert json.dumps(values, sort_keys=True) == '{"a": 3, "b": 0.5, "c": [4], "d": true}'


def test_preview_keeps_unknowns_and_makes_nothing(toys: Driver, lamp: Lamp) -> None:
    seen, secrets = toys.preview(TOKEN, "a", LIT | {"colour": UNKNOWN}, secrets=("where",))
    assert secrets == {"where"}
    assert (seen["colour"], seen["lit"], seen["watts"]) == (UNKNOWN, UNKNOWN, 5)
    assert [deed for deed, _ in lamp.told] == ["preview"]


def test_check_names_every_wrong_property(toys: Driver) -> None:
    wrong = {"colour": 7, "watts": 101, "shape": "round"}
    assert toys.check(TOKEN, wrong) == [
        ("shape", "`shape` is not known here; known are colour, watts, where"),
        ("colour", "`colour` must be a string, found 7"),
        ("watts", "`watts` must be a whole number from 1 to 100, found 101"),
        ("where", "`where` is missing"),
    ]
    assert toys.check(TOKEN, LIT | {"colour": "octarine"}) == [("colour", "`colour` is not sold")]


def test_wrong_configuration_is_refused(toys: Driver) -> None:
    assert toys.configure(house="Ours", garden="x") == [
        ("garden", "`garden` is not known here; known are house"),
        ("house", "`house` must be a lower case word, found a str"),
    ]


def test_diff_separates_what_replaces_and_sees_unknowns(toys: Driver) -> None:
    assert toys.diff(TOKEN, LIT, LIT, LIT) == (set(), set(), False)
    assert toys.diff(TOKEN, LIT, LIT, LIT | {"colour": UNKNOWN}) == ({"colour"}, set(), False)
    assert toys.diff(TOKEN, LIT, LIT, LIT | {"colour": "blue", "watts": 6}) == ({"colour"}, {"watts"}, True)


def test_read_tells_gone_from_changed(toys: Driver) -> None:
    assert toys.read(TOKEN, "a", "stolen", LIT) is None
    assert toys.read(TOKEN, "a", "lamp-a", LIT | {"lit": True}) == LIT | {"lit": False}


def test_update_and_delete_reach_the_kind(toys: Driver, lamp: Lamp) -> None:
    assert toys.update(TOKEN, "a", "lamp-a", LIT, LIT | {"colour": "blue"})["colour"] == "blue"
    toys.delete(TOKEN, "a", "lamp-a", LIT)
    assert [deed for deed, _ in lamp.told] == ["update", "delete"]


@pytest.mark.parametrize(
    ("fails", "code", "message"),
    [
        (PluginError("the bulb is missing"), "FAILED_PRECONDITION", "the bulb is missing"),
        (ConnectionRefusedError("no mains"), "UNAVAILABLE", "ConnectionRefusedError: no mains"),
    ],
)
def test_failure_is_one_clear_message(toys: Driver, lamp: Lamp, fails: Exception, code: str, message: str) -> None:
    lamp.fails = fails
    with pytest.raises(Fault) as caught:
        toys.create(TOKEN, "a", LIT)
    assert (caught.value.code, caught.value.message, caught.value.failed) == (code, message, None)


def test_init_failure_keeps_id_properties_reasons_and_secrets(toys: Driver, lamp: Lamp) -> None:
    lamp.fails = InitFailedError("lamp-a", {"lit": False}, ["flickers", "smells"])
    with pytest.raises(Fault) as caught:
        toys.create(TOKEN, "a", LIT, secrets=("where",))
    failed = caught.value.failed
    assert (failed.id, list(failed.reasons)) == ("lamp-a", ["flickers", "smells"])
    assert unwrap(failed.properties) == (LIT | {"lit": False}, frozenset({"where"}))
    assert unwrap(failed.inputs) == (LIT, frozenset({"where"}))


def test_cancel_ends_work_under_way(toys: Driver, lamp: Lamp) -> None:
    faults: list[str] = []

    def create() -> None:
        try:
            toys.create(TOKEN, "a", LIT | {"colour": "slow"})
        except Fault as fault:
            faults.append(fault.message)

    work = threading.Thread(target=create)
    work.start()
    assert lamp.entered.wait(10)
    toys.cancel()
    work.join(timeout=10)
    assert faults == ["`a`: cancelled"]


def test_unknown_type_is_named(toys: Driver) -> None:
    with pytest.raises(Fault) as caught:
        toys.check("toy:index:Sofa", {})
    assert caught.value.message == "there is no `toy:index:Sofa` here; known is toy:index:Lamp, toy:index:Safe"


def test_schema_follows_from_the_shapes(toys: Driver) -> None:
    schema = json.loads(toys.schema())
    assert (schema["name"], schema["version"]) == ("toy", "1.2.3")
    lamp = schema["resources"][TOKEN]
    assert lamp["requiredInputs"] == ["colour", "watts", "where"]
    assert lamp["properties"]["lit"] == {"type": "boolean"}


SHAPES = Record(
    {"net": Address(4, network=True), "at": Address(6), "words": Many(Text("[a-z]+", "a word")), "t": Table(Text())}
)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"net": "10.0.0.1/8"}, "net"),
        ({"net": "fd00::/64"}, "net"),
        ({"at": "fd00::zz"}, "at"),
        ({"words": ["ok", "two\nlines"]}, "words[1]"),
        ({"words": "ok"}, "words"),
        ({"t": {"a": 1}}, "t.a"),
        ({"t": []}, "t"),
    ],
)
def test_shape_names_the_path_of_what_is_wrong(change: dict[str, Any], path: str) -> None:
    right = {"net": "10.0.0.0/8", "at": "fd00::1", "words": ["ok"], "t": {"a": "b"}}
    assert list(failures(SHAPES, right)) == []
    assert [found.path for found in failures(SHAPES, right | change)] == [path]


def test_refusal_shows_no_value_that_may_be_secret() -> None:
    assert "hush" not in str(list(failures(Record({"a": Number(1, 2)}), {"a": "hush"})))


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    """The local cloud's plugin as the engine starts it."""
    argv = [sys.executable, "-m", "hdinfra.plugins.local", "127.0.0.1:1"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        yield started
        started.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_plugin_prints_its_port_and_ends_quietly(process: subprocess.Popen[str], number: int) -> None:
    assert process.stdout is not None
    port = int(process.stdout.readline())
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        assert stub.GetPluginInfo(empty_pb2.Empty(), timeout=20).version == "0.1.0"
        shake = stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address="127.0.0.1:1"), timeout=20)
        assert shake.accept_secrets is True
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")


def test_plugin_ends_when_its_engine_was_killed() -> None:
    """The engine is played by a shell that starts the plugin and is killed."""
    script = f"{sys.executable} -m hdinfra.plugins.local & echo $!; wait"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        plugin = int(engine.stdout.readline())
        assert int(engine.stdout.readline()) > 0
        engine.kill()
        # The pipe ends when its last writer, the plugin, has ended.
        ended = threading.Thread(target=engine.stdout.read)
        ended.start()
        ended.join(timeout=20)
        alive = ended.is_alive()
        if alive:
            os.kill(plugin, signal.SIGKILL)
        ended.join()
    assert not alive


def test_the_marks_are_the_engines_own() -> None:
    assert (rpc._special_sig_key, rpc._special_secret_sig, rpc.UNKNOWN) == (SIGNATURE, SECRET, UNKNOWN_TEXT)


def test_a_plugins_own_process_imports_the_messages_alone() -> None:
    program = (
        "import sys; from hdinfra.plugins.messages import leave_out_the_sdk; leave_out_the_sdk();"
        "import hdinfra.plugins.serve;"
        "print('pulumi.resource' in sys.modules, 'pulumi.runtime.settings' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False False\n"
