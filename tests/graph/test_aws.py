"""Machines on AWS: addressed, encrypted, told in secret and replaceable; and accounts."""

import json
from collections.abc import Mapping
from ipaddress import IPv6Address, IPv6Network
from typing import Any

import pulumi
import pulumi_aws
import pytest

import hdinfra as hd
from hdinfra.clouds.aws import AwsCloud
from hdinfra.clouds.cloud import Boot, Ground
from hdinfra.components.cluster import Cluster, ClusterArgs
from hdinfra.components.place import Place, PlaceArgs
from hdinfra.machine.cloud_init import description_digest
from hdinfra.machine.first_boot import FIRST_BOOT_PATH
from hdinfra.machine.roles import machine_of
from hdinfra.machine.volume import VOLUME_PATH
from hdinfra.model.plan import MachinePlan
from hdinfra.model.regions import load_catalogue
from hdinfra.model.spec import Provider
from hdinfra.testing import Graph, Recorder, Registered, wrong_inputs
from hdinfra.testing.monitor import RecordingMonitor
from tests.graph.aws_zone import (
    GROUNDS,
    IMAGES,
    INVOKES,
    OUTPUTS,
    SCOPE,
    SPEC,
    declared,
    instances,
    of_aws,
    plan_of,
    told,
)
from tests.graph.clouds import SHAPES, sdk_classes, shape_text
from tests.graph.specs import clock
from tests.graph.test_stock_mocks import Echo, Run, run  # noqa: F401  a fixture


def test_it_keeps_the_rules_of_all_graphs(aws_zone: Graph) -> None:
    assert len(instances(aws_zone)) == 8
    assert aws_zone.duplicates() == frozenset()
    assert aws_zone.orphans() == aws_zone.without_provider() == aws_zone.unfinished() == ()
    assert aws_zone.messages == ()


def test_inputs_are_what_the_sdk_takes(aws_zone: Graph) -> None:
    classes = sdk_classes(aws_zone, "aws", "pulumi_aws")
    assert len(classes) == 28
    assert wrong_inputs(aws_zone, classes) == ()


def test_everything_has_its_clusters_prefix_and_provider(aws_zone: Graph) -> None:
    for one in of_aws(aws_zone):
        cluster = one.name.partition("-")[0]
        assert (cluster in GROUNDS, one.provider) == (True, f"{cluster}-provider"), one.name


def test_type_name_and_parent_are_kept(aws_zone: Graph) -> None:
    assert shape_text(aws_zone) == (SHAPES / "aws.txt").read_text()


def test_tags_come_from_one_place(aws_zone: Graph) -> None:
    provider = aws_zone.named("fra-provider").inputs
    assert (provider["region"], json.loads(provider["defaultTags"])["tags"]) == (
        "eu-central-1",
        {
            "hdinfra.project": "project",
            "hdinfra.stack": "stack",
            "hdinfra.namespace": "project-stack",
            "hdinfra.zone": "europe",
        },
    )
    for name, machine in instances(aws_zone).items():
        tags = machine.inputs["tags"]
        assert (tags["Name"], tags["hdinfra.place"], tags["hdinfra.zone"]) == (name, name.partition("-")[0], "europe")
    assert {one.inputs["tags"]["Name"] for one in of_aws(aws_zone) if "tags" in one.inputs} <= aws_zone.names


# Machines


def test_a_machine_has_the_address_that_others_name(aws_zone: Graph) -> None:
    plans = {machine.name: machine for machine in plan_of().machines}
    assert plans.keys() == instances(aws_zone).keys()
    for name, plan in plans.items():
        assert plan.private is not None
        interface = aws_zone.named(f"{name}-interface").inputs
        (ipv6,) = interface["ipv6Addresses"]
        subnet = aws_zone.named(interface["subnetId"].removesuffix("-id"), "aws:ec2/subnet:Subnet").inputs
        assert interface["privateIps"] == [str(plan.private.ipv4)]
        assert IPv6Address(ipv6) in IPv6Network(subnet["ipv6CidrBlock"])
        assert int(IPv6Address(ipv6)) & 0xFFFF == int(plan.private.ipv4) & 0xFF >= 10
        association = aws_zone.named(f"{name}-address-association")
        assert association.inputs["allocationId"] == f"{name}-address-id"
        assert association.inputs["networkInterfaceId"] == f"{name}-interface-id"
        assert aws_zone.named(name).inputs["primaryNetworkInterface"] == {"networkInterfaceId": f"{name}-interface-id"}
    assert (
        len({one.inputs["ipv6Addresses"][0] for one in aws_zone.of_type("aws:ec2/networkInterface:NetworkInterface")})
        == 8
    )


def test_a_first_boot_finds_its_address_and_the_way_out(aws_zone: Graph) -> None:
    for name, machine in instances(aws_zone).items():
        assert f"{name}-address-association" in machine.depends_on
        ways = {one for one in aws_zone.named(f"{name}-address-association").depends_on if one.endswith("-routes")}
        assert len(ways) == 1
        assert {one for way in ways for one in aws_zone.named(way).depends_on if "ipv" in one} == {
            f"{name.partition('-')[0]}-network-public-{family}" for family in ("ipv4", "ipv6")
        }


def test_machines_of_an_instance_stand_in_different_zones(aws_zone: Graph) -> None:
    subnets = [aws_zone.named(f"fra-web-{number}-interface").inputs["subnetId"] for number in (1, 2)]
    assert subnets == ["fra-network-public-1-id", "fra-network-public-2-id"]


def test_nobody_logs_in_and_a_machine_asks_nothing_of_aws(aws_zone: Graph) -> None:
    for machine in instances(aws_zone).values():
        assert not machine.inputs.keys() & {"keyName", "iamInstanceProfile", "associatePublicIpAddress", "userData"}
        assert machine.inputs["metadataOptions"]["httpPutResponseHopLimit"] == 1


def test_user_data_is_secret_fits_and_its_token_is_nowhere_else(aws_zone: Graph) -> None:
    limit = load_catalogue().providers[Provider.AWS].user_data_bytes
    tokens = set()
    for name, machine in instances(aws_zone).items():
        assert machine.secrets == {"userDataBase64"}
        assert "userDataBase64" in machine.request.additionalSecretOutputs
        assert len(machine.inputs["userDataBase64"]) * 3 // 4 <= limit, name
        tokens.add(json.loads(told(machine)[FIRST_BOOT_PATH])["token"])
    assert len(tokens) == 8
    for one in aws_zone.resources:
        plain = json.dumps({key: value for key, value in one.inputs.items() if key not in one.secrets})
        assert not [token for token in tokens if token in plain], one.name
        assert "#cloud-config" not in plain, one.name


def test_a_machine_is_made_anew_for_another_description_alone(aws_zone: Graph) -> None:
    later = instances(declared(plan_of(images={}), lambda: clock() + 60))
    for name, machine in instances(aws_zone).items():
        plan = next(one for one in plan_of().machines if one.name == name)
        digest = description_digest(machine_of("europe", plan))
        for one in (machine, later[name]):
            assert one.request.replacement_trigger.string_value == digest
            assert one.request.deleteBeforeReplace and one.request.deleteBeforeReplaceDefined
            assert set(one.request.ignoreChanges) == {"userDataBase64", "ami"}
        changed = {key for key, value in machine.inputs.items() if later[name].inputs[key] != value}
        assert changed == {"userDataBase64", "ami"}


def test_a_replacement_touches_neither_address_nor_volume(aws_zone: Graph) -> None:
    lasting = ("networkInterface:", "eip:", "eipAssociation:", "volume:Volume", "securityGroup:", "subnet:")
    for one in of_aws(aws_zone):
        if any(kind in one.type for kind in lasting):
            assert not one.depends_on & instances(aws_zone).keys(), one.name
    for one in aws_zone.of_type("aws:ec2/volumeAttachment:VolumeAttachment"):
        assert one.inputs["stopInstanceBeforeDetaching"] is True
        assert one.inputs["instanceId"] == f"{one.name.removesuffix('-volume-attachment')}-id"


def test_a_volume_stays_when_its_machine_goes_and_mounts_by_its_own_id(aws_zone: Graph) -> None:
    volumes = {one.name: one for one in aws_zone.of_type("aws:ebs/volume:Volume")}
    assert volumes.keys() == {f"{place}-web-{number}-volume" for place in ("fra", "dub") for number in (1, 2)}
    for name, volume in volumes.items():
        machine = aws_zone.named(name.removesuffix("-volume"))
        interface = aws_zone.named(f"{machine.name}-interface").inputs
        subnet = aws_zone.named(interface["subnetId"].removesuffix("-id"), "aws:ec2/subnet:Subnet").inputs
        assert (volume.inputs["size"], volume.inputs["availabilityZone"]) == (20, subnet["availabilityZone"])
        assert volume.request.retainOnDelete
        serial = f"{name}-id".replace("-", "")
        assert told(machine)[VOLUME_PATH] == f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{serial}\n"


def test_an_image_is_looked_up_once_a_place_unless_it_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    answer = RecordingMonitor.Invoke
    monkeypatch.setattr(RecordingMonitor, "Invoke", lambda self, one: (asked.append(one), answer(self, one))[1])
    held = instances(declared(plan_of()))
    assert ({one.inputs["ami"] for one in held.values()}, asked) == ({"ami-held"}, [])
    found = instances(declared(plan_of(images={})))
    assert {one.inputs["ami"] for one in found.values()} == {"ami-found"}
    assert sorted(one.provider.split("::")[-2] for one in asked) == sorted(f"{name}-provider" for name in GROUNDS)
    arguments = asked[0].args
    assert list(arguments["owners"]) == ["136693071363"]
    assert arguments["mostRecent"] is True
    assert list(arguments["filters"][0]["values"]) == ["debian-13-amd64-*"]


def test_what_a_machine_boots_from_is_told_where_it_was_looked_up() -> None:
    said: list[object] = []

    def program(images: Mapping[str, str]) -> None:
        plan = plan_of(images=images)
        made = hd.Zone("europe", hd.ZoneArgs(plan=plan, clock=clock))
        assert made.control is not None
        image = made.control.machines["fra-control-1"].image
        pulumi.Output.from_input(image).apply(said.append)

    for images in ({}, IMAGES):
        Recorder(outputs=OUTPUTS, invokes=INVOKES)(lambda images=images: program(images))
    assert said == ["ami-found", None]


def machine_plan() -> MachinePlan:
    return plan_of().instance("web").machines[0]


def test_a_machine_without_an_address_is_no_machine(record: Recorder) -> None:
    def program() -> None:
        provider = AwsCloud().provider("fra-provider", "eu-central-1", SCOPE, pulumi.ResourceOptions())
        ground = Ground("fra", AwsCloud(), SCOPE, provider)
        boot = Boot(pulumi.Output.secret(""), "digest", "", ("true",))
        ground.cloud.machine(machine_plan(), boot, ground, ground.options(ground.provider))

    with pytest.raises(ValueError, match="without an address or a firewall"):
        record(program)


# Accounts


def with_account(settings: Mapping[str, str]) -> Registered:
    (plan, *_) = plan_of(SPEC.replace("region: eu-west-1}", "region: eu-west-1, account: shop}")).clusters
    record = Recorder(config={"hdinfra:account-shop": json.dumps(settings)})
    graph = record(lambda: AwsCloud().provider("dub-provider", plan, SCOPE, pulumi.ResourceOptions()))
    assert wrong_inputs(graph, {"pulumi:providers:aws": pulumi_aws.Provider}) == ()
    return graph.named("dub-provider")


def test_an_account_is_told_to_its_own_provider_in_secret() -> None:
    given = {"access_key": "AK", "secret_key": "sk", "token": "t"}
    provider = with_account(given)
    assert {key: provider.inputs[key] for key in ("accessKey", "secretKey", "token")} == {
        "accessKey": "AK",
        "secretKey": "sk",
        "token": "t",
    }
    assert provider.secrets == {"accessKey", "secretKey", "token"}


def test_a_role_of_another_account_is_assumed() -> None:
    provider = with_account({"profile": "ours", "role_arn": "arn:aws:iam::1:role/hd", "external_id": "x"})
    assert provider.inputs["profile"] == "ours"
    assert json.loads(provider.inputs["assumeRoles"]) == [{"roleArn": "arn:aws:iam::1:role/hd", "externalId": "x"}]
    assert provider.secrets == {"assumeRoles", "profile"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"acces_key": "AK"}, r"its provider takes access_key, .*'hdinfra:account-shop.acces_key'"),
        ({"external_id": "x"}, r"external_id, but no role that it opens; fix: pulumi config set .*role_arn'"),
    ],
)
def test_a_setting_that_means_nothing_is_refused(settings: Mapping[str, str], said: str) -> None:
    with pytest.raises(pulumi.RunError, match=said):
        with_account(settings)


def test_a_cluster_and_a_place_under_stock_mocks_that_answer_nothing(run: Run) -> None:  # noqa: F811
    plan = plan_of()
    assert plan.edge is not None
    (machine, *_), (place, *_), (cluster, *_) = plan.edge.machines, plan.edge.places, plan.clusters

    def program() -> None:
        Cluster(cluster.name, ClusterArgs(cluster, SCOPE, tuple(m for m in plan.machines if m.place == cluster.name)))
        Place(place.name, PlaceArgs([machine], SCOPE, place))

    names = run(program)
    assert {
        "dub-network",
        "dub-network-public-1-routes",
        "dub-web-2-address",
        "par-network",
        "par-edge-address",
    } <= names


def test_a_zone_under_stock_mocks_that_know_addresses(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    echo = Echo.new_resource

    def answered(self: Echo, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, object]]:
        id_, outputs = echo(self, args)
        return id_, {**outputs, **OUTPUTS.get(args.typ, lambda *_: {})(args.name, outputs)}

    monkeypatch.setattr(Echo, "new_resource", answered)
    names = run(lambda: hd.declare(plan_of()))
    assert {"fra-network", "fra-web-1", "fra-web-1-interface", "dub-bundles-waf", "instance-web-policy"} <= names
