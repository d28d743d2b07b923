"""What a BYOL stack registers: a seat before each Machine, one network, and nothing that manages or calls."""

import json
from typing import Any

import pytest
import yaml

import hdinfra as hd
from hdinfra.machine.unmanaged import FIRST_POLICY_PATH
from hdinfra.model.policy import canonical
from hdinfra.plugins.licence import resources as licences
from hdinfra.plugins.local import resources
from hdinfra.testing import Graph, Recorder, wrong_inputs
from tests.model import byol_specs as byol
from tests.model.legal import setting

PLAN = byol.plan_of(byol.on_cloud())
LICENCE = byol.licence()
SDK = {
    "hdlocal:index:Image": resources.Image,
    "hdlocal:index:Network": resources.Network,
    "hdlocal:index:Machine": resources.Machine,
    "hdlicence:index:Seat": licences.Seat,
    "pulumi:providers:hdlocal": resources.Provider,
    "pulumi:providers:hdlicence": licences.Provider,
}


def declared(plan: hd.ByolInstanceArgs) -> Graph:
    """The graph of one Instance."""
    return Recorder(config={"hdinfra:namespace": "hd-test"})(lambda: hd.ByolInstance("web", plan))


@pytest.fixture(scope="module")
def graph() -> Graph:
    """Two Machines in one data centre."""
    return declared(hd.ByolInstanceArgs(plan=PLAN, licence=LICENCE))


def machines(graph: Graph) -> dict[str, Any]:
    return {resource.name: resource for resource in graph.of_type("hdlocal:index:Machine")}


def test_nothing_is_there_but_seats_and_machines(graph: Graph) -> None:
    counts = {type_: len(graph.of_type(type_)) for type_ in SDK}
    assert counts == {
        "hdlocal:index:Image": 1,
        "hdlocal:index:Network": 1,
        "hdlocal:index:Machine": 2,
        "hdlicence:index:Seat": 2,
        "pulumi:providers:hdlocal": 1,
        "pulumi:providers:hdlicence": 1,
    }
    assert len(graph.resources) == sum(counts.values()) + 1
    (own,) = graph.of_type("hdinfra:index:ByolInstance")
    assert own.name == "web"


def test_it_keeps_the_rules_of_all_components(graph: Graph) -> None:
    assert graph.duplicates() == frozenset()
    assert graph.orphans() == graph.without_provider() == graph.unfinished() == ()
    assert {r.name for r in graph.resources if not r.name.startswith("web")} == set()
    assert wrong_inputs(graph, SDK) == ()


def test_every_machine_waits_for_its_own_seat(graph: Graph) -> None:
    seats = {seat.name: seat for seat in graph.of_type("hdlicence:index:Seat")}
    assert {name: seat.inputs["slot"] for name, seat in seats.items()} == {"web-1-seat": 0, "web-2-seat": 1}
    for seat in seats.values():
        assert seat.inputs["licence"] == LICENCE
        assert (seat.inputs["ledger"], seat.inputs["instance"], seat.inputs["app"]) == ("web.seats.json", "web", "waf")
        assert seat.inputs["publicKey"] == PLAN.vendor_key
    for name, machine in machines(graph).items():
        assert machine.depends_on & seats.keys() == {f"{name}-seat"}


def test_machines_bring_policy_and_code_and_are_told_of_nobody(graph: Graph) -> None:
    for machine in machines(graph).values():
        config = yaml.load(machine.inputs["userData"], Loader=yaml.CSafeLoader)
        files = {file["path"]: file["content"] for file in config["write_files"]}
        assert files[FIRST_POLICY_PATH] == canonical(PLAN.policy)
        assert "/usr/lib/hdinfra/code/hdinfra/agent/hdctl.py" in files
        assert not {path for path in files if "hdsync" in path or "first-boot" in path or path.endswith("/fetch")}
        assert "9000" not in files["/etc/hdinfra/firewall.nft"]
        assert json.loads(files["/etc/hdinfra/identity.json"])["name"] == machine.name


def test_only_published_ports_are_open_on_this_computer(graph: Graph) -> None:
    ports = {name: machine.inputs["ports"] for name, machine in machines(graph).items()}
    assert ports == {
        "web-1": [{"address": "127.0.0.1", "port": 8280, "target": 80}],
        "web-2": [{"address": "127.0.0.1", "port": 8281, "target": 80}],
    }


@pytest.mark.parametrize(
    "later",
    [
        pytest.param((PLAN, byol.licence(id="acme-2", expires=byol.YEAR_ENDS + 1)), id="licence"),
        pytest.param((byol.plan_of(byol.on_cloud(setting("sites.0.mode", "RECORD"))), LICENCE), id="policy"),
    ],
)
def test_neither_a_renewed_licence_nor_another_policy_makes_a_machine_anew(graph: Graph, later: Any) -> None:
    plan, licence = later
    changed = machines(declared(hd.ByolInstanceArgs(plan=plan, licence=licence)))
    for name, machine in machines(graph).items():
        now = {key: value for key, value in changed[name].inputs.items() if key != "userData"}
        assert now == {key: value for key, value in machine.inputs.items() if key != "userData"}


def test_machines_that_the_customer_installs_are_no_stack() -> None:
    with pytest.raises(ValueError, match="hdinfra byol bundle"):
        declared(hd.ByolInstanceArgs(plan=byol.plan_of(byol.installed()), licence=LICENCE))
