"""Machines on Azure: addressed, encrypted, told in secret and replaceable; accounts; and the SDK's older names."""

import base64
import json
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

import pulumi
import pulumi_azure_native
import pytest
from pulumi_azure_native import resources

import hdinfra as hd
from hdinfra.clouds.azure import AzureCloud
from hdinfra.clouds.azure_aliases import as_named_today
from hdinfra.clouds.azure_key import nobodys_key
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
from tests.graph.azure_zone import (
    GROUNDS,
    IMAGES,
    OUTPUTS,
    SCOPE,
    SPEC,
    declared,
    machines,
    of_azure,
    plan_of,
    told,
)
from tests.graph.clouds import SHAPES, sdk_classes, shape_text
from tests.graph.specs import clock
from tests.graph.test_stock_mocks import Echo, Run, run  # noqa: F401  a fixture


def test_it_keeps_the_rules_of_all_graphs(azure_zone: Graph) -> None:
    assert len(machines(azure_zone)) == 9
    assert azure_zone.duplicates() == frozenset()
    assert azure_zone.orphans() == azure_zone.without_provider() == azure_zone.unfinished() == ()
    assert azure_zone.messages == ()


def test_inputs_are_what_the_sdk_takes(azure_zone: Graph) -> None:
    classes = sdk_classes(azure_zone, "azure-native", "pulumi_azure_native")
    assert len(classes) == 14
    assert wrong_inputs(azure_zone, classes) == ()


def test_everything_has_its_clusters_prefix_and_provider(azure_zone: Graph) -> None:
    for one in of_azure(azure_zone):
        cluster = one.name.partition("-")[0]
        assert (cluster in GROUNDS, one.provider) == (True, f"{cluster}-provider"), one.name


def test_type_name_and_parent_are_kept(azure_zone: Graph) -> None:
    assert shape_text(azure_zone) == (SHAPES / "azure.txt").read_text()


def test_all_of_a_cluster_lies_in_its_group_but_what_outlives_it(azure_zone: Graph) -> None:
    for one in of_azure(azure_zone):
        place, kind = one.name.partition("-")[0], one.type.rpartition(":")[2]
        group = {"ResourceGroup": None, "Disk": f"{place}-volumes1234", "FlowLog": "NetworkWatcherRG"}
        assert one.inputs.get("resourceGroupName") == group.get(kind, f"{place}-group1234"), one.name
    kept = {
        one.name for one in azure_zone.of_type("azure-native:resources:ResourceGroup") if one.request.retainOnDelete
    }
    assert kept == {"ams-volumes", "dub-volumes"}


def test_tags_come_from_one_place(azure_zone: Graph) -> None:
    own = {"hdinfra.project": "project", "hdinfra.stack": "stack", "hdinfra.namespace": "project-stack"}
    untagged = {"Blob", "BlobContainer"}
    for one in of_azure(azure_zone):
        if one.type.rpartition(":")[2] not in untagged:
            tags = one.inputs["tags"]
            assert tags == {**tags, **own, "hdinfra.zone": "europe", "hdinfra.place": one.name.partition("-")[0]}
    assert azure_zone.named("fra-edge-2").inputs["tags"]["hdinfra.role"] == "load-balancer"


def test_azures_names_are_never_longer_than_it_takes() -> None:
    long = "a-cluster-of-a-name-that-is-long"
    graph = declared(plan_of(SPEC.replace("name: ams", f"name: {long}").replace("name: web", f"name: {long[:27]}x")))
    limits = {"networkInterfaceName": 80, "networkSecurityGroupName": 80, "vmName": 64, "diskName": 80}
    seen: set[str] = set()
    for one in of_azure(graph):
        for name in limits.keys() & one.inputs.keys():
            assert len(one.inputs[name]) <= limits[name]
            seen.add(name)
        if one.type.endswith(("NetworkInterface", "VirtualMachine", "PublicIPAddress", "Disk", "NetworkSecurityGroup")):
            chosen = any(key.endswith("Name") and key != "resourceGroupName" for key in one.inputs)
            assert chosen or len(one.name) + 8 <= (64 if one.type.endswith("VirtualMachine") else 80), one.name
        if "osProfile" in one.inputs:
            assert len(one.inputs["osProfile"]["computerName"]) <= 63
    assert seen >= {"networkInterfaceName", "vmName"}


# The SDK's older names


def test_nothing_is_registered_under_older_names(azure_zone: Graph) -> None:
    assert [one.name for one in of_azure(azure_zone) if one.request.aliases or one.request.aliasURNs] == []


def test_an_alias_of_our_own_is_kept_and_others_keep_theirs(record: Recorder) -> None:
    moved = pulumi.Alias(name="before")

    def program() -> None:
        provider = pulumi_azure_native.Provider("provider")
        opts = pulumi.ResourceOptions(provider=provider)
        resources.ResourceGroup("group", opts=as_named_today(pulumi.ResourceOptions.merge(opts, _aliased(moved))))
        resources.ResourceGroup("theirs", opts=opts)

    graph = record(program)
    assert [alias.spec.name for alias in graph.named("group").request.aliases] == ["before"]
    assert len(graph.named("theirs").request.aliases) > 20


def _aliased(alias: pulumi.Alias) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(aliases=[alias])


# Machines


def test_a_machine_has_the_address_that_others_name(azure_zone: Graph) -> None:
    plans = {machine.name: machine for machine in plan_of().machines}
    assert plans.keys() == machines(azure_zone).keys()
    for name, plan in plans.items():
        assert plan.private is not None
        ipv4, ipv6 = azure_zone.named(f"{name}-interface").inputs["ipConfigurations"]
        assert (ipv4["privateIPAddress"], ipv4["primary"]) == (str(plan.private.ipv4), True)
        assert int(IPv6Address(ipv6["privateIPAddress"])) & 0xFFFF == int(plan.private.ipv4) & 0xFF >= 10
        for family, part in (("ipv4", ipv4), ("ipv6", ipv6)):
            assert part["publicIPAddress"] == {"id": f"{name}-address-{family}-id"}
            assert part["privateIPAllocationMethod"] == "Static"
        network, subnet = ipv4["subnet"]["id"].split("-id/subnets/")
        (prefixes,) = [
            one["addressPrefixes"] for one in azure_zone.named(network).inputs["subnets"] if one["name"] == subnet
        ]
        assert ipv6["subnet"] == ipv4["subnet"]
        assert IPv4Address(ipv4["privateIPAddress"]) in IPv4Network(prefixes[0])
        assert IPv6Address(ipv6["privateIPAddress"]) in IPv6Network(prefixes[1])


def test_kept_addresses_are_standard_static_and_in_all_zones(azure_zone: Graph) -> None:
    addresses = azure_zone.of_type("azure-native:network:PublicIPAddress")
    assert len(addresses) == 2 * 9 + 2
    for one in addresses:
        zones = None if one.name.startswith("cdf-") else ["1", "2", "3"]
        assert (one.inputs["sku"]["name"], one.inputs["publicIPAllocationMethod"]) == ("Standard", "Static")
        assert (one.inputs.get("zones"), one.name.endswith(one.inputs["publicIPAddressVersion"].lower())) == (
            zones,
            True,
        )


def test_machines_of_an_instance_stand_in_different_zones_or_racks(azure_zone: Graph) -> None:
    zones = [azure_zone.named(f"ams-web-{number}").inputs["zones"] for number in (1, 2)]
    assert zones == [["1"], ["2"]]
    edge = azure_zone.named("cdf-edge").inputs
    assert (edge.get("zones"), edge["availabilitySet"]) == (None, {"id": "cdf-edge-spread-id"})
    assert "availabilitySet" not in azure_zone.named("ams-web-1").inputs
    spread = azure_zone.named("cdf-edge-spread").inputs
    assert (spread["platformFaultDomainCount"], spread["sku"]) == (2, {"name": "Aligned"})


def test_nobody_logs_in_and_a_machine_asks_nothing_of_azure(azure_zone: Graph) -> None:
    for machine in machines(azure_zone).values():
        profile = machine.inputs["osProfile"]
        assert not machine.inputs.keys() & {"identity", "userData"} and "adminPassword" not in profile
        linux = profile["linuxConfiguration"]
        assert (linux["disablePasswordAuthentication"], linux["provisionVMAgent"]) == (True, False)
        assert profile["allowExtensionOperations"] is False
        assert [key["keyData"] for key in linux["ssh"]["publicKeys"]] == [nobodys_key()]
        assert machine.inputs["diagnosticsProfile"] == {"bootDiagnostics": {"enabled": False}}


def test_the_key_is_a_point_that_a_hash_chose() -> None:
    kind, text = nobodys_key().split()
    blob = base64.b64decode(text)
    prefix = b"\0\0\0\x0bssh-ed25519\0\0\0\x20"
    assert (kind, blob[: len(prefix)], len(blob)) == ("ssh-ed25519", prefix, len(prefix) + 32)
    # RFC 8032, 5.1.3: y² and x² fit the curve -x² + y² = 1 + d x² y², whose d is written down here a second time.
    p, d = 2**255 - 19, 37095705934669439343138083508754565189542113879843219016388785533085940283555
    y = int.from_bytes(blob[len(prefix) :], "little") % 2**255
    square = (y * y - 1) * pow(d * y * y + 1, -1, p) % p
    root = pow(square, (p + 3) // 8, p)
    assert square in (root * root % p, -root * root % p)


def test_machines_boot_what_is_signed_from_encrypted_disks(azure_zone: Graph) -> None:
    for machine in machines(azure_zone).values():
        assert machine.inputs["securityProfile"] == {
            "securityType": "TrustedLaunch",
            "uefiSettings": {"secureBootEnabled": True, "vTpmEnabled": True},
        }
        disk = machine.inputs["storageProfile"]["osDisk"]
        assert (disk["createOption"], disk["deleteOption"]) == ("FromImage", "Delete")
        assert disk["managedDisk"] == {"storageAccountType": "Premium_LRS"}  # managed ones are encrypted by themselves


def test_user_data_is_secret_fits_and_its_token_is_nowhere_else(azure_zone: Graph) -> None:
    limit = load_catalogue().providers[Provider.AZURE].user_data_bytes
    tokens = set()
    for name, machine in machines(azure_zone).items():
        assert machine.secrets == {"osProfile.customData"}
        assert "osProfile" in machine.request.additionalSecretOutputs
        assert len(base64.b64decode(machine.inputs["osProfile"]["customData"])) <= limit, name
        tokens.add(json.loads(told(machine)[FIRST_BOOT_PATH])["token"])
    assert len(tokens) == 9
    for one in azure_zone.resources:
        whole = json.dumps({key: value for key, value in one.inputs.items() if key != "osProfile"})
        assert not [token for token in tokens if token in whole], one.name
        assert "#cloud-config" not in whole, one.name


def test_a_machine_is_made_anew_for_another_description_or_zone_alone(azure_zone: Graph) -> None:
    later = machines(declared(plan_of(images={}), lambda: clock() + 60))
    for name, machine in machines(azure_zone).items():
        plan = next(one for one in plan_of().machines if one.name == name)
        digest = description_digest(machine_of("europe", plan))
        for one in (machine, later[name]):
            assert one.request.replacement_trigger.string_value == digest
            assert one.request.deleteBeforeReplace and one.request.deleteBeforeReplaceDefined
            assert list(one.request.ignoreChanges) == ["osProfile", "storageProfile.imageReference"]
            assert list(one.request.replaceOnChanges) == ["zones"]
        changed = {key for key, value in machine.inputs.items() if later[name].inputs[key] != value}
        assert changed == {"osProfile", "storageProfile"}


def test_a_replacement_touches_neither_address_nor_volume(azure_zone: Graph) -> None:
    lasting = (
        "NetworkInterface",
        "PublicIPAddress",
        "Disk",
        "NetworkSecurityGroup",
        "VirtualNetwork",
        "AvailabilitySet",
    )
    for one in of_azure(azure_zone):
        if one.type.endswith(lasting):
            assert not one.depends_on & machines(azure_zone).keys(), one.name
    for machine in machines(azure_zone).values():
        (interface,) = machine.inputs["networkProfile"]["networkInterfaces"]
        assert interface == {"id": f"{machine.name}-interface-id", "primary": True, "deleteOption": "Detach"}


def test_a_volume_stays_when_its_machine_goes_and_mounts_by_its_number(azure_zone: Graph) -> None:
    volumes = {one.name: one for one in azure_zone.of_type("azure-native:compute:Disk")}
    assert volumes.keys() == {f"{place}-web-{number}-volume" for place in ("ams", "dub") for number in (1, 2)}
    for name, volume in volumes.items():
        machine = azure_zone.named(name.removesuffix("-volume"))
        assert (volume.inputs["diskSizeGB"], volume.inputs["zones"]) == (20, machine.inputs["zones"])
        assert (volume.inputs["networkAccessPolicy"], volume.inputs["publicNetworkAccess"]) == ("DenyAll", "Disabled")
        assert volume.request.retainOnDelete and list(volume.request.replaceOnChanges) == ["zones"]
        (disk,) = machine.inputs["storageProfile"]["dataDisks"]
        assert (disk["managedDisk"], disk["lun"]) == ({"id": f"{name}-id"}, 0)
        assert (disk["createOption"], disk["deleteOption"]) == ("Attach", "Detach")
        assert machine.inputs["storageProfile"]["diskControllerType"] == "SCSI"
        assert told(machine)[VOLUME_PATH] == "/dev/disk/azure/scsi1/lun0\n"
    assert azure_zone.named("ams-control-1").inputs["storageProfile"]["dataDisks"] == []


def test_an_image_is_found_by_name_unless_its_version_is_held(azure_zone: Graph) -> None:
    def images(zone: Graph) -> set[str]:
        return {json.dumps(one.inputs["storageProfile"]["imageReference"]) for one in machines(zone).values()}

    debian = {"publisher": "Debian", "offer": "debian-13", "sku": "13-gen2"}
    (held,), (found,) = images(azure_zone), images(declared(plan_of(images={})))
    assert json.loads(held) == {**debian, "version": "0.20260101.1"}
    assert json.loads(found) == {**debian, "version": "latest"}


def test_what_a_machine_boots_from_is_told_where_nothing_was_held() -> None:
    said: list[object] = []

    def program(images: Mapping[str, str]) -> None:
        made = hd.Zone("europe", hd.ZoneArgs(plan=plan_of(images=images), clock=clock))
        assert made.control is not None
        pulumi.Output.from_input(made.control.machines["ams-control-1"].image).apply(said.append)

    for images in ({}, IMAGES):
        Recorder(outputs=OUTPUTS)(lambda images=images: program(images))
    assert said == ["0.20261123.2305", None]


def test_an_arm_machine_has_the_other_image_and_a_size_that_is_sold() -> None:
    graph = declared(plan_of(SPEC.replace("capacity: 2", "capacity: 2\n    arch: arm64")))
    machine = graph.named("ams-web-1").inputs
    assert machine["storageProfile"]["imageReference"]["sku"] == "13-arm64"
    assert machine["hardwareProfile"] == {"vmSize": "Standard_D2pls_v6"}


def machine_plan() -> MachinePlan:
    return plan_of().instance("web").machines[0]


def test_a_machine_without_an_address_is_no_machine(record: Recorder) -> None:
    def program() -> None:
        provider = AzureCloud().provider("ams-provider", "westeurope", SCOPE, pulumi.ResourceOptions())
        ground = Ground("ams", AzureCloud(), SCOPE, provider)
        boot = Boot(pulumi.Output.secret(""), "digest", "", ("true",))
        ground.cloud.machine(machine_plan(), boot, ground, ground.options(ground.provider))

    with pytest.raises(ValueError, match="without an address or a firewall"):
        record(program)


# Accounts

SHOP = {"subscription_id": "s", "tenant_id": "t", "client_id": "c"}


def with_account(settings: Mapping[str, str]) -> Registered:
    spec = SPEC.replace("region: northeurope}", "region: northeurope, account: shop}")
    (plan,) = [cluster for cluster in plan_of(spec).clusters if cluster.name == "dub"]
    record = Recorder(config={"hdinfra:account-shop": json.dumps(settings)})
    graph = record(lambda: AzureCloud().provider("dub-provider", plan, SCOPE, pulumi.ResourceOptions()))
    assert wrong_inputs(graph, {"pulumi:providers:azure-native": pulumi_azure_native.Provider}) == ()
    return graph.named("dub-provider")


def test_an_account_is_told_to_its_own_provider_in_secret() -> None:
    provider = with_account({**SHOP, "client_secret": "hush"})
    assert {key: provider.inputs[key] for key in ("subscriptionId", "tenantId", "clientId", "clientSecret")} == {
        "subscriptionId": "s",
        "tenantId": "t",
        "clientId": "c",
        "clientSecret": "hush",
    }
    assert provider.secrets == {"subscriptionId", "tenantId", "clientId", "clientSecret"}
    assert "useOidc" not in provider.inputs


@pytest.mark.parametrize("proof", [{"oidc_token": "jwt"}, {"oidc_token_file_path": "/run/token"}])
def test_a_token_of_another_issuer_is_a_proof_too(proof: Mapping[str, str]) -> None:
    assert with_account({**SHOP, **proof}).inputs["useOidc"] == "true"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {**SHOP, "password": "x"},
            r"setting `password`, and its provider takes subscription_id, .*account-shop.password'",
        ),
        ({"client_id": "c", "client_secret": "x"}, r"has no `subscription_id`; fix: pulumi config set --secret"),
        (SHOP, r"exactly one of client_secret, oidc_token, oidc_token_file_path; fix: .*account-shop.client_secret'"),
        ({**SHOP, "client_secret": "x", "oidc_token": "y"}, r"exactly one of"),
    ],
)
def test_settings_that_nobody_could_log_in_with_are_refused(settings: Mapping[str, str], said: str) -> None:
    with pytest.raises(pulumi.RunError, match=said):
        with_account(settings)


# Stock mocks


def test_a_cluster_and_a_place_under_stock_mocks_that_answer_nothing(run: Run) -> None:  # noqa: F811
    plan = plan_of()
    assert plan.edge is not None
    (place, *_), (cluster, *_) = plan.edge.places, plan.clusters

    def program() -> None:
        Cluster(cluster.name, ClusterArgs(cluster, SCOPE, tuple(m for m in plan.machines if m.place == cluster.name)))
        Place(place.name, PlaceArgs(tuple(m for m in plan.machines if m.place == place.name), SCOPE, place))

    names = run(program)
    assert {f"{cluster.name}-network", f"{cluster.name}-web-2-address-ipv6", f"{place.name}-network-flows"} <= names


def test_a_zone_under_stock_mocks_that_know_addresses(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    echo = Echo.new_resource

    def answered(self: Echo, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        id_, outputs = echo(self, args)
        return id_, {**outputs, **OUTPUTS.get(args.typ, lambda *_: {})(args.name, outputs)}

    monkeypatch.setattr(Echo, "new_resource", answered)
    names = run(lambda: hd.declare(plan_of()))
    assert {"ams-network", "ams-web-1", "fra-edge-balancer", "ams-bundles-waf", "instance-web-policy"} <= names
