"""Rendered policy, read by the programs it is for."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address, ip_network

import pytest

from hdinfra.agent import control_node, lab_origin, load_balancer, waf
from hdinfra.agent.applier import rendered
from hdinfra.agent.local import Local
from hdinfra.agent.paths import SITE_CERTIFICATES, TENANT_CACHES, TENANT_LOGS, TENANT_SOCKETS
from hdinfra.agent.policy import (
    Backend,
    ControlPolicy,
    Document,
    EdgeInstance,
    EdgeSite,
    LabOriginPolicy,
    LoadBalancerPolicy,
    Origin,
    WafPolicy,
    WafSite,
)
from hdinfra.agent.tenant_names import key_of
from hdinfra.protocol import certificate
from tests.machine.debian import Debian

EDGES = (ip_address("192.0.2.1"), ip_address("2001:db8::1"))


def site(
    host: str, tenant: str = "acme", mode: str = "MITIGATION", paranoia: int = 1, exclusions: tuple[int, ...] = ()
) -> WafSite:
    """A site with an origin in each family."""
    origins = (Origin(ip_address("192.0.2.9"), 80), Origin(ip_address("2001:db8::9"), 8080))
    return WafSite(host, tenant, mode, paranoia, origins, "/health", 2, exclusions)


def edge(*hosts: str) -> LoadBalancerPolicy:
    """One Instance of two machines, serving these sites."""
    backends = tuple(
        Backend(f"c{n}-shop-1", f"c{n}", ip_address(f"192.0.2.{n}"), ip_address(f"2001:db8::{n}")) for n in (1, 2)
    )
    return LoadBalancerPolicy(
        (EdgeInstance("shop", backends),), tuple(EdgeSite(host, "shop", "/health", 3) for host in hosts)
    )


LONGEST = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 57, "test"])

WAF_POLICIES = {
    "no site": WafPolicy((), EDGES),
    "no edge": WafPolicy((site("shop.acme.test"),), ()),
    "every mode": WafPolicy(
        tuple(site(f"{mode.lower()}.test", mode=mode) for mode in ("BYPASS", "RECORD", "MITIGATION")), EDGES
    ),
    "longest names": WafPolicy((site(LONGEST, tenant="t" * 32, paranoia=4),), EDGES),
    "exclusions": WafPolicy((site("a.test", exclusions=(942110, 942100)),), EDGES),
    "words of nginx": WafPolicy((site("default.server"), site("http.include", tenant="include")), EDGES),
    "names that look alike": WafPolicy((site("a.test", tenant="a-b"), site("b.test", tenant="a--b")), EDGES),
}


@pytest.mark.parametrize("name", WAF_POLICIES)
def test_waf_files_pass_their_programs(debian: Callable[[str], Debian], name: str) -> None:
    place = debian("waf")
    prepare(place, WAF_POLICIES[name])
    place.policy(waf.render(WAF_POLICIES[name]))
    code, words = place.run("nginx", "-t", "-q", "-c", "/etc/hdinfra/nginx.conf")
    assert (code, "warn" in words) == (0, False), words
    _haproxy_and_nft_accept(place)


@pytest.mark.parametrize("name", ["every mode", "longest names"])
def test_what_a_tenants_nginx_is_started_with_passes(debian: Callable[[str], Debian], name: str) -> None:
    place = debian("waf")
    prepare(place, WAF_POLICIES[name])
    place.policy(waf.render(WAF_POLICIES[name]))
    main = f"/etc/hdinfra/policy/tenants/{key_of(WAF_POLICIES[name].sites[0].tenant)}/main.conf"
    code, words = place.run("nginx", "-t", "-q", "-c", main)
    assert (code, "warn" in words) == (0, False), words


def prepare(place: Debian, policy: WafPolicy) -> None:
    """What systemd makes on a machine: users, and folders for logs, caches and sockets."""
    for key in {key_of(site.tenant) for site in policy.sites}:
        place.run("mkdir", "-p", *(f"{folder}/{key}" for folder in (TENANT_LOGS, TENANT_CACHES)), TENANT_SOCKETS)
        assert place.run("systemd-sysusers", "--inline", f"u hdt-{key} - - /nonexistent")[0] == 0


def prepare_edge(place: Debian) -> None:
    """What the agent makes before it writes an edge's files."""
    prepare = "from pathlib import Path; from hdinfra.agent.load_balancer import prepare; prepare(Path('/'))"
    made = place.run("python3", "-c", f"import sys; sys.path.insert(0, '/usr/lib/hdinfra/code'); {prepare}")
    assert made == (0, "")


def _certify(place: Debian) -> None:
    """Without any certificate HAProxy warns, and rightly so."""
    prepare_edge(place)
    key = certificate.new_key()
    place.put({f"{SITE_CERTIFICATES}/a.test.pem": key + certificate.new_site_root("a", key, time.time())}, 0o600)


@pytest.mark.parametrize("hosts", [(), ("shop.acme.test",), (LONGEST, "a.test", "b.test")], ids=len)
def test_edge_files_pass_their_programs(debian: Callable[[str], Debian], hosts: tuple[str, ...]) -> None:
    place = debian("load-balancer")
    _certify(place)
    place.policy(load_balancer.render(edge(*hosts)))
    _haproxy_and_nft_accept(place)


def test_an_edge_without_instances_passes(debian: Callable[[str], Debian]) -> None:
    place = debian("load-balancer")
    _certify(place)
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
        "/etc/hdinfra/policy/haproxy/tenants.map",
        "/etc/hdinfra/policy/tenants/globex/blog.globex.test.modsecurity.conf",
        "/etc/hdinfra/policy/tenants/globex/blog.globex.test.nginx.conf",
        "/etc/hdinfra/policy/tenants/globex/default.nginx.conf",
        "/etc/hdinfra/policy/tenants/globex/limits",
        "/etc/hdinfra/policy/tenants/globex/logrotate.conf",
        "/etc/hdinfra/policy/tenants/globex/main.conf",
    }


def test_nobody_listens_before_the_first_site() -> None:
    assert not any(path.endswith(".cfg") for path in waf.render(WafPolicy((), EDGES)))
    assert "bind 0.0.0.0:80" in waf.render(WAF_POLICIES["no edge"])["/etc/hdinfra/policy/haproxy/router.cfg"]


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


def test_what_blocks_is_never_excluded() -> None:
    """Documents from before it was refused may say so, and stay readable."""
    files = waf.render(WafPolicy((site("a.test", exclusions=(949110, 942100, 901001, 959100, 980170)),), ()))
    removed = [line for text in files.values() for line in text.splitlines() if line.startswith("SecRuleRemoveById")]
    assert removed == ["SecRuleRemoveById 942100"]


def test_exclusions_are_written_sorted() -> None:
    files = waf.render(WafPolicy((site("a.test", exclusions=(942110, 942100)),), ()))
    rules = files["/etc/hdinfra/policy/tenants/acme/a.test.modsecurity.conf"]
    assert rules.endswith("SecRuleRemoveById 942100\nSecRuleRemoveById 942110\n")


CALLERS = tuple(map(ip_network, ("10.64.0.1/32", "10.0.0.0/8", "fd00::/64", "fd00::5/128")))


def test_callers_inside_one_another_are_one() -> None:
    assert control_node.render(ControlPolicy(CALLERS)) == {
        "/etc/hdinfra/policy/firewall/callers.nft": "flush set inet hdinfra callers4\nflush set inet hdinfra callers6\n"
        "add element inet hdinfra callers4 { 10.0.0.0/8 }\nadd element inet hdinfra callers6 { fd00::/64 }\n"
    }


def test_callers_pass_nft(debian: Callable[[str], Debian]) -> None:
    place = debian("control")
    place.policy(control_node.render(ControlPolicy(CALLERS)))
    code, words = place.run("nft", "-c", "-f", "/etc/hdinfra/firewall.nft")
    assert (code, words) == (0, ""), words


def test_a_drained_edge_says_so_and_nothing_else_changes() -> None:
    document = Document("load-balancer", edge("a.test"), b"")
    normal, drained = (rendered(document, Local(drained=value)).files for value in (False, True))
    assert _changed(normal, drained) == {"/etc/hdinfra/policy/haproxy/ill.lst"}
    assert (normal["/etc/hdinfra/policy/haproxy/ill.lst"], drained["/etc/hdinfra/policy/haproxy/ill.lst"]) == (
        "",
        "/healthz\n",
    )


def test_a_drained_waf_says_so_and_nothing_else_changes() -> None:
    document = Document("waf", WafPolicy((site("a.test"),), EDGES), b"")
    normal, drained = (rendered(document, Local(drained=value)).files for value in (False, True))
    assert _changed(normal, drained) == {"/etc/hdinfra/policy/haproxy/ill.lst"}


def test_a_machines_own_mode_is_stronger_than_the_policys() -> None:
    document = Document("waf", WafPolicy((site("a.test"), site("b.test")), EDGES), b"")
    files = rendered(document, Local({"a.test": "BYPASS", "gone.test": "RECORD"})).files
    assert "modsecurity off;" in files["/etc/hdinfra/policy/tenants/acme/a.test.nginx.conf"]
    assert "modsecurity off;" not in files["/etc/hdinfra/policy/tenants/acme/b.test.nginx.conf"]


ASK = """
import sys, time, urllib.error, urllib.request
deadline = time.monotonic() + 20
while True:
    try:
        answer = urllib.request.urlopen(urllib.request.Request(sys.argv[1], headers={"Host": sys.argv[2]}), timeout=5)
        sys.exit(print(answer.status))
    except urllib.error.HTTPError as error:
        sys.exit(print(error.code))
    except OSError:
        if time.monotonic() > deadline:
            raise
        time.sleep(0.05)
"""


def _asked(place: Debian, path: str, host: str) -> int:
    """The status that a visitor gets, once somebody answers."""
    code, words = place.run("python3", "-c", ASK, f"http://127.0.0.1{path}", host)
    assert code == 0, words
    return int(words)


@contextmanager
def _running(place: Debian, start: tuple[str, ...], stop: str) -> Iterator[None]:
    code, words = place.run(*start)
    assert code == 0, words
    try:
        yield
    finally:
        place.run("sh", "-c", stop)


@pytest.mark.parametrize(("drained", "told"), [(False, 200), (True, 503)])
def test_a_drained_edge_answers_503_to_its_checker_alone(
    debian: Callable[[str], Debian], drained: bool, told: int
) -> None:
    place = debian("load-balancer")
    document = Document("load-balancer", LoadBalancerPolicy((), ()), b"")
    prepare_edge(place)
    place.policy(rendered(document, Local(drained=drained)).files)
    pid = "/run/haproxy.test.pid"
    start = ("haproxy", "-D", "-p", pid, "-f", "/etc/hdinfra/haproxy.cfg", "-f", "/etc/hdinfra/policy/haproxy")
    with _running(place, start, f"kill -9 $(cat {pid})"):
        assert (_asked(place, "/healthz", "localhost"), _asked(place, "/", "unknown.test")) == (told, 421)
