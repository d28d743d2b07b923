"""Name servers as they are declared: in two Clusters, open to the world at port 53, told after the edge is."""

import copy
import json
from typing import Any

import pulumi
import pytest
import yaml

import hdinfra as hd
from hdinfra.agent.dns_policy import DnsPolicy
from hdinfra.agent.policy import parse
from hdinfra.model.spec import ZoneSpec
from hdinfra.model.typed import validated
from hdinfra.testing import Graph, Recorder
from tests.graph.answers import INVOKES, OUTPUTS
from tests.graph.flips_dns import DNS
from tests.graph.specs import LOCAL, clock, plan_of
from tests.graph.test_denies_by_default import firewall_of
from tests.graph.test_stock_mocks import Run, run  # noqa: F401  a fixture
from tests.model.cloud_specs import europe
from tests.model.legal import setting

SPEC = LOCAL + yaml.safe_dump({"dns": DNS})


def declared(text: str = SPEC) -> Graph:
    """The local Zone with its outputs."""

    def program() -> None:
        made = hd.declare(plan_of(text), clock)
        pulumi.export("status", hd.status_of(made))

    return Recorder()(program)


@pytest.fixture(scope="module")
def graph() -> Graph:
    """With name servers."""
    return declared()


def test_it_keeps_the_rules_of_all_graphs(graph: Graph) -> None:
    assert graph.duplicates() == frozenset()
    assert graph.orphans() == graph.without_provider() == graph.unfinished() == ()
    assert {"dns", "a-dns-1", "b-dns-1", "dns-policy", "bundles-dns"} <= {one.name for one in graph.resources}


def test_only_port_53_is_open_and_udp_has_its_measure(graph: Graph) -> None:
    rules = firewall_of(graph.named("a-dns-1"))
    inbound, _, rest = rules.partition("chain forwarded")
    accepted = [line.strip() for line in inbound.splitlines() if "dport" in line and "accept" in line]
    assert accepted[-2:] == ["tcp dport 53 accept", "udp dport 53 accept"]
    dropped = [line.strip() for line in inbound.splitlines() if line.strip().startswith("udp dport 53 add @")]
    assert [line.rpartition(" ")[2] for line in dropped] == ["drop", "drop"]
    established = inbound.index("ct state established")
    assert all(inbound.index(line) < established for line in dropped), "who was answered once would have no measure"
    assert "ip daddr . tcp dport @upstreams4 accept" in rest


def test_it_is_shown_over_udp_and_tcp(graph: Graph) -> None:
    assert [
        (port["port"], port["target"], port.get("protocol")) for port in graph.named("b-dns-1").inputs["ports"]
    ] == [
        (15301, 53, None),
        (15301, 53, "udp"),
    ]
    assert all("protocol" not in port for port in graph.named("east-edge").inputs["ports"])


def test_its_policy_follows_the_edges_and_is_one_that_machines_read(graph: Graph) -> None:
    told = graph.named("dns-policy")
    assert "edge-policy" in told.depends_on
    policy = parse(json.dumps(told.inputs["document"]).encode()).policy
    assert isinstance(policy, DnsPolicy)
    assert [server.name for server in policy.servers] == ["a-dns-1", "b-dns-1"]
    plan = plan_of(SPEC)
    assert plan.edge is not None
    public = {machine.place: machine.public for machine in plan.edge.machines}
    assert {place.name: place.addresses for place in policy.places} == public


def test_the_stack_says_where_to_ask(graph: Graph) -> None:
    told = graph.outputs["status"]["dns"]
    assert (told["alias"], told["entrance"]) == ("sites.edge.example.net", "main")
    assert told["publish"] == {
        "a-dns-1": {"address": "127.0.0.1", "port": 15300},
        "b-dns-1": {"address": "127.0.0.1", "port": 15301},
    }
    assert "dns" not in declared(LOCAL).outputs["status"]


def test_a_switch_changes_the_policy_alone() -> None:
    """Nothing but the one document differs between both plans."""
    held = plan_of(SPEC).held
    graphs = []
    for entrance in (None, "cdn"):
        plan = plan_of(SPEC, held.model_copy(update={"entrance": entrance}))
        graphs.append(Recorder()(lambda plan=plan: hd.declare(plan, clock) and None))
    before, after = ({one.urn: one.inputs for one in graph.resources} for graph in graphs)
    assert [urn.rpartition("::")[2] for urn in before if before[urn] != after[urn]] == ["dns-policy"]
    assert before.keys() == after.keys()


def test_clouds_let_the_world_in_over_udp() -> None:
    plan = hd.planned(
        validated(ZoneSpec, europe(setting("dns", {"name": "edge.example.net", "clusters": ["aws", "do"]})))
    )
    graph = Recorder(outputs=OUTPUTS, invokes=INVOKES)(lambda: hd.declare(plan, clock) and None)
    (group,) = [one for one in graph.of_type("aws:ec2/securityGroup:SecurityGroup") if one.name.startswith("aws-dns")]
    udp = [rule for rule in group.inputs["ingress"] if rule["protocol"] == "udp"]
    assert [(rule["fromPort"], rule["cidrBlocks"], rule["ipv6CidrBlocks"]) for rule in udp] == [
        (53, ["0.0.0.0/0"], ["::/0"])
    ]
    (firewall,) = [
        one for one in graph.of_type("digitalocean:index/firewall:Firewall") if one.name.startswith("do-dns")
    ]
    assert ("udp", "53", ["0.0.0.0/0", "::/0"]) in [
        (rule["protocol"], rule.get("portRange"), rule["sourceAddresses"]) for rule in firewall.inputs["inboundRules"]
    ]


def test_with_stock_mocks(run: Run) -> None:  # noqa: F811
    plan = plan_of(SPEC)
    assert {"dns", "a-dns-1", "dns-policy"} <= run(lambda: hd.declare(plan, clock))


def test_a_spec_without_them_declares_nothing_of_them() -> None:
    data: dict[str, Any] = copy.deepcopy(yaml.safe_load(LOCAL))
    assert not [one for one in declared(yaml.safe_dump(data)).resources if "dns" in one.name]
