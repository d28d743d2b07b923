"""Machines of the local cloud on the real engine: made, adopted, mended, limited and removed."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from docker.errors import NotFound

from hdinfra.plugins.local.console import run
from hdinfra.plugins.local.engine import Engine
from hdinfra.plugins.values import UNKNOWN
from tests.local.conftest import USER_DATA
from tests.local.hdlocal_fixtures import NAMESPACE, PORT, Driver, Fault, eventually, place, prefixes

NAME = f"{NAMESPACE}-m"
BROKEN = "#cloud-config\nruncmd:\n  - [sh, -c, 'echo the disk of this machine is gone; exit 7']\n"


def test_machine_boots_with_its_addresses_and_answers_in_both_families(
    cloud: Driver, container_engine: Engine, inputs: dict[str, Any]
) -> None:
    resource_id, state, secrets = cloud.create("Machine", "m", inputs, secrets=("userData",))
    other = inputs | {"networks": [place(inputs["networks"][0]["network"], 1, 11)]}
    cloud.create("Machine", "n", other)
    machine = container_engine.client.containers.get(NAME)
    assert resource_id == state["container"] == NAME
    assert (state["containerId"], state["running"], secrets) == (machine.id, True, {"userData"})
    assert run(machine, ["cat", "/etc/greeting"]).out == "hello"
    shown = run(machine, ["ip", "-brief", "addr"]).out
    for address in (state["ipv4"], state["ipv6"]):
        assert f"{address}/" in shown
    neighbour = container_engine.client.containers.get(f"{NAMESPACE}-n")
    serving = ["sh", "-c", "cd /etc/cloud && exec setsid python3 -m http.server --bind :: 80 >/dev/null 2>&1 &"]
    assert run(neighbour, serving).code == 0
    for address in (other["networks"][0]["ipv4"], f"[{other['networks'][0]['ipv6']}]"):
        asked = ["curl", "-sf", "--retry", "20", "--retry-delay", "0", "--retry-connrefused", f"http://{address}/"]
        assert "cloud.cfg" in run(machine, asked).out
    labels = machine.labels
    assert (labels["hdinfra.namespace"], labels["hdinfra.resource"], labels["tenant"]) == (NAMESPACE, "m", "acme")
    assert (labels["hdinfra.project"], labels["hdinfra.stack"], labels["hdinfra.region"]) == ("tests", "unit", "one")


def test_two_networks_are_both_wired(cloud: Driver, container_engine: Engine, inputs: dict[str, Any]) -> None:
    second, _, _ = cloud.create("Network", "wan", prefixes(2))
    both = inputs | {"networks": [*inputs["networks"], place(second, 2, 20)]}
    cloud.create("Machine", "m", both)
    shown = run(container_engine.client.containers.get(NAME), ["ip", "-brief", "addr"]).out
    for wired in both["networks"]:
        assert f"{wired['ipv4']}/" in shown
        assert f"{wired['ipv6']}/" in shown


def test_adopts_its_own_and_makes_another_content_anew(
    cloud: Driver, container_engine: Engine, inputs: dict[str, Any]
) -> None:
    _, first, _ = cloud.create("Machine", "m", inputs)
    container_engine.client.containers.get(NAME).kill()
    _, adopted, _ = cloud.create("Machine", "m", inputs)
    _, anew, _ = cloud.create("Machine", "m", inputs | {"metaData": "instance-id: m2\n"})
    assert adopted["containerId"] == first["containerId"]
    assert anew["containerId"] != first["containerId"]


def test_machine_that_does_not_boot_is_kept_with_its_log_and_mended(
    cloud: Driver, container_engine: Engine, inputs: dict[str, Any]
) -> None:
    with pytest.raises(Fault) as caught:
        cloud.create("Machine", "m", inputs | {"userData": BROKEN, "booted": []})
    failed = caught.value.failed
    first = container_engine.client.containers.get(NAME).id
    assert failed.id == NAME
    assert "the disk of this machine is gone" in failed.reasons[0]
    assert failed.properties["containerId"] == first
    mended = cloud.update("Machine", "m", NAME, inputs, inputs)
    assert mended["running"] is True
    assert mended["containerId"] != first


def test_booted_command_that_fails_is_a_machine_that_does_not_boot(cloud: Driver, inputs: dict[str, Any]) -> None:
    with pytest.raises(Fault) as caught:
        cloud.create("Machine", "m", inputs | {"booted": ["sh", "-c", "echo agent is missing >&2; exit 3"]})
    assert "ended with 3: agent is missing" in caught.value.failed.reasons[0]


@pytest.mark.parametrize("fault", ["kill", "pause", "unplug"])
def test_refresh_sees_a_fault_and_update_heals_it(
    cloud: Driver, container_engine: Engine, inputs: dict[str, Any], fault: str
) -> None:
    _, state, _ = cloud.create("Machine", "m", inputs)
    machine = container_engine.client.containers.get(NAME)
    match fault:
        case "kill":
            machine.kill()
        case "pause":
            machine.pause()
        case _:
            container_engine.client.networks.get(inputs["networks"][0]["network"]).disconnect(machine, force=True)
    seen = cloud.read("Machine", "m", NAME, state)
    assert seen is not None
    assert seen["running"] is False
    assert cloud.diff("Machine", seen, inputs, inputs) == ({"running"}, set(), False)
    healed = cloud.update("Machine", "m", NAME, seen, inputs)
    assert (healed["running"], healed["containerId"]) == (True, state["containerId"])
    assert cloud.read("Machine", "m", NAME, healed) == healed
    assert f"{state['ipv4']}/" in run(machine, ["ip", "-brief", "addr"]).out


def test_removed_machine_is_gone_and_delete_is_idempotent(
    cloud: Driver, container_engine: Engine, inputs: dict[str, Any]
) -> None:
    _, state, _ = cloud.create("Machine", "m", inputs)
    container_engine.client.containers.get(NAME).remove(force=True)
    assert cloud.read("Machine", "m", NAME, state) is None
    cloud.delete("Machine", "m", NAME, state)


def test_limits_change_in_place(cloud: Driver, container_engine: Engine, inputs: dict[str, Any]) -> None:
    _, state, _ = cloud.create("Machine", "m", inputs)
    larger = inputs | {"cpus": 0.5, "memoryMib": 320}
    assert cloud.diff("Machine", state, inputs, larger) == ({"cpus", "memoryMib"}, set(), False)
    updated = cloud.update("Machine", "m", NAME, state, larger)
    assert updated["containerId"] == state["containerId"]
    machine = container_engine.client.containers.get(NAME)
    pid = machine.attrs["State"]["Pid"]
    assert memory_limit(pid) == 320 * 1024 * 1024, Path(f"/proc/{pid}/cgroup").read_text()


def memory_limit(pid: int) -> int:
    """The least that the kernel grants to this process's control group and those around it, in either hierarchy."""
    rows = [row.split(":", 2) for row in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    paths = {controllers: path.lstrip("/") for _, controllers, path in rows}
    v1 = "memory" in paths
    top, name = (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes") if v1 else (Path("/sys/fs/cgroup"), "memory.max")
    )
    group = top / paths["memory" if v1 else ""]
    shown = [(folder / name) for folder in (group, *group.parents) if folder.is_relative_to(top)]
    limits = [limit.read_text().strip() for limit in shown if limit.exists()]  # v2's root has none
    return min(int(limit) for limit in limits if limit.isdigit())


@pytest.mark.parametrize("name", ["image", "networks", "description", "metaData", "booted", "ports"])
def test_what_lies_in_the_making_replaces_and_the_old_goes_first(
    cloud: Driver, inputs: dict[str, Any], name: str
) -> None:
    changed = inputs | {name: [] if isinstance(inputs[name], list) and inputs[name] else "other"}
    assert cloud.diff("Machine", inputs | {"running": True}, inputs, changed) == (set(), {name}, True)


def test_what_was_told_at_the_first_boot_may_change(cloud: Driver, inputs: dict[str, Any]) -> None:
    renewed = inputs | {"userData": USER_DATA.replace("hello", "a new token")}
    assert cloud.diff("Machine", inputs | {"running": True}, inputs, renewed) == (set(), set(), False)


def test_preview_knows_all_but_the_container_id(cloud: Driver, inputs: dict[str, Any]) -> None:
    seen = cloud.preview("Machine", "m", inputs)[0]
    assert (seen["container"], seen["ipv4"], seen["running"]) == (NAME, inputs["networks"][0]["ipv4"], True)
    assert seen["containerId"] is UNKNOWN


def test_busy_port_is_one_clear_message_and_nothing_stays(
    cloud: Driver, container_engine: Engine, inputs: dict[str, Any]
) -> None:
    with socket.create_server(("127.0.0.1", PORT)), pytest.raises(Fault) as caught:
        cloud.create("Machine", "m", inputs | {"ports": [{"address": "127.0.0.1", "port": PORT, "target": 80}]})
    assert f"127.0.0.1:{PORT}: something else listens" in caught.value.message
    assert "edge.places[].publish.port" in caught.value.message
    with pytest.raises(NotFound):
        container_engine.client.containers.get(NAME)


def test_published_port_reaches_the_machine(cloud: Driver, container_engine: Engine, inputs: dict[str, Any]) -> None:
    cloud.create("Machine", "m", inputs | {"ports": [{"address": "127.0.0.1", "port": PORT, "target": 80}]})
    machine = container_engine.client.containers.get(NAME)
    answering = "exec setsid python3 -m http.server 80 >/dev/null 2>&1 &"
    assert run(machine, ["sh", "-c", answering]).code == 0
    eventually(_answers, within=20)


def _answers() -> bool:
    try:
        with socket.create_connection(("127.0.0.1", PORT), timeout=2) as peer:
            peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return peer.recv(100).startswith(b"HTTP/1.0 200")
    except OSError:
        return False


@contextmanager
def creating(cloud: Driver, engine: Engine, inputs: dict[str, Any]) -> Iterator[list[Fault]]:
    """A machine whose boot takes a minute is being made; it is cancelled at the end, and its faults are there then."""
    slow = inputs | {"userData": "#cloud-config\nruncmd:\n  - [sleep, '60']\n", "booted": []}
    faults: list[Fault] = []

    def create() -> None:
        try:
            cloud.create("Machine", "m", slow)
        except Fault as fault:
            faults.append(fault)

    work = threading.Thread(target=create)
    work.start()
    running = {"name": NAME, "status": "running"}
    eventually(lambda: bool(engine.client.containers.list(filters=running)), within=30)
    yield faults
    cloud.cancel()
    work.join(timeout=30)


def test_cancel_removes_what_is_half_made(cloud: Driver, container_engine: Engine, inputs: dict[str, Any]) -> None:
    with creating(cloud, container_engine, inputs) as faults:
        pass
    assert [fault.message for fault in faults] == ["`m`: cancelled"]
    with pytest.raises(NotFound):
        container_engine.client.containers.get(NAME)


def test_cancel_leaves_alone_what_the_next_run_made(
    cloud: Driver, container_engine: Engine, inputs: dict[str, Any]
) -> None:
    containers = container_engine.client.containers
    with creating(cloud, container_engine, inputs) as faults:
        first = containers.get(NAME)
        first.rename(f"{NAME}-first")
        following = containers.create(inputs["image"], name=NAME, command=["true"], labels=first.labels)
    try:
        assert [fault.message for fault in faults] == ["`m`: cancelled"]
        assert containers.get(NAME).id == following.id
        with pytest.raises(NotFound):
            containers.get(f"{NAME}-first")
    finally:
        following.remove(force=True)


def test_foreign_container_of_that_name_is_left_alone(
    cloud: Driver, container_engine: Engine, inputs: dict[str, Any]
) -> None:
    foreign = container_engine.client.containers.create(inputs["image"], name=NAME, command=["true"])
    try:
        with pytest.raises(Fault, match="not this stack's"):
            cloud.create("Machine", "m", inputs)
        assert container_engine.client.containers.get(NAME).id == foreign.id
    finally:
        foreign.remove(force=True)


def test_wrong_inputs_are_named_one_by_one(cloud: Driver, inputs: dict[str, Any]) -> None:
    wrong = inputs | {"cpus": "one", "color": 1, "labels": {"hdinfra.stack": "x"}, "networks": []}
    found = cloud.check("Machine", wrong)
    assert [path for path, _ in found] == ["color", "networks", "cpus"]
    assert [path for path, _ in cloud.check("Machine", inputs | {"labels": {"hdinfra.stack": "x"}})] == [
        "labels.hdinfra.stack"
    ]
