"""Rules that every resource of a Zone keeps, asked of all that one registers."""

from hdinfra.plugins.local import resources
from hdinfra.testing import Graph, wrong_inputs

PROVIDER = "pulumi:providers:hdlocal"
SDK = {
    "hdlocal:index:Image": resources.Image,
    "hdlocal:index:Network": resources.Network,
    "hdlocal:index:Machine": resources.Machine,
    "hdlocal:index:Policy": resources.Policy,
    PROVIDER: resources.Provider,
}
CLUSTERS = ("a", "b")
PLACES = ("east", "west")


def test_the_whole_zone_is_there(local_zone: Graph) -> None:
    counts = {type_: len(local_zone.of_type(type_)) for type_ in SDK}
    assert counts == {
        "hdlocal:index:Image": 5,
        "hdlocal:index:Network": 3,
        "hdlocal:index:Machine": 6,
        "hdlocal:index:Policy": 6,
        PROVIDER: 6,
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
        if owner in (*CLUSTERS, *PLACES) and resource.custom and not resource.is_provider:
            assert resource.provider == f"{owner}-provider", resource.urn
        if resource.provider is not None:
            assert resource.provider == f"{owner}-provider", resource.urn


def test_excluding_a_cluster_by_name_leaves_nothing_of_it(local_zone: Graph) -> None:
    """What `--exclude '**::a-*'` matches is all that depends on a's provider, and only that."""
    of_provider = {r.name for r in local_zone.resources if r.provider == "a-provider"} | {"a-provider"}
    by_name = {r.name for r in local_zone.resources if r.name.startswith("a-")}
    assert by_name == of_provider == {"a-provider", "a-network", "a-waf-image", "a-web-1", "a-web-1-policy"}


def test_every_component_registers_its_outputs_once(local_zone: Graph) -> None:
    assert local_zone.components
    assert local_zone.unfinished() == ()


def test_user_data_is_secret_and_nothing_else(local_zone: Graph) -> None:
    machines = local_zone.of_type("hdlocal:index:Machine")
    assert machines and all(machine.secrets == {"userData"} for machine in machines)
    assert all(machine.inputs["userData"].startswith("#cloud-config\n") for machine in machines)
    others = [r for r in local_zone.resources if r not in machines]
    assert all(not resource.secrets for resource in others)


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


def test_only_edges_are_published(local_zone: Graph) -> None:
    ports = {m.name: m.inputs["ports"] for m in local_zone.of_type("hdlocal:index:Machine") if m.inputs["ports"]}
    assert ports == {
        "east-edge": [{"address": "127.0.0.1", "port": 8080, "target": 80}],
        "west-edge": [{"address": "127.0.0.1", "port": 8081, "target": 80}],
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
    for policy in local_zone.of_type("hdlocal:index:Policy"):
        machine = policy.name.removesuffix("-policy")
        assert policy.inputs["containerId"] == f"{machine}-made-once"
        assert policy.inputs["container"] == f"recorded-{machine}"
