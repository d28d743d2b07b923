"""A fault always heals: after a crash inside, after Ctrl-C, and when breaking itself broke midway."""

import io
import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace
from typing import cast

import pytest
from docker.errors import NotFound
from docker.models.containers import ExecResult
from rich.console import Console

from hdinfra.operate.containers import Containers
from hdinfra.operate.errors import ContainersError
from hdinfra.operate.faults import fault_of, severed, stuttering, unplugged
from hdinfra.operate.how import How
from hdinfra.operate.show import show_status
from hdinfra.operate.status import Declared, look
from hdinfra.operate.views import EdgeViews
from hdinfra.operate.waiting import seconds_until


@dataclass
class StandInMachine:
    """What a fault does to a container, without one."""

    name: str
    status: str = "running"
    tables: set[str] = field(default_factory=set)
    refuses: bool = False
    told: str = "{}"
    ran: list[str] = field(default_factory=list)

    def reload(self) -> None:
        """Nothing to look up."""

    def kill(self, signal: str) -> None:
        """Only SIGKILL is sudden."""
        if self.refuses:
            raise RuntimeError("no")
        assert signal == "SIGKILL"
        self.status = "exited"

    def start(self) -> None:
        """As `docker start`."""
        self.status = "running"

    def pause(self) -> None:
        """As `docker pause`."""
        if self.refuses:
            raise RuntimeError("no")
        self.status = "paused"

    def unpause(self) -> None:
        """As `docker unpause`."""
        self.status = "running"

    def exec_run(self, command: list[str], **_: object) -> ExecResult:
        """nft and hdctl."""
        self.ran.append(" ".join(command))
        if command == ["hdctl", "status", "--json"]:
            return ExecResult(0, self.told.encode())
        if command[:2] == ["nft", "delete"]:
            self.tables.discard(command[3])
        elif self.refuses:
            return ExecResult(1, b"Operation not permitted")
        else:
            self.tables.add("arp" if "table arp" in command[2] else "inet")
            return ExecResult(0, b"1700000000.25\n")
        return ExecResult(0, b"")

    @property
    def is_well(self) -> bool:
        """As before the fault."""
        return self.status == "running" and not self.tables


@dataclass
class StandInContainers:
    """An engine of stand-ins."""

    machines: dict[str, StandInMachine]

    def get(self, name: str) -> StandInMachine | None:
        """By name."""
        return self.machines.get(name)

    @property
    def names(self) -> list[str]:
        """All of them."""
        return list(self.machines)


def standing(*machines: StandInMachine) -> StandInContainers:
    """An engine that runs these."""
    return StandInContainers({machine.name: machine for machine in machines})


def as_containers(stand_in: StandInContainers) -> Containers:
    """The type that faults ask for."""
    return cast(Containers, stand_in)


@pytest.mark.parametrize("how", How)
@pytest.mark.parametrize("crash", [None, RuntimeError, KeyboardInterrupt])
def test_every_fault_breaks_and_heals(how: How, crash: type[BaseException] | None) -> None:
    zone = standing(StandInMachine("hd-a-1"), StandInMachine("hd-a-2"))
    broken: list[bool] = []

    def break_and_crash() -> None:
        with fault_of(how)(as_containers(zone), zone.names):
            broken.extend(not machine.is_well for machine in zone.machines.values())
            if crash is not None:
                raise crash

    if crash is None:
        break_and_crash()
    else:
        with pytest.raises(crash):
            break_and_crash()
    assert broken == [True, True]
    assert all(machine.is_well for machine in zone.machines.values())


@pytest.mark.parametrize("how", [How.KILL, How.FREEZE])
def test_breaking_that_broke_midway_is_healed(how: How) -> None:
    zone = standing(StandInMachine("hd-a-1"), StandInMachine("hd-a-2", refuses=True))
    with pytest.raises(RuntimeError), fault_of(how)(as_containers(zone), zone.names):
        pass
    assert all(machine.is_well for machine in zone.machines.values())


def test_a_cable_that_cannot_be_cut_says_why() -> None:
    zone = standing(StandInMachine("hd-a-1", refuses=True))
    with (
        pytest.raises(ContainersError, match=r"hd-a-1.*Operation not permitted"),
        unplugged(as_containers(zone), ["hd-a-1"]),
    ):
        pass


@pytest.mark.parametrize("names", [["hd-gone"], []])
def test_nothing_to_break_is_no_drill(names: list[str]) -> None:
    with pytest.raises(ContainersError, match="nothing to break"), fault_of(How.KILL)(as_containers(standing()), names):
        pass


def stand_in_edges(views: Mapping[str, object]) -> Containers:
    """Edges whose `hdctl watch` says what is given, cut in two to be awkward; None is an edge that is not there."""

    def get(edge: str) -> object:
        view = views[edge]
        if view is None:
            raise NotFound(edge)
        line = f"{json.dumps({'servers': view})}\n".encode()
        output = iter([line[:7], line[7:]])
        return SimpleNamespace(exec_run=lambda *_, **__: SimpleNamespace(output=output))

    client = SimpleNamespace(containers=SimpleNamespace(get=get))
    return cast(Containers, SimpleNamespace(client=client))


def servers(**up: bool) -> list[dict[str, object]]:
    """An edge's view: Cluster to whether its servers are up."""
    return [{"cluster": cluster, "up": state} for cluster, state in up.items()]


@pytest.mark.parametrize(
    ("east", "west", "expected"),
    [
        (servers(a=False, b=True), servers(a=False, b=True), True),
        (servers(a=False, b=True), servers(a=True, b=True), False),
        (servers(a=False, b=False), servers(a=False, b=True), False),
        (servers(a=False, b=True), None, False),
        (servers(b=True), servers(b=True), False),
    ],
)
def test_the_view_is_right_only_when_every_edge_sees_exactly_the_loss(
    east: object, west: object, expected: bool
) -> None:
    with EdgeViews(stand_in_edges({"east": east, "west": west}), ("east", "west")) as views:
        assert (views.seconds_until("a", up=False, within=0.5) is not None) is expected


def test_without_edges_no_view_is_right() -> None:
    with EdgeViews(stand_in_edges({}), ()) as views:
        assert views.seconds_until("a", up=False, within=0.1) is None


def stand_in_machines(told: Mapping[str, object]) -> Containers:
    """Machines whose `hdctl status` says what is given."""
    return cast(Containers, SimpleNamespace(hdctl_status=told.__getitem__, is_running=lambda name: bool(told[name])))


MACHINE_FIELDS = ["name", "container", "instance", "role", "ipv4", "ipv6", "healthy"]
POLICY_FIELDS = [
    "number",
    "settings",
    "digest",
    "drained",
    "overrides",
    "failed",
    "problems",
    "limits_unenforced",
    "mesh",
    "failover",
]


def machine(name: str, role: str = "waf") -> dict[str, object]:
    """As the stack's output `status` has it."""
    place = {"instance": "web", "role": role, "ipv4": "10.64.1.10", "ipv6": "fd00::a", "extra": 1}
    return {**place, "name": name, "container": f"hd-{name}"}


def known_zone() -> Declared:
    """Two Clusters, an edge, an API machine and a lab machine."""
    cluster = {"provider": "local", "region": "lab-north", "operator": "north", "extra": 1}
    site = {"host": "shop.acme.test", "tenant": "acme", "instance": "web", "mode": "RECORD", "extra": 1}
    return Declared(
        {
            "zone": "local",
            "namespace": "hd",
            "clusters": [
                {**cluster, "name": "a", "machines": [machine("a-web-1")]},
                {**cluster, "name": "b", "machines": [machine("b-web-1")]},
            ],
            "instances": [{"name": "web", "tenancy": "dedicated", "tenants": ["acme"]}],
            "edge": {"urls": ["http://127.0.0.1:8080"], "machines": [machine("east-edge", "load-balancer")]},
            "control": [machine("a-control-1", "control")],
            "bundles": [machine("bundles-store", "bundle-store")],
            "lab": [machine("lab-shop", "lab-origin")],
            "sites": [site],
        }
    )


WELL = {"serving": True}
SEEN = {
    "hd-a-web-1": {
        **WELL,
        "number": 7,
        "settings": 3,
        "overrides": {"shop.acme.test": "BYPASS"},
        "drained": True,
        "limits_unenforced": ["cpu", "io"],
    },
    "hd-b-web-1": None,
    "hd-east-edge": {
        "serving": False,
        "failed": {"number": 8, "settings": 0, "reason": "nginx: [emerg] no"},
        "problems": ["clock off by 601 s"],
    },
    "hd-a-control-1": WELL,
    "hd-bundles-store": WELL,
    "hd-lab-shop": WELL,
}


def test_status_has_exactly_the_promised_shape_and_names_the_unwell() -> None:
    seen = look(known_zone(), stand_in_machines(SEEN), [{"at": 1, "code": "machine.two-keys", "message": "x"}])
    assert seen.unwell == ("hd-b-web-1", "hd-east-edge")
    places = ["edge", "control", "bundles", "lab"]
    assert list(seen.zone) == ["zone", "clusters", "instances", *places, "sites", "certificates", "alarms", "servers"]
    assert (seen.zone["certificates"], seen.uncertified) == ([], ())
    assert seen.zone["instances"] == [{"name": "web", "tenancy": "dedicated", "tenants": ["acme"]}]
    assert [(c["name"], c["healthy"]) for c in seen.zone["clusters"]] == [("a", True), ("b", False)]
    assert list(seen.zone["clusters"][0]) == ["name", "provider", "region", "operator", "healthy", "machines"]
    everyone = [seen.zone["clusters"][0]["machines"][0], seen.zone["clusters"][1]["machines"][0]]
    everyone += [*seen.zone["edge"]["machines"], *seen.zone["control"], *seen.zone["bundles"], *seen.zone["lab"]]
    assert all(list(one) == [*MACHINE_FIELDS, *POLICY_FIELDS] for one in everyone)
    assert [one["healthy"] for one in everyone] == [True, False, False, True, True, True]
    assert (everyone[0]["number"], everyone[0]["settings"], everyone[0]["drained"]) == (7, 3, True)
    assert (everyone[1]["number"], everyone[1]["problems"], everyone[1]["overrides"]) == (None, [], {})
    assert seen.zone["edge"]["urls"] == ["http://127.0.0.1:8080"]
    assert [list(site) for site in seen.zone["sites"]] == [["host", "tenant", "instance", "mode"]]
    assert seen.zone["alarms"] == [{"at": 1, "code": "machine.two-keys", "message": "x"}]


def test_a_bundle_store_that_stands_still_is_named() -> None:
    seen = look(known_zone(), stand_in_machines({**SEEN, "hd-bundles-store": None}))
    assert seen.unwell == ("hd-b-web-1", "hd-bundles-store", "hd-east-edge")


def test_a_cluster_is_lost_with_its_api_machine() -> None:
    assert known_zone().machines_of("a") == ("hd-a-web-1", "hd-a-control-1")
    assert known_zone().machines_of("b") == ("hd-b-web-1",)


def test_status_for_people_names_versions_overrides_failures_and_alarms() -> None:
    seen = look(known_zone(), stand_in_machines(SEEN), [{"at": 1, "code": "machine.two-keys", "message": "[b]x"}])
    console = Console(width=200, record=True, file=io.StringIO())
    show_status(seen.zone, seen.unwell, console)
    told = console.export_text()
    for words in (
        *("7.3", "shop.acme.test is BYPASS here; drained", "went back from 8: nginx: [emerg] no"),
        "tenants' limits are not enforced here: cpu, io",
        *("clock off by 601 s", "alarm machine.two-keys: [b]x", "not serving: hd-east-edge", "a-control-1"),
    ):
        assert words in told


def test_a_stack_from_before_the_management_api_is_looked_at_too() -> None:
    output = {name: value for name, value in known_zone().output.items() if name != "control"}
    assert look(Declared(output), stand_in_machines(SEEN)).zone["control"] == []


def test_a_machine_that_stutters_stands_still_again_and_again_and_runs_in_the_end() -> None:
    zone = standing(StandInMachine("hd-a-1"))
    with stuttering(as_containers(zone), zone.names, 0.05, 0.01) as stalls:
        assert seconds_until(lambda: len(stalls) >= 3, within=10) is not None
    assert all(machine.is_well for machine in zone.machines.values())
    assert all(later - earlier >= 0.05 for earlier, later in pairwise(stalls))


def test_a_machine_that_cannot_stutter_says_so() -> None:
    zone = standing(StandInMachine("hd-a-1", refuses=True))
    with (
        pytest.raises(RuntimeError, match="no"),
        stuttering(as_containers(zone), zone.names, 0.05, 0) as stalls,
    ):
        seconds_until(lambda: bool(stalls), within=0.3)
    assert stalls == []


@pytest.mark.parametrize("crash", [None, KeyboardInterrupt])
def test_one_way_is_cut_and_mended_also_when_it_is_interrupted(crash: type[BaseException] | None) -> None:
    zone = standing(StandInMachine("hd-edge"))
    machine = zone.machines["hd-edge"]
    with (
        nullcontext() if crash is None else pytest.raises(crash),
        severed(as_containers(zone), "hd-edge", ["10.80.1.11", "fd00::b"]),
    ):
        assert not machine.is_well
        if crash is not None:
            raise crash
    assert machine.is_well
    rules = machine.ran[0]
    assert "ip daddr 10.80.1.11 drop; ip6 daddr fd00::b drop;" in rules
    assert "policy accept" in rules


def test_a_way_that_cannot_be_cut_says_why() -> None:
    zone = standing(StandInMachine("hd-edge", refuses=True))
    with (
        pytest.raises(ContainersError, match=r"hd-edge.*Operation not permitted"),
        severed(as_containers(zone), "hd-edge", ["10.80.1.11"]),
    ):
        pass
