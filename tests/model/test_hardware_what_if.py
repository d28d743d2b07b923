"""Where every rule is kept, any one thing may go; and what the model says is left is what is left."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hdinfra.model.hardware.checked import checked, remarks
from hdinfra.model.hardware.inventory import Inventory, Kind, Part, inventory_of
from hdinfra.model.hardware.spec import HardwareSpec
from hdinfra.model.hardware.weakest import assess
from hdinfra.model.hardware.what_if import WhatIf
from hdinfra.model.refusal import RefusedError
from tests.model import hardware_oracle as oracle
from tests.model import hardware_specs as hardware
from tests.model.legal import Data, setting
from tests.strategies import wirings

NOT_PROMISED = {Kind.HALL, Kind.SITE}
"""Only where `spread` says so."""


def legal(spec: HardwareSpec) -> Inventory:
    """The inventory; what breaks a rule is not drawn."""
    try:
        return checked(spec)
    except RefusedError:
        assume(False)
        raise


@given(wirings())
def test_where_every_rule_is_kept_any_one_thing_may_go(spec: HardwareSpec) -> None:
    inventory, data = legal(spec), spec.model_dump(mode="json")
    needs = {service.name: service.needs for service in spec.services}
    for part, take in oracle.takings(inventory):
        left = oracle.serving(oracle.without(data, (part, take)))
        assert all(left[name] >= needed for name, needed in needs.items()), part


@given(wirings())
def test_where_every_rule_is_kept_no_chain_darkens_anything(spec: HardwareSpec) -> None:
    what_if = WhatIf(legal(spec))
    for chain in spec.chains:
        assert all(host.powered for host in what_if.hosts_without(Part(Kind.CHAIN, chain.name)).values())


@given(wirings(), st.data())
def test_what_is_left_is_what_is_left(spec: HardwareSpec, data: st.DataObject) -> None:
    inventory = inventory_of(spec)
    what_if, plain = WhatIf(inventory), spec.model_dump(mode="json")
    takings = sorted(oracle.takings(inventory), key=lambda taking: taking[0])
    gone = data.draw(st.lists(st.sampled_from(takings), min_size=1, max_size=3, unique_by=lambda taking: taking[0]))
    said = {one.service: one.serving for one in what_if.without(*(part for part, _ in gone))}
    assert said == oracle.serving(oracle.without(plain, *gone))


@given(wirings(), st.integers(0, 2**32))
def test_any_name_may_lead_nowhere(spec: HardwareSpec, seed: int) -> None:
    """Whatever is mistyped is refused by name; nothing else ends the check."""
    broken = HardwareSpec.model_validate(mistyped(spec.model_dump(mode="json"), random.Random(seed)))
    with pytest.raises(RefusedError) as refused:
        checked(broken)
    assert "hardware.name-unknown" in {refusal.rule for refusal in refused.value.refusals}


_NAMING = (
    *(("chains", "site"), ("pdus", "feed"), ("pdus", "rack"), ("routers", "rack"), ("switches", "rack")),
    *(("servers", "rack"), ("hosts", "server"), ("shelf", "site")),
)


def mistyped(data: Data, dice: random.Random) -> Data:
    """One reference that names nothing."""
    holder, at = dice.choice(list(references(data)))
    holder[at] = "nowhere"
    return data


def references(data: Data) -> Iterator[tuple[Any, str | int]]:
    """Whatever names something else: what holds the name, and where in it. A server may have a single NIC or PSU."""
    for key, name in _NAMING:
        yield from ((one, name) for one in data[key])
    for server in data["servers"]:
        yield from ((psu, "feed") for psu in server["psus"])
        yield from ((nic, "switch") for nic in server["nics"])
    for lists in (*(one["uplinks"] for one in data["switches"]), *(one["hosts"] for one in data["services"])):
        yield from ((lists, number) for number in range(len(lists)))


def test_the_examples_weakest_points() -> None:
    found = assess(WhatIf(hardware.inventory()))
    assert [str(loss.parts[0]) for loss in found.singles[:5]] == [
        "site par1", "hall north", "hall south", "rack a1", "rack b1",
    ]  # fmt: skip
    assert [one.service for one in found.singles[0].down] == ["inspection", "front"]
    assert all(not loss.down for loss in found.singles[1:])
    pairs = {frozenset(part.name for part in loss.parts) for loss in found.pairs}
    assert pairs == {
        frozenset({"red", "blue"}), frozenset({"ups-red", "ups-blue"}), frozenset({"red", "ups-blue"}),
        frozenset({"ups-red", "blue"}), frozenset({"leaf-a", "leaf-b"}), frozenset({"gate-a", "gate-b"}),
        frozenset({"iron-1", "iron-3"}), frozenset({"iron-2", "iron-4"}),
    }  # fmt: skip
    assert found.pairs_tried == 231


def test_a_stranded_switch_takes_its_hosts_along() -> None:
    """A bond stays on a link that is up, wherever that leads; so one way out from each switch is not enough."""
    uplinks = [setting("switches.0.uplinks", ["gate-a"]), setting("switches.1.uplinks", ["gate-b"])]
    what_if = WhatIf(inventory_of(hardware.spec_of(*uplinks)))
    assert [one.serving for one in what_if.without()] == [2, 2]
    assert [one.serving for one in what_if.without(Part(Kind.ROUTER, "gate-a"))] == [0, 0]
    gone = (Part(Kind.ROUTER, "gate-a"), Part(Kind.SWITCH, "leaf-a"))
    assert [one.serving for one in what_if.without(*gone)] == [2, 2]


def test_what_is_lost_is_told_by_cause() -> None:
    what_if = WhatIf(hardware.inventory())
    (dark, _) = what_if.without(Part(Kind.CHAIN, "red"), Part(Kind.PDU, "a1-blue"))
    assert (dark.powered, dark.reachable, dark.serving, dark.headroom) == (1, 1, 1, 0)
    disks = [part for part in what_if.parts() if part.kind is Kind.DISK and part.owner == "iron-1"]
    (emptied, _) = what_if.without(*disks)
    assert (emptied.powered, emptied.reachable, emptied.serving) == (2, 2, 1)


def test_a_processor_takes_its_server_down() -> None:
    what_if = WhatIf(hardware.inventory())
    (cpu, _) = [part for part in what_if.parts() if part.kind is Kind.CPU and part.owner == "iron-1"]
    assert what_if.without(cpu) == what_if.without(Part(Kind.SERVER, "iron-1"))


def test_unequal_disks_lone_processors_idle_servers_and_lacp_are_told_not_refused() -> None:
    told = remarks(
        hardware.inventory(
            setting("servers.0.disks.1.size_mib", 457_862),
            setting("servers.1.cpus", 1),
            setting("hosts.0.bonding", "802.3ad"),
            lambda data: data["servers"].append({**data["servers"][4], **idle()}),
        )
    )
    assert [remark.path for remark in told] == ["hosts[0].bonding", "servers[0].disks", "servers[1].cpus", "servers[6]"]
    assert "457,862 MiB of each are used" in told[1].message
    assert "EVPN" in told[0].message


def idle() -> Data:
    """What tells a seventh server from the fifth."""
    nics = [{"mac": f"0c:42:a1:00:07:0{port}", "switch": f"leaf-{leaf}"} for port, leaf in enumerate("ab")]
    return {"name": "iron-7", "nics": nics, "disks": [{"serial": f"S7{n}", "size_mib": 915_715} for n in range(2)]}
