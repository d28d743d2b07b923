"""Rules that every resource of a Zone keeps, asked of all that one registers."""

import json

import yaml

import hdinfra as hd
from hdinfra.machine.first_boot import FIRST_BOOT_PATH
from hdinfra.plugins.local import resources
from hdinfra.plugins.policy import resources as policy
from hdinfra.protocol.token import read
from hdinfra.testing import Graph, Recorder, wrong_inputs
from hdinfra.testing.recorder import CONTROL_PLANE
from tests.graph.specs import clock, plan_of

PROVIDER = "pulumi:providers:hdlocal"
SDK = {
    "hdlocal:index:Image": resources.Image,
    "hdlocal:index:Network": resources.Network,
    "hdlocal:index:Machine": resources.Machine,
    "hdlocal:index:Bundle": resources.Bundle,
    "hdpolicy:index:Keys": policy.Keys,
    "hdpolicy:index:Authority": policy.Authority,
    "hdpolicy:index:Policy": policy.Policy,
    PROVIDER: resources.Provider,
}
CLUSTERS = ("a", "b")
PLACES = ("east", "west")


def test_the_whole_zone_is_there(local_zone: Graph) -> None:
    counts = {type_: len(local_zone.of_type(type_)) for type_ in SDK}
    assert counts == {
        "hdlocal:index:Image": 8,
        "hdlocal:index:Network": 3,
        "hdlocal:index:Machine": 9,
        "hdlocal:index:Bundle": 4,
        "hdpolicy:index:Keys": 1,
        "hdpolicy:index:Authority": 2,
        "hdpolicy:index:Policy": 5,
        PROVIDER: 7,
    }


def test_nothing_is_registered_twice(local_zone: Graph) -> None:
    assert local_zone.duplicates() == frozenset()
    assert len(local_zone.names) == len(local_zone.resources)


def test_every_child_has_a_parent_of_ours(local_zone: Graph) -> None:
    assert local_zone.orphans() == ()
    roots = {r.name for r in local_zone.resources if local_zone.parent(r) is None}
    assert roots == {"local", "web", "edge"}


def test_every_provider_is_explicit(local_zone: Graph) -> None:
    assert local_zone.without_provider() == ()


def test_a_clusters_resources_use_its_provider_and_carry_its_name(local_zone: Graph) -> None:
    for resource in local_zone.resources:
        owner = resource.name.partition("-")[0]
        if not resource.custom or resource.is_provider:
            continue
        if resource.type.startswith("hdpolicy:"):
            assert resource.provider == "control-provider", resource.urn
        else:
            assert resource.provider == f"{owner}-provider", resource.urn


def test_excluding_a_cluster_by_name_leaves_nothing_of_it(local_zone: Graph) -> None:
    """What `--exclude '**::a-*'` matches is all that depends on a's provider, and only that."""
    of_provider = {r.name for r in local_zone.resources if r.provider == "a-provider"} | {"a-provider"}
    by_name = {r.name for r in local_zone.resources if r.name.startswith("a-")}
    machines = {"a-waf-image", "a-web-1", "a-control-image", "a-control-1"}
    assert of_provider == {"a-provider", "a-network", *machines}
    assert by_name == {*of_provider, "a-control-1-authority"}


def test_every_component_registers_its_outputs_once(local_zone: Graph) -> None:
    assert local_zone.components
    assert local_zone.unfinished() == ()


SECRETS = {
    "hdlocal:index:Machine": {"userData"},
    "hdpolicy:index:Authority": {"rootKey", "signingKey"},
    "hdpolicy:index:Certificates": {"adminToken", "issuerKey", "signingKey", "supplied"},
    "hdpolicy:index:Policy": {"adminToken", "signingKey"},
}


def test_secrets_are_secret_and_nothing_else(local_zone: Graph) -> None:
    for resource in local_zone.resources:
        assert resource.secrets == SECRETS.get(resource.type, set()), resource.urn
    machines = local_zone.of_type("hdlocal:index:Machine")
    assert machines and all(machine.inputs["userData"].startswith("#cloud-config\n") for machine in machines)


def test_an_enrolment_token_is_the_only_secret_in_user_data(local_zone: Graph) -> None:
    for machine in local_zone.of_type("hdlocal:index:Machine"):
        config = yaml.safe_load(machine.inputs["userData"])
        told = [file for file in config["write_files"] if file["path"] == FIRST_BOOT_PATH]
        assert [file["permissions"] for file in told] == ([] if machine.name == "bundles-store" else ["0600"])
        for file in told:
            boot = json.loads(file["content"])
            token = read(boot.pop("token"), boot["signer"], "local", clock())
            assert (token.machine, token.role) == (machine.name, machine.inputs["labels"]["hdinfra.role"])
            assert "PRIVATE" not in json.dumps(boot)
        for secret in (
            "recorded root key",
            "recorded token",
            CONTROL_PLANE["hdpolicy:index:Keys"]("", {})["signingKey"],
        ):
            assert secret not in machine.inputs["userData"]


def test_renewed_tokens_and_new_code_make_no_machine_anew(local_zone: Graph) -> None:
    later = Recorder(config={"hdinfra:namespace": "hd-test"})(lambda: hd.declare(plan_of(), lambda: clock() + 9))
    for machine in local_zone.of_type("hdlocal:index:Machine"):
        again = later.named(machine.name).inputs
        assert again["description"] == machine.inputs["description"]
        assert (again["userData"] == machine.inputs["userData"]) == (machine.name == "bundles-store")


def test_inputs_are_those_of_the_sdk(local_zone: Graph) -> None:
    assert wrong_inputs(local_zone, SDK) == ()


def test_everything_is_dual_stack(local_zone: Graph) -> None:
    for network in local_zone.of_type("hdlocal:index:Network"):
        assert "." in network.inputs["ipv4"] and ":" in network.inputs["ipv6"]
    for machine in local_zone.of_type("hdlocal:index:Machine"):
        assert machine.inputs["networks"]
        assert all("." in at["ipv4"] and ":" in at["ipv6"] for at in machine.inputs["networks"])


def test_waf_machines_stand_in_wan_first_and_in_their_own_network(local_zone: Graph) -> None:
    networks = [at["network"] for at in local_zone.named("a-web-1").inputs["networks"]]
    assert networks == ["recorded-wan", "recorded-a-network"]
    for outside in ("east-edge", "lab-acme-shop"):
        assert [at["network"] for at in local_zone.named(outside).inputs["networks"]] == ["recorded-wan"]


def test_edges_and_apis_are_published_and_nothing_else(local_zone: Graph) -> None:
    ports = {m.name: m.inputs["ports"] for m in local_zone.of_type("hdlocal:index:Machine") if m.inputs["ports"]}
    assert ports == {
        "a-control-1": [{"address": "127.0.0.1", "port": 9440, "target": 9000}],
        "b-control-1": [{"address": "127.0.0.1", "port": 9441, "target": 9000}],
        "east-edge": [
            {"address": "127.0.0.1", "port": 8080, "target": 80},
            {"address": "127.0.0.1", "port": 8443, "target": 443},
        ],
        "west-edge": [
            {"address": "127.0.0.1", "port": 8081, "target": 80},
            {"address": "127.0.0.1", "port": 8444, "target": 443},
        ],
    }


def test_names_and_labels_come_from_one_place(local_zone: Graph) -> None:
    for provider in local_zone.of_type(PROVIDER):
        config = {key: provider.inputs[key] for key in ("namespace", "project", "stack")}
        assert config == {"namespace": "hd-test", "project": "project", "stack": "stack"}
    assert local_zone.named("a-provider").inputs["region"] == "lab-north"
    assert local_zone.named("a-web-1").inputs["labels"] == {
        "hdinfra.zone": "local",
        "hdinfra.place": "a",
        "hdinfra.role": "waf",
        "hdinfra.operator": local_zone.named("a-web-1").inputs["labels"]["hdinfra.operator"],
    }


def test_a_machine_made_anew_gets_its_policy_again(local_zone: Graph) -> None:
    for told in local_zone.of_type("hdpolicy:index:Policy"):
        assert told.inputs["generations"] == {name: f"{name}-made-once" for name in told.inputs["members"]}


def test_policies_know_where_code_lies(local_zone: Graph) -> None:
    code = local_zone.named("instance-web-policy").inputs["code"]
    assert code.keys() == {"waf"}
    assert code["waf"]["url"] == f"http://10.64.5.10/{code['waf']['sha256']}.tar"
    assert local_zone.named("bundles-waf").inputs["sha256"] == code["waf"]["sha256"]
