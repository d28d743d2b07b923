"""A dedicated Instance is one tenant's alone: Machines, marks, scope, document and tokens are nobody else's."""

import json

import pulumi
import pytest
import yaml

import hdinfra as hd
from hdinfra.machine.cloud_init import IDENTITY_PATH
from hdinfra.machine.first_boot import FIRST_BOOT_PATH
from hdinfra.operate.documents import planned_documents
from hdinfra.testing import Graph, Recorder, Registered
from tests.graph.specs import DEDICATED, clock, plan_of

MACHINE = "hdlocal:index:Machine"


@pytest.fixture(scope="module")
def zone() -> Graph:
    """stacks/local.yaml, which ran before, with an Instance of initech's alone."""
    plan = plan_of(DEDICATED, plan_of().held)
    return Recorder(config={"hdinfra:namespace": "hd-test"})(lambda: hd.declare(plan, clock))


def machines(zone: Graph, instance: str) -> dict[str, Registered]:
    """The Machines under a component."""
    return {one.name: one for one in zone.of_type(MACHINE) if f"-{instance}-" in one.name}


def told(machine: Registered, path: str) -> dict[str, object]:
    """A file of its user data."""
    files = yaml.safe_load(machine.inputs["userData"])["write_files"]
    found: dict[str, object] = json.loads(next(file["content"] for file in files if file["path"] == path))
    return found


def test_it_is_a_component_of_its_own_with_children_as_the_shared_one_has(zone: Graph) -> None:
    shape = {(type_, name, parent) for type_, name, parent in zone.shape() if parent == "vault" or name == "vault"}
    assert shape == {
        ("hdinfra:index:DedicatedInstance", "vault", ""),
        (MACHINE, "a-vault-1", "vault"),
        (MACHINE, "b-vault-1", "vault"),
        ("hdpolicy:index:Policy", "instance-vault-policy", "vault"),
    }
    assert zone.unfinished() == ()


def test_the_shared_instance_beside_it_is_as_it_was(zone: Graph, local_zone: Graph) -> None:
    for name in ("web", "a-web-1", "b-web-1", "instance-web-policy"):
        before, after = local_zone.named(name), zone.named(name)
        assert (after.type, after.inputs) == (before.type, before.inputs)


def test_its_machines_alone_carry_the_tenant(zone: Graph) -> None:
    marked = {one.name: one.inputs["labels"].get("hdinfra.tenant") for one in zone.of_type(MACHINE)}
    assert {name for name, tenant in marked.items() if tenant} == {"a-vault-1", "b-vault-1"}
    for name, machine in machines(zone, "vault").items():
        assert (marked[name], told(machine, IDENTITY_PATH)["tenant"]) == ("initech", "initech")
    assert "tenant" not in told(zone.named("a-web-1"), IDENTITY_PATH)


def test_two_instances_share_neither_machine_nor_scope_nor_document(zone: Graph) -> None:
    web, vault = (zone.named(f"instance-{name}-policy").inputs for name in ("web", "vault"))
    assert (web["scope"], vault["scope"]) == ("instance-web", "instance-vault")
    assert web["members"].keys() == {"a-web-1", "b-web-1"}
    assert vault["members"].keys() == {"a-vault-1", "b-vault-1"}
    assert {site["tenant"] for site in vault["document"]["sites"]} == {"initech"}
    assert {site["tenant"] for site in web["document"]["sites"]} == {"acme", "globex"}
    planned = planned_documents(plan_of(DEDICATED, plan_of().held))
    assert planned["instance-vault"].document == vault["document"]


def test_two_instances_share_neither_address_nor_token(zone: Graph) -> None:
    both = [*machines(zone, "web").values(), *machines(zone, "vault").values()]
    addresses = [at[family] for one in both for at in one.inputs["networks"] for family in ("ipv4", "ipv6")]
    tokens = [str(told(one, FIRST_BOOT_PATH)["token"]) for one in both]
    assert len(set(addresses)) == len(addresses) == 16
    assert len(set(tokens)) == len(tokens) == 4


def test_the_edge_knows_both(zone: Graph) -> None:
    document = zone.named("edge-policy").inputs["document"]
    assert {site["host"]: site["instance"] for site in document["sites"]}["www.initech.test"] == "vault"
    assert zone.named("edge-policy").depends_on >= {"instance-web-policy", "instance-vault-policy"}


def test_the_stack_says_whose_each_instance_is(record: Recorder) -> None:
    said: list[object] = []
    record(lambda: said.append(hd.status_of(hd.declare(plan_of(DEDICATED), clock))["instances"]))
    assert said == [
        [
            {"name": "vault", "tenancy": "dedicated", "tenants": ["initech"]},
            {"name": "web", "tenancy": "shared", "tenants": ["acme", "globex"]},
        ]
    ]


@pytest.mark.parametrize("name", ["web", "vault"])
def test_a_program_that_contradicts_the_plan_is_told_so(record: Recorder, name: str) -> None:
    plan = plan_of(DEDICATED)

    def program() -> None:
        zone = hd.Zone("local", hd.ZoneArgs(plan=plan, clock=clock))
        if name == "web":
            hd.DedicatedInstance(name, hd.DedicatedInstanceArgs(zone=zone, plan=plan.instance(name)))
        else:
            hd.SharedInstance(name, hd.SharedInstanceArgs(zone=zone, plan=plan.instance(name)))

    with pytest.raises(pulumi.RunError, match=f"`{name}` is (shared|dedicated), the program declares it as"):
        record(program)
