"""The machine believes nobody: every value of a document is checked again before it may reach a file."""

import json
from typing import Any

import pytest

from hdinfra.agent.policy import PolicyError, WafPolicy, parse
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
            "origins": [{"address": "192.0.2.9", "port": 80}],
            "health_path": "/",
            "response_timeout_seconds": 2,
        }
    ],
}


def site(**changes: object) -> bytes:
    """A document whose one site has these values."""
    return json.dumps(WAF | {"sites": [WAF["sites"][0] | changes]}).encode()


def test_reads_what_the_model_writes() -> None:
    raw = model.canonical(model.WafPolicy.model_validate(WAF)).encode()
    document = parse(raw)
    assert document.digest == model.digest(model.WafPolicy.model_validate(WAF))
    assert isinstance(document.policy, WafPolicy)
    assert document.policy.sites[0].host == "shop.acme.test"


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
        (b"[]", "app: "),
        (b'{"app":"dns"}', "app: "),
        (json.dumps(WAF | {"schema_version": 2}).encode(), "schema_version: 2"),
        (json.dumps(WAF | {"more": 1}).encode(), r"waf: keys \['more'\]"),
        (json.dumps(WAF | {"sites": WAF["sites"] * 2}).encode(), r"sites: \['shop.acme.test'\] occur more than once"),
    ],
)
def test_refuses_wrong_documents(raw: bytes, path: str) -> None:
    with pytest.raises(PolicyError, match=f"^{path}"):
        parse(raw)
