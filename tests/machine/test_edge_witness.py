"""What an edge tells of the Clusters behind it, as a witness of their loss."""

import json
from typing import Any

import pytest

from hdinfra.agent import look
from hdinfra.agent.policy import parse

BACKENDS = [
    {"name": "a-shop-1", "cluster": "a", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1"},
    {"name": "b-shop-1", "cluster": "b", "ipv4": "192.0.2.2", "ipv6": ""},
]
EDGE = {
    "app": "load-balancer",
    "schema_version": 1,
    "instances": [{"name": "shop", "backends": BACKENDS}],
    "sites": [{"host": "a.test", "instance": "shop", "health_path": "/health", "response_timeout_seconds": 2}],
}


def rows(**status: str) -> list[dict[str, Any]]:
    return [
        {"pxname": "shop-read", "svname": name.replace("_", "-") + ".ipv4", "status": said}
        for name, said in status.items()
    ]


def test_it_counts_what_it_sees_up_in_each_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "statistics", lambda: rows(a_shop_1="DOWN", b_shop_1="UP"))
    document = parse(json.dumps(EDGE).encode())
    assert look.clusters(document) == {"a": {"up": 0, "all": 2}, "b": {"up": 1, "all": 1}}


def test_while_haproxy_says_nothing_it_saw_nobody_die(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent() -> list[dict[str, Any]]:
        raise OSError

    monkeypatch.setattr(look, "statistics", silent)
    assert look.clusters(parse(json.dumps(EDGE).encode())) == {}


def test_other_machines_are_no_witnesses() -> None:
    assert look.clusters(None) == {}
    assert (
        look.clusters(parse(json.dumps({"app": "lab-origin", "schema_version": 1, "hosts": ["shop.test"]}).encode()))
        == {}
    )
