"""The lines that a person reads before a policy changes."""

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hdinfra.plugins.policy.difference import (
    MOST_LINES,
    code_differences,
    differences,
    drift,
    member_differences,
    shortened,
)
from hdinfra.plugins.values import UNKNOWN
from tests.engine.test_hdpolicy_policy import document, site

hosts = st.sets(st.sampled_from([f"{letter}.test" for letter in "abcdef"]))


def test_sites_come_go_and_change_in_words() -> None:
    old, new = document("gone.test", "shop.test"), document("shop.test", "new.test")
    new["sites"][0] |= {"mode": "MITIGATION", "origins": [{"address": "2001:db8::1", "port": 8080}]}
    assert differences(old, new) == [
        "site gone.test: removed",
        "site new.test: added",
        "site shop.test: mode RECORD -> MITIGATION",
        "site shop.test: origins 192.0.2.1:80 -> [2001:db8::1]:8080",
    ]


def test_what_a_document_leaves_out_is_told_as_what_it_means() -> None:
    old, new = document("shop.test"), document("shop.test")
    new["sites"][0] |= {
        "profile": "strong",
        "excluded_paths": ["/upload", "/api/v1"],
        "excluded_networks": ["192.0.2.0/24"],
        "rate": {"per_second": 20, "burst": 40},
        "cache": {"size_mib": 64},
    }
    assert differences(old, new) == [
        "site shop.test: cache nothing -> 64 MiB",
        "site shop.test: excluded networks none -> 192.0.2.0/24",
        "site shop.test: excluded paths none -> /upload, /api/v1",
        "site shop.test: profile complete -> strong",
        "site shop.test: rate nothing -> 20 a second, 40 more at once",
    ]
    assert differences(new, old)[3:] == [
        "site shop.test: profile strong -> complete",
        "site shop.test: rate 20 a second, 40 more at once -> nothing",
    ]


def test_backends_callers_and_hosts_are_told_by_name() -> None:
    backend = {"name": "a-1", "cluster": "a", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1"}
    old = {"app": "load-balancer", "instances": [{"name": "shop", "backends": [backend]}]}
    moved = [backend | {"ipv4": "192.0.2.9"}, backend | {"name": "b-1"}]
    new = {"app": "load-balancer", "instances": [{"name": "shop", "backends": moved}]}
    assert differences(old, new) == [
        "instance shop, backend a-1: ipv4 192.0.2.1 -> 192.0.2.9",
        "instance shop, backend b-1: added",
    ]
    assert differences({"callers": ["10.0.0.0/8"]}, {"callers": ["fd00::/8"]}) == [
        "caller 10.0.0.0/8: removed",
        "caller fd00::/8: added",
    ]
    assert differences({}, {"app": "lab-origin", "hosts": ["a.test"]}) == ["host a.test: added"]


def test_what_only_the_deployment_tells_is_said_to_be_so() -> None:
    new = document("shop.test")
    new["sites"][0]["origins"] = [{"address": UNKNOWN, "port": 80}]
    assert differences(document("shop.test"), new) == [
        "site shop.test: origins 192.0.2.1:80 -> (known when deployed):80"
    ]
    assert differences(document("shop.test"), document("shop.test") | {"sites": UNKNOWN})[0].endswith(
        "-> (known when deployed)"
    )


@given(hosts, hosts)
def test_every_site_that_comes_or_goes_has_its_line(old: set[str], new: set[str]) -> None:
    lines = differences(document(*sorted(old)), document(*sorted(new)))
    assert set(lines) == {f"site {h}: removed" for h in old - new} | {f"site {h}: added" for h in new - old}


@given(hosts)
def test_the_same_document_says_nothing(names: set[str]) -> None:
    made = document(*names)
    assert differences(made, deepcopy(made)) == []


def test_machines_and_code() -> None:
    assert member_differences({"a": "x", "b": "x"}, {"b": "y", "c": "x"}) == [
        "machine a leaves",
        "machine b: cluster x -> y",
        "machine c joins",
    ]
    assert code_differences(
        {"waf": {"sha256": "1" * 64}}, {"waf": {"sha256": UNKNOWN}, "edge": {"sha256": "2" * 64}}
    ) == [
        "code of edge: none -> 2222222222222222",
        "code of waf: 1111111111111111 -> (known when deployed)",
    ]


def said(host: str, values: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"host": host, "values": values, "author": "ada", "at": 1_790_000_000, "state": "served", **more}


def test_what_the_api_owns_is_kept_and_named() -> None:
    spec = {"app": "waf", "sites": [site("shop.test", "MITIGATION"), site("other.test")]}
    told = [
        said("shop.test", {"mode": "BYPASS", "paranoia": 1}),
        said("other.test", {}),
        said("gone.test", {"mode": "X"}),
    ]
    assert drift(spec, told) == [
        "kept: shop.test mode is BYPASS, set through the API by ada at 2026-09-21 14:13 UTC; the spec says MITIGATION"
    ]


def test_what_breaks_a_new_ceiling_is_not_kept_and_what_went_wrong_is_halted() -> None:
    spec = {"app": "waf", "sites": [site("shop.test", "MITIGATION") | {"lowest_mode": "MITIGATION"}, site("b.test")]}
    told = [said("shop.test", {"mode": "BYPASS"}), said("b.test", {"mode": "RECORD"}, state="halted", reason="502")]
    assert drift(spec, told) == [
        "halted: what was set through the API by ada at 2026-09-21 14:13 UTC for b.test went wrong: 502",
        "not kept: shop.test: mode BYPASS is weaker than the stack's ceiling MITIGATION "
        "(set through the API by ada at 2026-09-21 14:13 UTC)",
    ]


def test_edge_documents_have_no_settings() -> None:
    assert drift({"app": "load-balancer", "sites": [{"host": "a.test"}]}, [said("a.test", {"mode": "BYPASS"})]) == []


def test_long_lists_are_cut_and_counted() -> None:
    lines = shortened([str(number) for number in range(MOST_LINES + 5)])
    assert (len(lines), lines[-1]) == (MOST_LINES + 1, "... and 5 more")
