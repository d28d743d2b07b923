"""The machine believes nobody: every value of a document is checked again before it may reach a file."""

import json
from typing import Any

import pytest

from hdinfra.agent.fields import PolicyError
from hdinfra.agent.policy import MAX_BYTES, Cache, ControlPolicy, LoadBalancerPolicy, Rate, WafPolicy, parse
from hdinfra.model import policy as model

WAF: dict[str, Any] = {
    "app": "waf",
    "schema_version": 1,
    "edges": ["192.0.2.1", "2001:db8::1"],
    "sites": [
        {
            "host": "shop.acme.test",
            "tenant": "acme",
            "mode": "MITIGATION",
            "paranoia": 1,
            "exclusions": [942100],
            "lowest_mode": "RECORD",
            "highest_paranoia": 2,
            "most_exclusions": 2,
            "origins": [{"address": "192.0.2.9", "port": 80}],
            "health_path": "/",
            "response_timeout_seconds": 2,
        }
    ],
}


EDGE: dict[str, Any] = {
    "app": "load-balancer",
    "schema_version": 1,
    "instances": [
        {
            "name": "shop",
            "backends": [{"name": "c1-shop-1", "cluster": "c1", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1"}],
        }
    ],
    "sites": [{"host": "a.test", "instance": "shop", "health_path": "/health", "response_timeout_seconds": 2}],
}
CONTROL: dict[str, Any] = {"app": "control", "schema_version": 1, "callers": ["10.64.0.1/32", "fd00::/64"]}


def site(**changes: object) -> bytes:
    """A document whose one site has these values."""
    return json.dumps(WAF | {"sites": [WAF["sites"][0] | changes]}).encode()


def test_reads_what_the_model_writes() -> None:
    raw = model.canonical(model.WafPolicy.model_validate(WAF)).encode()
    document = parse(raw)
    assert document.digest == model.digest(model.WafPolicy.model_validate(WAF))
    assert isinstance(document.policy, WafPolicy)
    assert document.policy.sites[0].host == "shop.acme.test"


def test_reads_the_other_documents_that_the_model_writes() -> None:
    edge = parse(model.canonical(model.LoadBalancerPolicy.model_validate(EDGE)).encode()).policy
    control = parse(model.canonical(model.ControlPolicy.model_validate(CONTROL)).encode()).policy
    assert isinstance(edge, LoadBalancerPolicy)
    assert isinstance(control, ControlPolicy)
    assert (edge.sites[0].health_path, [str(n) for n in control.callers]) == ("/health", ["10.64.0.1/32", "fd00::/64"])


LIMITS = {"name": "acme", "plan": "x-large", "cpu_weight": 800, "io_weight": 800, "tasks_max": 64}
MEMORY = {"memory_high_mib": 8192, "memory_max_mib": 10240}
NEWER = {"memory_low_mib": 4096, "disk_mib": 512_000}


def test_a_document_from_before_there_were_plans_is_read() -> None:
    assert "tenants" not in WAF
    policy = parse(json.dumps(WAF).encode()).policy
    assert isinstance(policy, WafPolicy)
    assert policy.tenants == ()


def test_reads_the_limits_that_the_model_writes() -> None:
    document = model.WafPolicy.model_validate({**WAF, "tenants": [{**LIMITS, **MEMORY, **NEWER}]})
    policy = parse(model.canonical(document).encode()).policy
    assert isinstance(policy, WafPolicy)
    (read,) = policy.tenants
    assert (read.plan, read.memory_max_mib, read.memory_low_mib, read.disk_mib) == ("x-large", 10240, 4096, 512_000)


def test_limits_from_before_disks_had_any_are_read() -> None:
    policy = parse(json.dumps({**WAF, "tenants": [{**LIMITS, **MEMORY}]}).encode()).policy
    assert isinstance(policy, WafPolicy)
    assert (policy.tenants[0].memory_low_mib, policy.tenants[0].disk_mib) == (0, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "a/../b"},
        {"plan": "small\nTasksMax=infinity"},
        {"cpu_weight": 0},
        {"tasks_max": "64 M"},
        {"disk_mib": 0},
    ],
)
def test_limits_that_are_none_are_refused(change: dict[str, object]) -> None:
    (name,) = change
    with pytest.raises(PolicyError, match=rf"^waf\.tenants\[0\]\.{name}"):
        parse(json.dumps({**WAF, "tenants": [{**LIMITS, **MEMORY, **change}]}).encode())


LATER: dict[str, Any] = {
    "profile": "strong",
    "excluded_paths": ["/upload", "/.well-known/x/"],
    "excluded_networks": ["192.0.2.0/24", "2001:db8::/32"],
    "rate": {"per_second": 10, "burst": 0},
    "cache": {"size_mib": 1},
}


def test_reads_what_the_model_writes_of_a_site_with_everything() -> None:
    written = model.WafPolicy.model_validate(json.loads(site(**LATER)))
    read = parse(model.canonical(written).encode()).policy
    assert isinstance(read, WafPolicy)
    (found,) = read.sites
    assert (found.profile, found.excluded_paths) == ("strong", ("/upload", "/.well-known/x/"))
    assert [str(network) for network in found.excluded_networks] == ["192.0.2.0/24", "2001:db8::/32"]
    assert (found.rate, found.cache) == (Rate(10, 0), Cache(1))


def test_what_an_older_document_does_not_say_is_as_it_was() -> None:
    read = parse(json.dumps(WAF).encode()).policy
    assert isinstance(read, WafPolicy)
    (found,) = read.sites
    assert (found.profile, found.excluded_paths, found.excluded_networks) == ("complete", (), ())
    assert (found.rate, found.cache) == (None, None)
    assert json.loads(model.canonical(model.WafPolicy.model_validate(WAF))) == WAF


BAD_PATHS = ("/", "", "a", "//", "/a//b", "/a/../b", "/..", "/a/.", '/a"', "/a b", "/a\n", "/a|/b", "/" + "a" * 201, 5)
HOSTILE_NAMES = (
    "a;b.test",
    "a b.test",
    'a".test',
    "a'.test",
    "a{.test",
    "a}.test",
    "$host.test",
    "a\n.test",
    "a.test\n",
    "a\\.test",
    "a#.test",
    "../a.test",
    "bücher.test",
    "A.test",
    "*.test",
    ".test",
    "a..test",
    "localhost",
    "192.0.2.1",
    "a" * 300 + ".test",
    "",
    None,
    5,
)


@pytest.mark.parametrize("host", HOSTILE_NAMES, ids=repr)
def test_refuses_hostile_hosts(host: object) -> None:
    with pytest.raises(PolicyError, match=r"^waf\.sites\[0\]\.host: "):
        parse(site(host=host))


@pytest.mark.parametrize("tenant", ["../etc", "a/b", "a b", "a;", "a\n", "", "A", "a" * 33, ".", None], ids=repr)
def test_refuses_hostile_tenants(tenant: object) -> None:
    with pytest.raises(PolicyError, match=r"^waf\.sites\[0\]\.tenant: "):
        parse(site(tenant=tenant))


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"mode": "OFF"}, r"waf\.sites\[0\]\.mode"),
        ({"mode": ["RECORD"]}, r"waf\.sites\[0\]\.mode"),
        ({"paranoia": 5}, r"waf\.sites\[0\]\.paranoia"),
        ({"paranoia": True}, r"waf\.sites\[0\]\.paranoia"),
        ({"health_path": "/a b"}, r"waf\.sites\[0\]\.health_path"),
        ({"health_path": "/a'"}, r"waf\.sites\[0\]\.health_path"),
        ({"health_path": "/a\n"}, r"waf\.sites\[0\]\.health_path"),
        ({"response_timeout_seconds": 0}, r"waf\.sites\[0\]\.response_timeout_seconds"),
        ({"origins": [{"address": "evil.test", "port": 80}]}, r"waf\.sites\[0\]\.origins\[0\]\.address"),
        ({"origins": [{"address": "fe80::1%a b", "port": 80}]}, r"waf\.sites\[0\]\.origins\[0\]\.address"),
        ({"origins": [{"address": "192.0.2.1", "port": 0}]}, r"waf\.sites\[0\]\.origins\[0\]\.port"),
        ({"origins": []}, r"sites: shop\.acme\.test has no origin"),
        ({"mode": "BYPASS"}, r"sites: shop\.acme\.test is beyond its own ceilings: mode"),
        ({"paranoia": 3}, r"sites: shop\.acme\.test is beyond its own ceilings: paranoia"),
        ({"exclusions": [942100, 942110, 942120]}, r"sites: shop\.acme\.test is beyond its own ceilings: exclusions"),
        ({"exclusions": [1]}, r"waf\.sites\[0\]\.exclusions\[0\]"),
        ({"exclusions": ["942100"]}, r"waf\.sites\[0\]\.exclusions\[0\]"),
        ({"most_exclusions": 65}, r"waf\.sites\[0\]\.most_exclusions"),
        ({"lowest_mode": "OFF"}, r"waf\.sites\[0\]\.lowest_mode"),
        ({"origins": [{"address": "192.0.2.1", "port": 80}] * 65}, r"waf\.sites\[0\]\.origins: 65 entries; 64 are"),
        ({"profile": "wordpress"}, r"waf\.sites\[0\]\.profile"),
        ({"profile": "none"}, r"sites: shop\.acme\.test is beyond its own ceilings: profile"),
        *(
            ({"excluded_paths": [path]}, r"waf\.sites\[0\]\.excluded_paths\[0\]")
            for path in (
                "/",
                "",
                "a",
                "//",
                "/a//b",
                "/a/../b",
                "/..",
                "/a/.",
                '/a"',
                "/a b",
                "/a\n",
                "/a|/b",
                "/" + "a" * 201,
            )
        ),
        ({"excluded_paths": ["/a"] * 33}, r"waf\.sites\[0\]\.excluded_paths: 33 entries; 32 are"),
        *(
            ({"excluded_networks": [network]}, r"waf\.sites\[0\]\.excluded_networks\[0\]")
            for network in ("0.0.0.0/0", "0.0.0.0/7", "::/0", "2000::/31", "192.0.2.1/24", "a.test", "fe80::%x/64", 5)
        ),
        ({"excluded_networks": ["192.0.2.0/24"] * 65}, r"waf\.sites\[0\]\.excluded_networks: 65 entries; 64 are"),
        ({"rate": {"per_second": 0, "burst": 0}}, r"waf\.sites\[0\]\.rate\.per_second"),
        ({"rate": {"per_second": 10_001, "burst": 0}}, r"waf\.sites\[0\]\.rate\.per_second"),
        ({"rate": {"per_second": 1, "burst": -1}}, r"waf\.sites\[0\]\.rate\.burst"),
        ({"rate": {"per_second": 1}}, r"waf\.sites\[0\]\.rate: keys \['burst'\]"),
        ({"rate": None}, r"waf\.sites\[0\]\.rate"),
        ({"cache": {"size_mib": 0}}, r"waf\.sites\[0\]\.cache\.size_mib"),
        ({"cache": {"size_mib": 1_025}}, r"waf\.sites\[0\]\.cache\.size_mib"),
        ({"more": 1}, r"waf\.sites\[0\]: keys \['more'\]"),
    ],
)
def test_refuses_wrong_values(changes: dict[str, object], path: str) -> None:
    with pytest.raises(PolicyError, match=f"^{path}"):
        parse(site(**changes))


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"", "document: not JSON"),
        (b"[" * 200_000, "document: not JSON"),
        (b" " * (MAX_BYTES + 1), "document: 4,194,305 bytes"),
        (b'{"app":["waf"]}', "app: "),
        (json.dumps(WAF | {"sites": WAF["sites"] * 2001}).encode(), "waf.sites: 2,001 entries; 2,000 are the most"),
        (json.dumps(WAF | {"edges": ["192.0.2.1"] * 501}).encode(), "waf.edges: 501 entries"),
        (json.dumps(EDGE | {"instances": []}).encode(), r"sites: instances \['shop'\] are not in this document"),
        (json.dumps(EDGE | {"instances": EDGE["instances"] * 2}).encode(), "instances: "),
        (json.dumps(CONTROL | {"callers": ["10.64.0.1/24"]}).encode(), r"control\.callers\[0\]"),
        (json.dumps(CONTROL | {"callers": ["fe80::%x/64"]}).encode(), r"control\.callers\[0\]"),
        (json.dumps(CONTROL | {"callers": [5]}).encode(), r"control\.callers\[0\]"),
        (json.dumps(CONTROL | {"callers": ["10.0.0.0/8"] * 2}).encode(), r"callers: \['10.0.0.0/8'\] occur more"),
        (json.dumps(CONTROL | {"callers": ["10.0.0.0/8"] * 1001}).encode(), "control.callers: 1,001 entries"),
        (b"[]", "app: "),
        (b'{"app":"ddos"}', "app: "),
        (json.dumps(WAF | {"schema_version": 2}).encode(), "schema_version: 2"),
        (json.dumps(WAF | {"more": 1}).encode(), r"waf: keys \['more'\]"),
        (json.dumps(WAF | {"sites": WAF["sites"] * 2}).encode(), r"sites: \['shop.acme.test'\] occur more than once"),
    ],
)
def test_refuses_wrong_documents(raw: bytes, path: str) -> None:
    with pytest.raises(PolicyError, match=f"^{path}"):
        parse(raw)
