"""Machines on Google Cloud: addressed, told in secret, replaceable, kept apart; their disks, and accounts."""

import json
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv6Address
from typing import Any

import pulumi
import pulumi_gcp
import pytest

import hdinfra as hd
from hdinfra.clouds.cloud import Boot, Ground
from hdinfra.clouds.gcp import SPREAD, GcpCloud
from hdinfra.clouds.gcp_names import labels_of, name_of, tag_of
from hdinfra.components.cluster import Cluster, ClusterArgs
from hdinfra.components.place import Place, PlaceArgs
from hdinfra.machine.cloud_init import description_digest
from hdinfra.machine.first_boot import FIRST_BOOT_PATH
from hdinfra.machine.machine import Firewall
from hdinfra.machine.roles import machine_of
from hdinfra.machine.volume import VOLUME_PATH
from hdinfra.model.regions import load_catalogue
from hdinfra.model.spec import Provider
from hdinfra.testing import Graph, Recorder, Registered, wrong_inputs
from hdinfra.testing.monitor import RecordingMonitor
from tests.graph.clouds import SHAPES, sdk_classes, shape_text
from tests.graph.gcp_zone import (
    ADDRESS,
    ATTACHMENT,
    DISK,
    GROUNDS,
    IMAGES,
    OUTPUTS,
    POLICY,
    REGIONS,
    SCOPE,
    SPEC,
    declared,
    instances,
    of_gcp,
    plan_of,
    recorder,
    same,
    told,
)
from tests.graph.specs import clock
from tests.graph.test_stock_mocks import Echo, Run, run  # noqa: F401  a fixture


def test_it_keeps_the_rules_of_all_graphs(gcp_zone: Graph) -> None:
    assert len(instances(gcp_zone)) == 9
    assert gcp_zone.duplicates() == frozenset()
    assert gcp_zone.orphans() == gcp_zone.without_provider() == gcp_zone.unfinished() == ()
    assert gcp_zone.messages == ()


def test_inputs_are_what_the_sdk_takes(gcp_zone: Graph) -> None:
    classes = sdk_classes(gcp_zone, "gcp", "pulumi_gcp")
    assert len(classes) == 17
    assert wrong_inputs(gcp_zone, classes) == ()


def test_everything_has_its_clusters_prefix_and_provider(gcp_zone: Graph) -> None:
    for one in of_gcp(gcp_zone):
        cluster = one.name.partition("-")[0]
        assert (cluster in GROUNDS, one.provider) == (True, f"{cluster}-provider"), one.name


def test_type_name_and_parent_are_kept(gcp_zone: Graph) -> None:
    assert shape_text(gcp_zone) == (SHAPES / "gcp.txt").read_text()


# Machines


def test_a_machine_has_the_addresses_that_others_name(gcp_zone: Graph) -> None:
    plans = {machine.name: machine for machine in plan_of().machines}
    assert plans.keys() == instances(gcp_zone).keys()
    seen = set()
    for name, plan in plans.items():
        assert plan.private is not None
        (nic,) = gcp_zone.named(name).inputs["networkInterfaces"]
        (ipv4,), (ipv6,) = nic["accessConfigs"], nic["ipv6AccessConfigs"]
        kept = {family: gcp_zone.named(f"{name}-{family}") for family in ("ipv4", "ipv6")}
        assert nic["networkIp"] == str(plan.private.ipv4)
        assert ipv4["natIp"] == OUTPUTS[ADDRESS](f"{name}-ipv4", {})["address"]
        assert same(ipv6["externalIpv6"], OUTPUTS[ADDRESS](f"{name}-ipv6", {"ipVersion": "IPV6"})["address"])
        assert str(IPv6Address(ipv6["externalIpv6"])) == ipv6["externalIpv6"]
        assert ipv6["externalIpv6PrefixLength"] == "96"
        assert kept["ipv6"].inputs["subnetwork"] == nic["subnetwork"]
        assert kept["ipv6"].inputs["ipv6EndpointType"] == "VM"
        assert {one.inputs["region"] for one in kept.values()} == {REGIONS[name.partition("-")[0]]}
        seen |= {ipv4["natIp"], ipv6["externalIpv6"]}
    assert len(seen) == 18


def test_machines_of_an_instance_stand_in_different_zones_and_apart(gcp_zone: Graph) -> None:
    machines = [gcp_zone.named(f"fra-web-{number}").inputs for number in (1, 2)]
    assert [one["zone"] for one in machines] == ["europe-west3-a", "europe-west3-b"]
    subnets = [one["networkInterfaces"][0]["subnetwork"] for one in machines]
    assert subnets == ["fra-network-public-1-id", "fra-network-public-2-id"]
    assert {one["resourcePolicies"] for one in machines} == {"fra-web-spread-1-id"}
    policy = gcp_zone.named("fra-web-spread-1").inputs["groupPlacementPolicy"]
    assert policy == {"availabilityDomainCount": SPREAD}
    # Google takes no policy for shared processors.
    assert "resourcePolicies" not in gcp_zone.named("fra-control-1").inputs


def test_nobody_logs_in_and_a_machine_asks_nothing_of_google(gcp_zone: Graph) -> None:
    for machine in instances(gcp_zone).values():
        assert not machine.inputs.keys() & {"serviceAccount", "metadataStartupScript"}
        assert "ssh-keys" not in machine.inputs["metadata"]


def test_user_data_is_secret_fits_and_its_token_is_nowhere_else(gcp_zone: Graph) -> None:
    limit = load_catalogue().providers[Provider.GCP].user_data_bytes
    tokens = set()
    for name, machine in instances(gcp_zone).items():
        metadata = machine.inputs["metadata"]
        assert "metadata.user-data" in machine.secrets
        assert "metadata" in machine.request.additionalSecretOutputs
        assert len(metadata["user-data"]) <= limit, name
        assert (metadata["user-data-encoding"], metadata["hdinfra-meta-data"].splitlines()[1]) == (
            "base64",
            f"local-hostname: {name}",
        )
        tokens.add(json.loads(told(machine)[FIRST_BOOT_PATH])["token"])
    assert len(tokens) == 9
    for one in gcp_zone.resources:
        inputs = json.loads(json.dumps(one.inputs))
        if one.name in instances(gcp_zone):
            del inputs["metadata"]["user-data"]
        plain = json.dumps({key: value for key, value in inputs.items() if key not in one.secrets})
        assert not [token for token in tokens if token in plain], one.name
        assert "#cloud-config" not in plain, one.name


def test_a_machine_is_made_anew_for_another_description_alone(gcp_zone: Graph) -> None:
    later = instances(declared(plan_of(images={}), lambda: clock() + 60))
    for name, machine in instances(gcp_zone).items():
        plan = next(one for one in plan_of().machines if one.name == name)
        digest = description_digest(machine_of("europe", plan))
        for one in (machine, later[name]):
            assert one.request.replacement_trigger.string_value == digest
            assert one.request.deleteBeforeReplace and one.request.deleteBeforeReplaceDefined
            assert set(one.request.ignoreChanges) == {
                'metadata["user-data"]',
                "bootDisk.initializeParams.image",
                "bootDisk.kmsKeySelfLink",
            }
        changed = {key for key, value in machine.inputs.items() if later[name].inputs[key] != value}
        assert changed == {"metadata", "bootDisk"}
        told_now, told_then = (one.inputs["metadata"] for one in (machine, later[name]))
        assert {key for key in told_now if told_now[key] != told_then[key]} == {"user-data"}


def test_a_replacement_touches_neither_address_nor_volume(gcp_zone: Graph) -> None:
    for one in of_gcp(gcp_zone):
        if one.type in (ADDRESS, DISK) or "ubnetwork" in one.type or "firewall" in one.type:
            assert not one.depends_on & instances(gcp_zone).keys(), one.name


def test_a_machine_waits_for_its_firewall(gcp_zone: Graph) -> None:
    for name, machine in instances(gcp_zone).items():
        (tag,) = machine.inputs["tags"]
        rules = {one.name for one in of_gcp(gcp_zone) if one.inputs.get("targetTags") == [tag]}
        assert len(rules) >= 4 and rules <= machine.depends_on, name
        subnet = gcp_zone.named(machine.inputs["networkInterfaces"][0]["subnetwork"].removesuffix("-id"))
        assert len([one for one in subnet.depends_on if "-deny-" in one]) == 4


# Disks


def test_a_volume_stays_when_its_machine_goes_and_mounts_by_its_own_name(gcp_zone: Graph) -> None:
    volumes = {one.name: one for one in gcp_zone.of_type(DISK)}
    assert volumes.keys() == {f"{place}-web-{number}-volume" for place in ("fra", "ams") for number in (1, 2)}
    for name, volume in volumes.items():
        machine = gcp_zone.named(name.removesuffix("-volume"))
        assert (volume.inputs["size"], volume.inputs["zone"]) == (20, machine.inputs["zone"])
        assert volume.request.retainOnDelete
        assert list(volume.request.ignoreChanges) == ["diskEncryptionKey"]
        (attached,) = machine.inputs["attachedDisks"]
        assert attached["source"] == f"{name}-id"
        assert told(machine)[VOLUME_PATH] == f"/dev/disk/by-id/google-{attached['deviceName']}\n"


def test_every_disk_is_copied_by_the_schedule_of_its_cluster(gcp_zone: Graph) -> None:
    for name in GROUNDS:
        schedule = gcp_zone.named(f"{name}-network-snapshots", POLICY).inputs["snapshotSchedulePolicy"]
        assert schedule["schedule"] == {"dailySchedule": {"daysInCycle": 1, "startTime": "03:00"}}
        assert schedule["retentionPolicy"] == {
            "maxRetentionDays": 7,
            "onSourceDiskDelete": "KEEP_AUTO_SNAPSHOTS",
        }
    copied = {one.inputs["disk"]: one for one in gcp_zone.of_type(ATTACHMENT)}
    disks = {one.name for kind in (DISK, "gcp:compute/instance:Instance") for one in gcp_zone.of_type(kind)}
    assert {disk.removesuffix("-12345ab") for disk in copied} == disks
    assert len(disks) == 13
    for disk, one in copied.items():
        assert one.inputs["name"] == f"{disk.partition('-')[0]}-network-snapshots-12345ab"
        assert one.request.deleteBeforeReplace


def test_a_week_is_a_sunday_and_four_of_them_four_weeks() -> None:
    graph = declared(plan_of(SPEC.replace("every: day, keep: 7", "every: week, keep: 4")))
    policy = graph.named("fra-network-snapshots", POLICY).inputs["snapshotSchedulePolicy"]
    assert policy["schedule"] == {"weeklySchedule": {"dayOfWeeks": [{"day": "SUNDAY", "startTime": "03:00"}]}}
    assert policy["retentionPolicy"]["maxRetentionDays"] == 28


# Images


def test_an_image_is_looked_up_once_a_place_unless_it_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    answer = RecordingMonitor.Invoke
    monkeypatch.setattr(RecordingMonitor, "Invoke", lambda self, one: (asked.append(one), answer(self, one))[1])

    def booted(zone: Graph) -> set[str]:
        return {one.inputs["bootDisk"]["initializeParams"]["image"] for one in instances(zone).values()}

    assert (booted(declared(plan_of())), asked) == ({"image-held"}, [])
    assert booted(declared(plan_of(images={}))) == {"image-found"}
    assert sorted(one.provider.split("::")[-2] for one in asked) == sorted(f"{name}-provider" for name in GROUNDS)
    assert (asked[0].args["family"], asked[0].args["project"]) == ("debian-13", "debian-cloud")


def test_what_a_machine_boots_from_is_told_where_it_was_looked_up() -> None:
    said: list[object] = []

    def program(images: Mapping[str, str]) -> None:
        made = hd.Zone("europe", hd.ZoneArgs(plan=plan_of(images=images), clock=clock))
        assert made.control is not None
        pulumi.Output.from_input(made.control.machines["fra-control-1"].image).apply(said.append)

    for images in ({}, IMAGES):
        recorder()(lambda images=images: program(images))
    assert said == ["image-found", None]


def test_an_arm_machine_boots_arms_image_without_secure_boot() -> None:
    machine = plan_of(images={}).instance("web").machines[0]
    arm = replace(machine, size=replace(machine.size, name="t2a-standard-2", arch="arm64"))
    cluster = next(one for one in plan_of().clusters if one.name == machine.place)
    asked: list[str] = []

    def program() -> None:
        cloud = GcpCloud()
        provider = cloud.provider("fra-provider", cluster, SCOPE, pulumi.ResourceOptions())
        bare = Ground(cluster.name, cloud, SCOPE, provider, plan=cluster)
        opts = bare.options(provider)
        placed = replace(bare, networks=(cloud.network("fra-network", cluster.network, bare, opts),))
        address, group = cloud.address(arm, placed, opts), cloud.group("fra-web", Firewall(), (), 1, placed, opts)
        cloud.machine(arm, Boot(pulumi.Output.secret("x"), "x", "", ("true",), address, group), placed, opts)

    image = {"gcp:compute/getImage:getImage": lambda known: (asked.append(known["family"]), {"selfLink": "arm"})[1]}
    config = {"hdinfra:account-main": "{}"}
    graph = Recorder(outputs=OUTPUTS, invokes=image, config=config)(program)
    found = graph.named(arm.name).inputs
    assert (asked, found["machineType"]) == (["debian-13-arm64"], "t2a-standard-2")
    assert found["bootDisk"]["initializeParams"]["image"] == "arm"
    assert found["shieldedInstanceConfig"]["enableSecureBoot"] is False
    assert "resourcePolicies" not in found


def test_a_machine_without_an_address_is_no_machine(record: Recorder) -> None:
    def program() -> None:
        provider = GcpCloud().provider("fra-provider", "europe-west3", SCOPE, pulumi.ResourceOptions())
        ground = Ground("fra", GcpCloud(), SCOPE, provider)
        boot = Boot(pulumi.Output.secret(""), "digest", "", ("true",))
        ground.cloud.machine(plan_of().instance("web").machines[0], boot, ground, ground.options(ground.provider))

    with pytest.raises(ValueError, match="without an address or a firewall"):
        record(program)


# Names and labels


def ground(name: str = "fra") -> Ground:
    nobody: Any = None
    return Ground(name, GcpCloud(), SCOPE, nobody, plan=plan_of().clusters[0])


def test_a_name_is_googles_or_pulumis_and_never_too_long() -> None:
    assert name_of("fra-web-1", ground()) is None
    long = f"fra-{'w' * 60}-1"
    cut = name_of(long, ground())
    other = name_of(
        long, Ground("fra", GcpCloud(), replace(SCOPE, stack="other"), ground().provider, plan=ground().plan)
    )
    assert cut is not None and len(cut) == 63 and cut.startswith("fra-www")
    assert (cut == name_of(long, ground()), cut == other) == (True, False)
    assert (tag_of("fra-web-firewall"), len(tag_of(long))) == ("fra-web-firewall", 63)


def test_labels_are_written_as_google_takes_them() -> None:
    machine = plan_of().machines[0]
    odd = labels_of(replace(SCOPE, project="Acme Shop", namespace="n" * 80), SCOPE.labels(machine))
    assert (odd["hdinfra-zone"], odd["hdinfra-place"]) == ("europe", machine.place)
    assert odd["hdinfra-project"].startswith("acme-shop-") and len(odd["hdinfra-namespace"]) == 63
    assert all(key.replace("-", "").isalpha() and key.islower() for key in odd)


# Accounts


def with_account(settings: Mapping[str, str]) -> Registered:
    (_, plan) = sorted(plan_of(SPEC.replace("account: main", "account: shop")).clusters, key=lambda one: one.name)
    record = Recorder(config={"hdinfra:account-shop": json.dumps(settings)})
    graph = record(lambda: GcpCloud().provider("fra-provider", plan, SCOPE, pulumi.ResourceOptions()))
    assert wrong_inputs(graph, {"pulumi:providers:gcp": pulumi_gcp.Provider}) == ()
    return graph.named("fra-provider")


def test_an_account_is_told_to_its_own_provider_in_secret() -> None:
    given = {"project": "acme", "credentials": "{}", "access_token": "t", "impersonate_service_account": "hd@acme"}
    provider = with_account({**given, "kms_key": "key"})
    names = {"project": "project", "accessToken": "access_token", "credentials": "credentials"}
    names["impersonateServiceAccount"] = "impersonate_service_account"
    assert {key: provider.inputs[key] for key in names} == {key: given[name] for key, name in names.items()}
    assert provider.secrets == names.keys()
    assert provider.inputs["region"] == "europe-west3"


def test_a_setting_that_means_nothing_is_refused() -> None:
    with pytest.raises(pulumi.RunError, match=r"setting `projct`, and its provider takes project, .*-shop.projct'"):
        with_account({"projct": "acme"})


# Under stock mocks


def test_a_cluster_and_a_place_under_stock_mocks_that_answer_nothing(run: Run) -> None:  # noqa: F811
    plan = plan_of(SPEC.replace(", account: main", ""))
    assert plan.edge is not None
    cluster = next(one for one in plan.clusters if one.name == "ams")
    place = next(one for one in plan.edge.places if one.name == "par")
    machines = tuple(one for one in plan.machines if one.place == "ams")
    edges = tuple(one for one in plan.edge.machines if one.place == "par")

    def program() -> None:
        Cluster("ams", ClusterArgs(cluster, SCOPE, machines))
        Place("par", PlaceArgs(edges, SCOPE, place))

    names = run(program)
    assert {"ams-network", "ams-network-deny-egress-ipv6", "ams-web-2-ipv6", "par-network", "par-edge-ipv4"} <= names


def test_a_zone_under_stock_mocks_that_know_addresses(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    echo = Echo.new_resource

    def answered(self: Echo, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, object]]:
        id_, outputs = echo(self, args)
        return id_, {**outputs, **OUTPUTS.get(args.typ, lambda *_: {})(args.name, outputs)}

    monkeypatch.setattr(Echo, "new_resource", answered)
    names = run(lambda: hd.declare(plan_of(SPEC.replace(", account: main", ""))))
    assert {"fra-network", "fra-web-1", "fra-web-1-volume", "ams-bundles-waf", "instance-web-policy"} <= names
