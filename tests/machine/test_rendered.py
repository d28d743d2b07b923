"""Rendered policy, read by the programs it is for."""

from collections.abc import Callable, Mapping
from ipaddress import ip_address

import pytest

from hdinfra.agent import lab_origin, load_balancer, waf
from hdinfra.agent.policy import (
    Backend,
    EdgeInstance,
    EdgeSite,
    LabOriginPolicy,
    LoadBalancerPolicy,
    Origin,
    WafPolicy,
    WafSite,
)
from tests.machine.debian import Debian

EDGES = (ip_address("192.0.2.1"), ip_address("2001:db8::1"))


def site(host: str, tenant: str = "acme", mode: str = "MITIGATION", paranoia: int = 1) -> WafSite:
    """A site with an origin in each family."""
    origins = (Origin(ip_address("192.0.2.9"), 80), Origin(ip_address("2001:db8::9"), 8080))
    return WafSite(host, tenant, mode, paranoia, origins, "/health", 2)


def edge(*hosts: str) -> LoadBalancerPolicy:
    """One Instance of two machines, serving these sites."""
    backends = tuple(
        Backend(f"c{n}-shop-1", f"c{n}", ip_address(f"192.0.2.{n}"), ip_address(f"2001:db8::{n}")) for n in (1, 2)
    )
    return LoadBalancerPolicy((EdgeInstance("shop", backends),), tuple(EdgeSite(host, "shop", 3) for host in hosts))


LONGEST = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 57, "test"])

WAF_POLICIES = {
    "no site": WafPolicy((), EDGES),
    "no edge": WafPolicy((site("shop.acme.test"),), ()),
    "every mode": WafPolicy(
        tuple(site(f"{mode.lower()}.test", mode=mode) for mode in ("BYPASS", "RECORD", "MITIGATION")), EDGES
    ),
    "longest names": WafPolicy((site(LONGEST, tenant="t" * 32, paranoia=4),), EDGES),
    "words of nginx": WafPolicy((site("default.server"), site("http.include", tenant="include")), EDGES),
}


@pytest.mark.parametrize("name", WAF_POLICIES)
def test_waf_files_pass_their_programs(debian: Callable[[str], Debian], name: str) -> None:
    place = debian("waf")
    place.policy(waf.render(WAF_POLICIES[name]))
    code, words = place.run("nginx", "-t", "-q", "-c", "/etc/hdinfra/nginx.conf")
    assert (code, "warn" in words) == (0, False), words
    _haproxy_and_nft_accept(place)


@pytest.mark.parametrize("hosts", [(), ("shop.acme.test",), (LONGEST, "a.test", "b.test")], ids=len)
def test_edge_files_pass_their_programs(debian: Callable[[str], Debian], hosts: tuple[str, ...]) -> None:
    place = debian("load-balancer")
    place.policy(load_balancer.render(edge(*hosts)))
    _haproxy_and_nft_accept(place)


def test_an_edge_without_instances_passes(debian: Callable[[str], Debian]) -> None:
    place = debian("load-balancer")
    place.policy(load_balancer.render(LoadBalancerPolicy((), ())))
    _haproxy_and_nft_accept(place)


def test_a_file_that_is_wrong_is_refused(debian: Callable[[str], Debian]) -> None:
    place = debian("waf")
    files = dict(waf.render(WAF_POLICIES["every mode"]))
    broken = "/etc/hdinfra/policy/tenants/acme/record.test.nginx.conf"
    place.policy(files | {broken: files[broken].replace("}", "", 1)})
    code, words = place.run("nginx", "-t", "-q", "-c", "/etc/hdinfra/nginx.conf")
    assert code == 1
    assert "record.test.nginx.conf" in words


def _haproxy_and_nft_accept(place: Debian) -> None:
    code, words = place.run("haproxy", "-c", "-f", "/etc/hdinfra/haproxy.cfg", "-f", "/etc/hdinfra/policy/haproxy")
    assert (code, "[WARNING]" in words) == (0, False), words
    assert place.run("nft", "-c", "-f", "/etc/hdinfra/firewall.nft") == (0, "")


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


def test_a_new_tenant_touches_its_own_files_alone() -> None:
    one = WafPolicy((site("shop.acme.test"),), EDGES)
    two = WafPolicy((*one.sites, site("blog.globex.test", "globex", "RECORD")), EDGES)
    assert _changed(waf.render(one), waf.render(two)) == {
        "/etc/hdinfra/policy/firewall/tenant-globex.nft",
        "/etc/hdinfra/policy/haproxy/tenant-globex.cfg",
        "/etc/hdinfra/policy/tenants/globex/blog.globex.test.modsecurity.conf",
        "/etc/hdinfra/policy/tenants/globex/blog.globex.test.nginx.conf",
    }


def test_a_new_site_changes_only_the_edges_maps() -> None:
    assert _changed(load_balancer.render(edge("a.test")), load_balancer.render(edge("a.test", "b.test"))) == {
        "/etc/hdinfra/policy/haproxy/hosts.map",
        "/etc/hdinfra/policy/haproxy/timeouts.map",
    }


def test_order_of_declaration_changes_nothing() -> None:
    sites = (site("b.test", "globex"), site("a.test"), site("c.test"))
    assert waf.render(WafPolicy(sites, EDGES)) == waf.render(WafPolicy(sites[::-1], EDGES[::-1]))
    assert load_balancer.render(edge("a.test", "b.test")) == load_balancer.render(edge("b.test", "a.test"))


@pytest.mark.parametrize(("mode", "engine"), [("RECORD", "DetectionOnly"), ("MITIGATION", "On")])
def test_modes_and_paranoia_reach_the_engine(mode: str, engine: str) -> None:
    files = waf.render(WafPolicy((site("a.test", mode=mode, paranoia=3),), ()))
    rules = files["/etc/hdinfra/policy/tenants/acme/a.test.modsecurity.conf"]
    assert f"SecRuleEngine {engine}\n" in rules
    assert "setvar:tx.paranoia_level=3" in rules


def test_bypass_has_no_rules_at_all() -> None:
    files = waf.render(WafPolicy((site("a.test", mode="BYPASS"),), ()))
    assert "modsecurity off;" in files["/etc/hdinfra/policy/tenants/acme/a.test.nginx.conf"]
    assert not any(path.endswith(".modsecurity.conf") for path in files)


def test_only_repeatable_methods_are_tried_twice() -> None:
    text = load_balancer.render(edge("a.test"))["/etc/hdinfra/policy/haproxy/edge.cfg"]
    read, write = (text.partition(f"backend shop-{kind}\n")[2].partition("\nbackend")[0] for kind in ("read", "write"))
    assert "response-timeout" in read
    assert "    retry-on conn-failure\n" in write
    assert "acl repeatable method GET HEAD OPTIONS" in text
    assert read.count("    server ") == write.count("    server ") == 4


def test_lab_origin_names_its_hosts() -> None:
    assert lab_origin.render(LabOriginPolicy(("b.test", "a.test"))) == {
        "/etc/hdinfra/policy/lab/hosts": "a.test\nb.test\n"
    }


def test_names_too_long_for_a_file_are_cut_and_told_apart() -> None:
    other = "z" + LONGEST[1:]
    stems = {waf.file_stem(host) for host in (LONGEST, other, LONGEST[:-4] + "tesa")}
    assert len(stems) == 3
    assert max(len(f"{stem}.modsecurity.conf") for stem in stems) <= 255
