"""What an edge at Cloudflare registers: one tunnel and one pool a site, names in order, and secrets never plain."""

import json
import os
import subprocess
import sys
from typing import Any

import pulumi
import pytest

import hdinfra as hd
from hdinfra.clouds.cloudflare_edge import ALERTS, NOBODY, STEERING
from hdinfra.model.failover.cloudflare_networks import cloudflare_networks
from hdinfra.model.failover.spec import Affinity, Steering
from hdinfra.testing import Graph, wrong_inputs
from tests.engine.replacements import is_stateful, known_types
from tests.graph.cloudflare_edges import API_TOKEN, CLASSES, CONFIG, KUBECONFIG, TOKEN, edge, pair, recorded
from tests.graph.specs import ROOT
from tests.model import cloudflare_specs as specs
from tests.model.legal import Change, Data, setting

BALANCER = "cloudflare:index/loadBalancer:LoadBalancer"
POOL = "cloudflare:index/loadBalancerPool:LoadBalancerPool"
TUNNEL = "cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared"
RULES = "cloudflare:index/zeroTrustTunnelCloudflaredConfig:ZeroTrustTunnelCloudflaredConfig"
ALERT = "cloudflare:index/notificationPolicy:NotificationPolicy"
HOOK = "cloudflare:index/notificationPolicyWebhooks:NotificationPolicyWebhooks"
RECORD = "cloudflare:index/dnsRecord:DnsRecord"
PULLS = "cloudflare:index/authenticatedOriginPullsSettings:AuthenticatedOriginPullsSettings"
NAMESPACE = "kubernetes.io/metadata.name"
HOOKS = {"webhooks": [{"name": "chat", "url": "https://chat.example.com/hook"}]}


def listening(data: Data) -> None:
    """The second site is asked at its addresses, of both families, instead."""
    data["tunnels"].pop()
    data["cloudflare"] = {**data["cloudflare"], "lock": "cloudflare-only"}
    data["failover"]["pools"][1]["endpoints"] = [
        {"name": "hel-4", "address": "192.0.2.9"},
        {"name": "hel-6", "address": "2001:db8::9", "weight": 0.5},
    ]


@pytest.fixture(scope="module")
def graph() -> Graph:
    return recorded(edge())


EDGES: dict[str, tuple[Change, ...]] = {
    "as it is": (),
    "with webhooks": (setting("cloudflare.notify", HOOKS),),
    "nobody is told": (setting("cloudflare.notify", {}),),
    "at addresses": (listening,),
    "weighted": (setting("failover.steering", "weighted"), setting("failover.pools.1.weight", 0.25)),
    "by region": (setting("failover.steering", "geo"), setting("failover.pools.0.regions", ["WEU"])),
    "drained": (setting("failover.pools.0.drained", True), setting("failover.fallback", "helsinki")),
}


@pytest.mark.parametrize("changes", EDGES.values(), ids=EDGES)
def test_whole_and_as_the_sdk_has_it(changes: tuple[Change, ...]) -> None:
    graph = recorded(edge(*changes, webhook_secrets={"chat": "recorded secret"}))
    assert graph.duplicates() == frozenset()
    assert graph.without_provider() == graph.orphans() == graph.unfinished() == ()
    assert all(name.startswith("shop") for name in graph.names)
    assert {one.type for one in graph.resources if one.custom} <= CLASSES.keys()
    assert wrong_inputs(graph, CLASSES) == ()
    accounts = {one.inputs[key] for one in graph.resources for key in ("accountId", "zoneId") if key in one.inputs}
    assert accounts == {"a" * 32, "b" * 32}


def test_every_type_is_in_the_table_of_replacements() -> None:
    assert {kind for kind in CLASSES if not kind.startswith("pulumi:")} <= known_types()
    assert is_stateful(TUNNEL)


def test_a_pair_is_one_object_over_an_edge() -> None:
    graph = recorded(pair())
    assert graph.without_provider() == graph.orphans() == graph.unfinished() == ()
    (whole,) = graph.of_type("hdinfra:index:FailoverPair")
    assert whole.outputs == ({"primary": "paris", "failover": "helsinki", "host": "shop.example.com"},)
    (inside,) = graph.of_type("hdinfra:index:CloudflareFailover")
    assert graph.parent(inside) == whole
    (balancer,) = graph.of_type(BALANCER)
    assert balancer.inputs["defaultPools"] == ["shop-edge-paris-pool-id", "shop-edge-helsinki-pool-id"]
    assert (balancer.inputs["sessionAffinity"], balancer.inputs["steeringPolicy"]) == ("none", "off")
    assert balancer.inputs["adaptiveRouting"] == {"failoverAcrossPools": False}


def test_a_pair_of_something_else_is_refused() -> None:
    plan = hd.planned_edge(specs.edge())
    with pytest.raises(pulumi.RunError, match="2 pools and is no pair"):
        recorded(lambda: hd.FailoverPair("shop", hd.FailoverPairArgs(plan, API_TOKEN)))


def test_one_tunnel_and_one_pool_a_site_with_the_service_s_host(graph: Graph) -> None:
    assert [one.inputs["name"] for one in graph.of_type(TUNNEL)] == ["hd-test-shop-paris", "hd-test-shop-helsinki"]
    assert {one.inputs["configSrc"] for one in graph.of_type(TUNNEL)} == {"cloudflare"}
    origins = [one.inputs["origins"] for one in graph.of_type(POOL)]
    assert [[origin["address"] for origin in pool] for pool in origins] == [
        ["shop-paris-tunnel-id.cfargotunnel.com"],
        ["shop-helsinki-tunnel-id.cfargotunnel.com"],
    ]
    assert {tuple(origin["header"]["hosts"]) for pool in origins for origin in pool} == {("shop.example.com",)}
    assert {one.inputs["monitor"] for one in graph.of_type(POOL)} == {"shop-monitor-id"}


def test_connectors_answer_for_their_hosts_and_404_for_all_others(graph: Graph) -> None:
    rules = [one.inputs["config"]["ingresses"] for one in graph.of_type(RULES)]
    assert [rule.get("hostname") for rule in rules[0]] == ["shop.example.com", "paris.example.com", None]
    assert [rule[-1] for rule in rules] == [{"service": NOBODY}] * 2
    assert rules[1][0]["originRequest"] == {"originServerName": "shop.example.com"}, "TLS is verified, not skipped"
    assert "originRequest" not in rules[0][0]


def test_the_host_is_proxied_with_pools_in_order_and_a_fallback(graph: Graph) -> None:
    (balancer,) = graph.of_type(BALANCER)
    told = {"name": "shop.example.com", "proxied": True, "fallbackPool": "shop-paris-pool-id", "steeringPolicy": "off"}
    assert {key: balancer.inputs[key] for key in told} == told
    assert balancer.inputs["defaultPools"] == ["shop-paris-pool-id", "shop-helsinki-pool-id"]
    (record,) = graph.of_type(RECORD)
    told = {"name": "paris.example.com", "type": "CNAME", "content": "shop-paris-tunnel-id.cfargotunnel.com"}
    assert {key: record.inputs[key] for key in told} == told
    assert record.inputs["proxied"] is True


def test_the_monitor_asks_as_users_do(graph: Graph) -> None:
    monitor = graph.named("shop-monitor").inputs
    assert monitor["header"] == {"Host": ["shop.example.com"]}
    assert (monitor["path"], monitor["type"], monitor["expectedCodes"]) == ("/edge-health", "https", "200")
    assert (monitor["interval"], monitor["timeout"], monitor["retries"]) == (60, 5, 2)
    assert monitor["allowInsecure"] is False


@pytest.mark.parametrize("steering", Steering)
def test_every_steering_has_cloudflare_s_word(steering: Steering) -> None:
    parts: dict[Steering, tuple[Change, ...]] = {
        Steering.GEO: (
            setting("failover.pools.0.regions", ["WEU", "EEU"]),
            setting("failover.pools.1.regions", ["EEU"]),
        ),
        Steering.PROXIMITY: tuple(
            setting(f"failover.pools.{index}.{key}", 10.5) for index in (0, 1) for key in ("latitude", "longitude")
        ),
        Steering.WEIGHTED: (setting("failover.pools.1.weight", 0.25),),
    }
    graph = recorded(edge(setting("failover.steering", steering.value), *parts.get(steering, ())))
    (balancer,) = graph.of_type(BALANCER)
    assert balancer.inputs["steeringPolicy"] == STEERING[steering]
    both = ["shop-paris-pool-id", "shop-helsinki-pool-id"]
    regions = {"EEU": both, "WEU": both[:1]} if steering is Steering.GEO else None
    assert balancer.inputs.get("regionPools") == regions
    weights = {"defaultWeight": 0, "poolWeights": dict(zip(both, (1, 0.25), strict=True))}
    assert balancer.inputs.get("randomSteering") == (weights if steering is Steering.WEIGHTED else None)
    places = [pool.inputs.get("latitude") for pool in graph.of_type(POOL)]
    assert places == ([10.5, 10.5] if steering is Steering.PROXIMITY else [None, None])


@pytest.mark.parametrize("affinity", Affinity)
def test_every_affinity_is_cloudflare_s_word(affinity: Affinity) -> None:
    (balancer,) = recorded(edge(setting("failover.affinity", affinity.value))).of_type(BALANCER)
    assert balancer.inputs["sessionAffinity"] == affinity.value


def test_a_drained_pool_changes_that_pool_alone_in_place() -> None:
    before, after = recorded(edge()), recorded(edge(setting("failover.pools.1.drained", True)))
    assert before.changed(after) == {"shop-helsinki-pool"}
    assert after.named("shop-helsinki-pool").inputs["enabled"] is False
    assert before.named("shop-helsinki-pool").inputs["enabled"] is True


def test_tokens_are_secret_wherever_they_are(graph: Graph) -> None:
    held = {
        one.name: one.secrets
        for one in graph.resources
        if any(word in json.dumps(dict(one.inputs)) for word in (TOKEN, API_TOKEN, KUBECONFIG))
    }
    assert held == {
        "shop-provider": frozenset({"apiToken"}),
        "shop-helsinki-connectors-provider": frozenset({"kubeconfig"}),
        "shop-helsinki-connectors-token": held["shop-helsinki-connectors-token"],
    }
    assert held["shop-helsinki-connectors-token"] & {"stringData", "stringData.token"}


def test_a_webhook_s_secret_is_one() -> None:
    graph = recorded(edge(setting("cloudflare.notify", HOOKS), webhook_secrets={"chat": "recorded secret"}))
    (hook,) = graph.of_type(HOOK)
    assert (hook.inputs["secret"], hook.secrets) == ("recorded secret", frozenset({"secret"}))
    assert {tuple(one["id"] for one in alert.inputs["mechanisms"]["webhooks"]) for alert in graph.of_type(ALERT)} == {
        ("shop-webhook-chat-id",)
    }


def test_people_are_told_of_this_edge_s_pools_and_tunnels(graph: Graph) -> None:
    alerts = {one.inputs["alertType"]: one.inputs for one in graph.of_type(ALERT)}
    assert set(alerts) == set(ALERTS.values())
    pools = ["shop-paris-pool-id", "shop-helsinki-pool-id"]
    assert alerts[ALERTS["health"]]["filters"] == alerts[ALERTS["drain"]]["filters"] == {"poolIds": pools}
    assert alerts[ALERTS["tunnel"]]["filters"] == {"tunnelIds": ["shop-paris-tunnel-id", "shop-helsinki-tunnel-id"]}
    assert {tuple(one["id"] for one in alert["mechanisms"]["emails"]) for alert in alerts.values()} == {
        ("ops@example.com",)
    }


def test_origins_that_listen_let_cloudflare_in_and_are_shown_a_certificate(graph: Graph) -> None:
    networks = tuple(map(str, cloudflare_networks().visitors))
    sources: list[tuple[str, ...]] = []
    for changes in ((), (listening,)):
        plan = hd.planned_edge(specs.edge(*changes))
        recorded(
            lambda plan=plan: sources.append(  # type: ignore[misc]
                hd.CloudflareFailover("shop", hd.CloudflareFailoverArgs(plan, API_TOKEN)).origin_sources
            )
        )
    assert sources == [(), networks]
    assert graph.of_type(PULLS) == ()
    (pulls,) = recorded(edge(listening)).of_type(PULLS)
    assert pulls.inputs == {"zoneId": "b" * 32, "enabled": True}


def test_pods_are_on_nodes_of_two_ways_out(graph: Graph) -> None:
    (made,) = graph.of_type("kubernetes:apps/v1:Deployment")
    pod = made.inputs["spec"]["template"]["spec"]
    (spread,) = pod["topologySpreadConstraints"]
    kept = {"topologyKey": "example.com/uplink", "maxSkew": 1, "minDomains": 2, "whenUnsatisfiable": "DoNotSchedule"}
    assert kept.items() <= spread.items()
    (apart,) = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert apart["topologyKey"] == "kubernetes.io/hostname"
    labels = made.inputs["spec"]["template"]["metadata"]["labels"]
    assert spread["labelSelector"] == apart["labelSelector"] == {"matchLabels": labels}


@pytest.mark.parametrize(
    ("service", "where"),
    [
        ("https://shop.web.svc.cluster.local:443", {"namespaceSelector": {"matchLabels": {NAMESPACE: "web"}}}),
        ("http://shop.web:8080", {"namespaceSelector": {"matchLabels": {NAMESPACE: "web"}}}),
        ("http://shop", {"podSelector": {}}),
        ("http://192.0.2.7:8080", {"ipBlock": {"cidr": "192.0.2.7/32"}}),
    ],
)
def test_pods_reach_the_service_names_and_cloudflare_alone(service: str, where: dict[str, Any]) -> None:
    graph = recorded(edge(setting("tunnels.1.service", service)))
    (policy,) = graph.of_type("kubernetes:networking.k8s.io/v1:NetworkPolicy")
    spec = policy.inputs["spec"]
    assert (spec["policyTypes"], "ingress" in spec) == (["Ingress", "Egress"], False)
    tunnels, names, origin = spec["egress"]
    assert {one["port"] for one in tunnels["ports"]} == {7844}
    edges = {one["ipBlock"]["cidr"].partition("/")[0] for one in tunnels["to"]}
    assert edges == {str(address) for address in cloudflare_networks().tunnels}
    assert {one["port"] for one in names["ports"]} == {53}
    assert names["to"] == [
        {"namespaceSelector": {"matchLabels": {NAMESPACE: "kube-system"}}},
        {"ipBlock": {"cidr": "169.254.20.10/32"}},
    ]
    assert origin["to"] == [where]


def test_outputs_say_where_to_look(graph: Graph) -> None:
    status = graph.outputs["status"]
    assert [pool["name"] for pool in status["pools"]] == ["paris", "helsinki"]
    assert [tunnel["hosts"] for tunnel in status["tunnels"]] == [
        ["shop.example.com", "paris.example.com"],
        ["shop.example.com"],
    ]
    assert status["tunnels"][0]["connectors"] == ["iron-1 over north", "iron-2 over south"]
    assert status["tunnels"][1]["connectors"] == ["2 pods"]
    assert status["recover_seconds"] == hd.planned_edge(specs.edge()).recover_seconds


def test_the_account_s_settings_are_taken() -> None:
    config = {**CONFIG, "hdinfra:account-cf": json.dumps({"token": "of the stack", "webhook-chat": "also"})}
    changes = (setting("cloudflare.account", "cf"), setting("cloudflare.notify", HOOKS))
    graph = recorded(edge(*changes, api_token=None), config)
    assert graph.named("shop-provider").inputs["apiToken"] == "of the stack"
    assert graph.of_type(HOOK)[0].inputs["secret"] == "also"


def test_without_credentials_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUDFLARE_API_TOKEN", raising=False)
    with pytest.raises(pulumi.RunError, match="export CLOUDFLARE_API_TOKEN"):
        recorded(edge(api_token=None))
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "of the environment")
    assert "apiToken" not in recorded(edge(api_token=None)).named("shop-provider").inputs


class Echo(pulumi.runtime.Mocks):
    """The usual mocks, which know tunnels' tokens."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.names.add(args.name)
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        assert args.token.endswith(":getZeroTrustTunnelCloudflaredToken")
        return {**args.args, "token": TOKEN}, []


@pytest.mark.usefixtures("stock_mocks")
def test_under_stock_mocks() -> None:
    mocks = Echo()
    pulumi.runtime.set_mocks(mocks)
    pulumi.runtime.set_all_config(CONFIG)
    program = pair()
    pulumi.runtime.test(lambda: program() and None)()
    pulumi.runtime.set_all_config({})
    assert {"shop", "shop-edge", "shop-edge-load-balancer", "shop-edge-helsinki-connectors-pods"} <= mocks.names


PROGRAM = """
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == sys.argv[1]:
            return None
        return self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]

import hdinfra as hd
from hdinfra.testing import Recorder
from tests.model import cloudflare_specs as specs

plan = hd.planned_edge(specs.edge())
config = {"hdinfra:account-k8s-hel": '{"kubeconfig": "k"}'}
asked = "cloudflare:index/getZeroTrustTunnelCloudflaredToken:getZeroTrustTunnelCloudflaredToken"
Recorder(config=config, invokes={asked: lambda inputs: {"token": "t"}})(
    lambda: hd.CloudflareFailover("shop", hd.CloudflareFailoverArgs(plan, "token"))
)
"""


@pytest.mark.parametrize("extra", ["cloudflare", "kubernetes"])
def test_a_missing_extra_is_named(extra: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, f"pulumi_{extra}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,  # 3 s on a quiet machine
        check=False,
    )
    assert done.returncode != 0
    assert f'pip install "hdinfra[{extra}]"' in done.stderr.splitlines()[-1], done.stderr
