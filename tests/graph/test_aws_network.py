"""The network on AWS and what lies beside Machines: closed both ways, logged, copied, readable by whom it should."""

import json
import re
from ipaddress import IPv6Network

from hdinfra.machine.first_boot import FIRST_BOOT_PATH
from hdinfra.model.spec import Feature
from hdinfra.testing import Graph
from tests.graph import cis
from tests.graph.aws_zone import (
    GROUNDS,
    INSTANCE,
    PREFIX,
    SPEC,
    UNCOPIED,
    clusters_alone,
    declared,
    elastic,
    of_aws,
    plan_of,
    statements,
    told,
)

# What is open


def test_nothing_is_open_to_the_world_but_edges_and_in_both_families_alike(aws_zone: Graph) -> None:
    world: dict[str, set[tuple[str, int, int]]] = {}
    for name, rule in cis.inbound(aws_zone):
        if families := cis.open_to(rule):
            world.setdefault(name, set()).add((rule["protocol"], rule["fromPort"], rule["toPort"]))
            assert families == {"icmp": {4}, "icmpv6": {6}}.get(rule["protocol"], {4, 6}), name
    ping = {("icmp", -1, -1), ("icmpv6", -1, -1)}
    edge = ping | {("tcp", 80, 80), ("tcp", 443, 443)}
    names = [f"{place}-{label}-firewall" for place in ("fra", "dub") for label in ("web", "control")]
    assert world == {**dict.fromkeys(names, ping), "par-edge-firewall": edge, "sto-edge-firewall": edge}


def test_who_may_come_in_is_named_in_both_families(aws_zone: Graph) -> None:
    (edges, *_) = aws_zone.named("fra-web-firewall").inputs["ingress"]
    assert edges == {
        "protocol": "tcp",
        "fromPort": 80,
        "toPort": 80,
        "cidrBlocks": sorted(f"{elastic(f'{place}-edge-address', {})['publicIp']}/32" for place in ("par", "sto")),
        "ipv6CidrBlocks": ["2a05:d012:1234:5600::a/128", "2a05:d013:1234:5600::a/128"],
    }
    (callers, *_) = aws_zone.named("fra-control-firewall").inputs["ingress"]
    assert (callers["fromPort"], callers["toPort"]) == (9000, 9000)
    assert len(callers["cidrBlocks"]) == len(callers["ipv6CidrBlocks"]) == 9
    assert ("203.0.113.0/24" in callers["cidrBlocks"], "2001:db8:ad::/48" in callers["ipv6CidrBlocks"]) == (True, True)


def test_only_who_reaches_origins_may_go_out_to_any_port(aws_zone: Graph) -> None:
    def out(name: str) -> list[tuple[str, int, int]]:
        rules = aws_zone.named(name).inputs["egress"]
        for rule in rules:
            assert cis.open_to(rule) == {"icmp": {4}, "icmpv6": {6}}.get(rule["protocol"], {4, 6})
        return sorted((rule["protocol"], rule["fromPort"], rule["toPort"]) for rule in rules)

    always = [("icmp", -1, -1), ("icmpv6", -1, -1)]
    udp = [("udp", 53, 53), ("udp", 123, 123)]
    assert out("fra-web-firewall") == out("par-edge-firewall") == [*always, ("tcp", 0, 65_535), *udp]
    assert out("fra-control-firewall") == [*always, *(("tcp", port, port) for port in (53, 80, 443, 9000)), *udp]


def test_a_firewall_without_callers_opens_nothing() -> None:
    plan = plan_of(SPEC.partition("edge:")[0])
    graph = declared(plan)
    assert [rule["protocol"] for rule in graph.named("fra-web-firewall").inputs["ingress"]] == ["icmp", "icmpv6"]


# The network


def test_subnets_take_their_64_by_number_and_give_no_address_away(aws_zone: Graph) -> None:
    plan = plan_of().clusters
    for cluster in plan:
        for part in cluster.subnets:
            inputs = aws_zone.named(f"{cluster.name}-network-{part.name}", "aws:ec2/subnet:Subnet").inputs
            ipv6 = list(IPv6Network(PREFIX[cluster.name]).subnets(new_prefix=64))[part.number]
            assert (inputs["cidrBlock"], inputs["ipv6CidrBlock"]) == (str(part.ipv4), str(ipv6))
            assert (inputs["availabilityZone"], inputs["mapPublicIpOnLaunch"]) == (part.zone, False)
            assert inputs["assignIpv6AddressOnCreation"] is False
        assert len({part.zone for part in cluster.subnets}) == 2


def test_what_is_private_goes_out_over_ipv6_alone_and_nothing_comes_in(aws_zone: Graph) -> None:
    routes = {one.name: one.inputs for one in aws_zone.of_type("aws:ec2/route:Route") if one.name.startswith("fra-")}
    private = [route for route in routes.values() if route["routeTableId"] == "fra-network-private-id"]
    public = [route for route in routes.values() if route["routeTableId"] == "fra-network-public-id"]
    assert [(r.get("egressOnlyGatewayId"), r.get("destinationIpv6CidrBlock")) for r in private] == [
        ("fra-network-egress-id", "::/0")
    ]
    assert {r.get("destinationCidrBlock") or r["destinationIpv6CidrBlock"] for r in public} == {"0.0.0.0/0", "::/0"}
    assert {r["gatewayId"] for r in public} == {"fra-network-gateway-id"}
    tables = {
        one.name: one.inputs["routeTableId"]
        for one in aws_zone.of_type("aws:ec2/routeTableAssociation:RouteTableAssociation")
        if one.name.startswith("fra-")
    }
    assert tables == {
        f"fra-network-{kind}-{number}-routes": f"fra-network-{kind}-id"
        for kind in ("public", "private")
        for number in (1, 2)
    }


def test_flow_logs_are_kept_for_90_days(aws_zone: Graph) -> None:
    groups = aws_zone.of_type("aws:cloudwatch/logGroup:LogGroup")
    assert [group.inputs["retentionInDays"] for group in groups] == [90] * 4
    for log in aws_zone.of_type("aws:ec2/flowLog:FlowLog"):
        assert (log.inputs["trafficType"], log.inputs["logDestination"]) == (
            "ALL",
            f"arn:aws:logs:eu-test-1:123456789012:log-group:{log.name}",
        )
        assert f"{log.name}-policy" in log.depends_on


# Snapshots, buckets, roles


def test_every_disk_is_copied_by_a_policy_of_its_cluster(aws_zone: Graph) -> None:
    for name in GROUNDS:
        details = aws_zone.named(f"{name}-network-snapshots", "aws:dlm/lifecyclePolicy:LifecyclePolicy").inputs[
            "policyDetails"
        ]
        assert details["targetTags"] == {"hdinfra.snapshots": f"project-stack/{name}"}
        (schedule,) = details["schedules"]
        assert (schedule["createRule"], schedule["retainRule"], schedule["copyTags"]) == (
            {"cronExpression": "cron(0 3 * * ? *)"},
            {"count": 7},
            True,
        )
    disks = [one.inputs["rootBlockDevice"] for one in aws_zone.of_type(INSTANCE)]
    disks += [one.inputs for one in aws_zone.of_type("aws:ebs/volume:Volume")]
    copied = {disk["tags"]["Name"]: disk["tags"]["hdinfra.snapshots"] for disk in disks}
    assert copied == {name: f"project-stack/{name.partition('-')[0]}" for name in copied}
    assert len(copied) == 12


def test_a_week_is_a_sunday() -> None:
    graph = clusters_alone(plan_of(SPEC.replace("every: day, keep: 7", "every: week, keep: 4")))
    (schedule,) = graph.named("fra-network-snapshots", "aws:dlm/lifecyclePolicy:LifecyclePolicy").inputs[
        "policyDetails"
    ]["schedules"]
    assert (schedule["createRule"], schedule["retainRule"]) == ({"cronExpression": "cron(0 3 ? * SUN *)"}, {"count": 4})


def test_nothing_is_copied_where_nobody_asked() -> None:
    graph = declared(plan_of(UNCOPIED))
    assert [name for name in graph.names if "snapshots" in name] == []
    assert "hdinfra.snapshots" not in json.dumps([one.inputs for one in of_aws(graph)])


def test_a_waiver_of_snapshots_is_its_clusters_alone() -> None:
    waiver = f"region: eu-central-1, waivers: {{{Feature.SNAPSHOTS}: logs are kept elsewhere}}}}"
    graph = clusters_alone(plan_of(SPEC.replace("region: eu-central-1}", waiver)))
    names = {one.name for one in graph.of_type("aws:dlm/lifecyclePolicy:LifecyclePolicy")}
    assert names == {"dub-network-snapshots"}


def test_roles_may_do_little_and_for_this_account_alone(aws_zone: Graph) -> None:
    known = list(statements(aws_zone))
    assert len(known) == 4 * (1 + 2 + 1 + 4) + 2
    for name, field, statement in known:
        if statement["Effect"] == "Deny":
            continue
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not [action for action in actions if "*" in action], name
        if "*" in statement.get("Resource", ()):
            assert all(re.fullmatch(r"ec2:Describe\w+", action) for action in actions), name
        if field == "assumeRolePolicy":
            assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    services = {each["Principal"]["Service"] for _, field, each in known if field == "assumeRolePolicy"}
    assert services == {"vpc-flow-logs.amazonaws.com", "dlm.amazonaws.com"}


def test_a_snapshot_role_reaches_its_own_clusters_disks(aws_zone: Graph) -> None:
    found = [each for name, _, each in statements(aws_zone) if name == "fra-network-snapshots-policy"]
    tagged = {"StringEquals": {"aws:ResourceTag/hdinfra.snapshots": "project-stack/fra"}}
    conditions = {(tuple(each["Action"]), each["Resource"][0]): each.get("Condition") for each in found}
    assert conditions == {
        (("ec2:CreateSnapshot",), "arn:aws:ec2:eu-test-1:123456789012:volume/*"): tagged,
        (("ec2:CreateSnapshot", "ec2:CreateTags"), "arn:aws:ec2:eu-test-1::snapshot/*"): None,
        (("ec2:DeleteSnapshot",), "arn:aws:ec2:eu-test-1::snapshot/*"): tagged,
        (("ec2:DescribeSnapshots", "ec2:DescribeVolumes"), "*"): None,
    }


def test_a_flow_log_role_writes_to_its_own_group(aws_zone: Graph) -> None:
    write, look = [each for name, _, each in statements(aws_zone) if name == "fra-network-flows-policy"]
    group = "arn:aws:logs:eu-test-1:123456789012:log-group"
    assert write["Resource"] == [f"{group}:fra-network-flows", f"{group}:fra-network-flows:*"]
    assert (look["Action"], look["Resource"]) == (["logs:DescribeLogGroups"], [f"{group}:*"])


def test_anybody_may_fetch_from_the_bucket_over_tls_and_nobody_list_it(aws_zone: Graph) -> None:
    read, plain = [each for name, _, each in statements(aws_zone) if name == "dub-bundles-policy"]
    everything = "arn:aws:s3:::dub-bundles-id"
    assert read == {
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["s3:GetObject"],
        "Resource": [f"{everything}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "true"}},
    }
    assert (plain["Effect"], plain["Resource"]) == ("Deny", [everything, f"{everything}/*"])
    assert plain["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    access = aws_zone.named("dub-bundles-access")
    assert (access.inputs["blockPublicAcls"], access.inputs["ignorePublicAcls"]) == (True, True)
    assert "dub-bundles-access" in aws_zone.named("dub-bundles-policy").depends_on
    assert aws_zone.named("dub-bundles-ownership").inputs["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    (rule,) = aws_zone.named("dub-bundles-encryption").inputs["rules"]
    assert rule == {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}


def test_first_boots_fetch_bundles_by_a_name_of_both_families(aws_zone: Graph) -> None:
    made = aws_zone.named("dub-bundles-waf")
    pin = json.loads(told(aws_zone.named("fra-web-1"))[FIRST_BOOT_PATH])["code"]
    assert pin["url"] == f"https://dub-bundles-id.s3.dualstack.eu-west-1.amazonaws.com/{made.inputs['key']}"
    assert made.inputs["sourceHash"] == pin["sha256"]
    assert {"dub-bundles-waf", "dub-bundles-policy"} <= aws_zone.named("fra-web-1").depends_on
