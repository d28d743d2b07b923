"""Exceptions, rates and caches of single sites, asked of nginx with the Core Rule Set itself."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings

from hdinfra.agent import waf
from hdinfra.agent.caches import drop_caches
from hdinfra.agent.paths import TENANT_SOCKETS, TENANTS
from hdinfra.agent.policy import Cache, Rate, WafPolicy, WafSite, parse
from hdinfra.agent.tenant_names import key_of
from hdinfra.model.policies import waf_policy
from hdinfra.model.policy import canonical
from hdinfra.model.spec import ZoneSpec
from tests.machine.debian import Debian
from tests.machine.sync_stack import eventually
from tests.machine.test_rendered import prepare, site
from tests.machine.waf_visitor import Asked, Told, ask, serving
from tests.strategies import planned, zones

ATTACK = "id=1%27%20OR%20%271%27=%271"
# The visitor asks from inside, so the loopback plays the edge that says who asks.
EDGES = (ip_address("127.0.0.1"), ip_address("192.0.2.1"))


def client(address: str, host: str = "a.test", path: str = "/") -> Asked:
    """A request of that client, as the edge passes it on."""
    return Asked(host, path, headers={"X-Forwarded-For": address})


@pytest.fixture
def place(debian: Callable[[str], Debian]) -> Debian:
    """A WAF machine's base."""
    return debian("waf")


EVERYTHING = replace(
    site("all.test", exclusions=(942100,)),
    profile="strong",
    excluded_paths=("/upload", "/a.b/c"),
    excluded_networks=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")),
    rate=Rate(10, 20),
    cache=Cache(64),
)


ACME = f"{TENANTS}/{key_of('acme')}"


def test_a_site_that_asks_for_nothing_has_only_its_mode_and_paranoia() -> None:
    files = waf.render(WafPolicy((site("a.test", paranoia=2, exclusions=(942100,)),), ()))
    key = waf.site_key("a.test")
    assert files[f"{ACME}/a.test.nginx.conf"] == (
        f"upstream {key} {{\n    server unix:/run/hdinfra-origins/{key}.sock max_fails=0;\n}}\n"
        f"server {{\n    listen unix:{TENANT_SOCKETS}/{key_of('acme')}.sock;\n"
        f'    server_name "a.test";\n    modsecurity_rules_file "{ACME}/a.test.modsecurity.conf";\n'
        f"    location / {{\n        proxy_pass http://{key};\n    }}\n}}\n"
    )
    assert files[f"{ACME}/a.test.modsecurity.conf"].partition("SecAction")[2] == (
        ' "id:890001,phase:1,pass,nolog,t:none,setvar:tx.paranoia_level=2"\nSecRuleRemoveById 942100\n'
    )


def test_the_profile_none_has_no_rules_whatever_the_mode() -> None:
    files = waf.render(WafPolicy((replace(site("a.test"), profile="none"),), ()))
    assert "modsecurity off;" in files[f"{ACME}/a.test.nginx.conf"]
    assert not any(path.endswith(".modsecurity.conf") for path in files)


@pytest.mark.parametrize("one", [EVERYTHING, replace(EVERYTHING, rate=Rate(1, 0))], ids=["burst", "no burst"])
def test_everything_at_once_passes_nginx(place: Debian, one: WafSite) -> None:
    policy = WafPolicy((one, replace(one, host="b.test")), EDGES)
    place.policy(waf.render(policy))
    prepare(place, policy)
    code, words = place.run("nginx", "-t", "-q", "-c", "/etc/hdinfra/nginx.conf")
    assert (code, "warn" in words) == (0, False), words


@settings(max_examples=10)  # nginx reads all rules each time
@given(zones())
def test_nginx_takes_whatever_a_spec_may_say(debian: Callable[[str], Debian], spec: ZoneSpec) -> None:
    plan, place = planned(spec), debian("waf")
    lab = {machine.name.removeprefix("lab-"): machine.public for machine in plan.lab.origins if machine.public}
    for instance in plan.instances:
        read = parse(canonical(waf_policy(instance, lab, EDGES)).encode()).policy
        assert isinstance(read, WafPolicy)
        place.policy(waf.render(read))
        prepare(place, read)
        code, words = place.run("nginx", "-t", "-q", "-c", "/etc/hdinfra/nginx.conf")
        assert (code, "warn" in words) == (0, False), words


PATHS = {
    "/upload": 502,
    "/upload/": 502,
    "/upload/photos/cat.jpg": 502,
    "/upload/.well-known/x": 502,
    "/v1.0/files": 502,
    "/": 403,
    "/uploads": 403,
    "/upload.php": 403,
    "/v1x0/files": 403,
    "/x/upload": 403,
    "/upload/../admin": 403,
    "/upload/..": 403,
    "/upload/./..;/admin": 403,
    "/upload/%2e%2e/admin": 403,
    "/upload/..%2fadmin": 403,
    "/upload/%252e%252e/admin": 403,
    "/upload//../admin": 403,
    "/upload\\..\\admin": 403,
    "/%75pload": 403,
}


def test_an_excluded_path_is_not_inspected_and_no_way_leads_out_of_it(place: Debian) -> None:
    with serving(place, [replace(site("a.test"), excluded_paths=("/upload/", "/v1.0"))]):
        told = ask(place, [Asked("a.test", f"{path}?{ATTACK}") for path in PATHS])
    assert dict(zip(PATHS, (one.status for one in told), strict=True)) == PATHS


def test_an_excluded_paths_bodies_are_not_inspected_either(place: Debian) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    posts = [Asked("a.test", path, "POST", form, ATTACK) for path in ("/upload", "/login")]
    with serving(place, [replace(site("a.test"), excluded_paths=("/upload",))]):
        assert [one.status for one in ask(place, posts)] == [502, 403]


NETWORKS = (
    *("198.51.100.0/25", "203.0.113.9/32", "192.0.2.130/31", "10.128.0.0/9"),
    *("2001:db8:5::/48", "2001:db8:6::1/128", "2001:db8:8000::/33", "2001:db8:7::2/127", "2001:db8:9:8000::/49"),
)
INSIDE = (
    *("198.51.100.127", "203.0.113.9", "192.0.2.131", "10.255.255.255"),
    *("2001:db8:5:ffff::1", "2001:db8:6::1", "2001:db8:ffff::1", "2001:db8:7::3", "2001:db8:9:ffff::1"),
)
OUTSIDE = (
    *("198.51.100.128", "203.0.113.10", "192.0.2.129", "10.127.255.255"),
    *("2001:db8:4::1", "2001:db8:6::2", "2001:db8:7fff::1", "2001:db8:7::4", "2001:db8:9:7fff::1"),
)
CLIENTS = dict.fromkeys(INSIDE, 502) | dict.fromkeys(OUTSIDE, 403)


def test_excluded_clients_are_not_inspected_in_both_families(place: Debian) -> None:
    one = replace(site("a.test"), excluded_networks=tuple(map(ip_network, NETWORKS)))
    with serving(place, [one], EDGES):
        told = ask(place, [client(address, path=f"/?{ATTACK}") for address in CLIENTS])
    assert dict(zip(CLIENTS, (answer.status for answer in told), strict=True)) == CLIENTS


def test_nobody_but_an_edge_may_claim_to_be_an_excluded_client(place: Debian) -> None:
    one = replace(site("a.test"), excluded_networks=(ip_network("198.51.100.0/24"),))
    edge = client("198.51.100.1", path=f"/?{ATTACK}")
    with serving(place, [one], EDGES):
        assert [told.status for told in ask(place, [edge, replace(edge, source="127.0.0.9")])] == [502, 403]


def test_one_client_is_slowed_and_others_are_not(place: Debian) -> None:
    # One request a second and two more at once: of many that come together three pass, and one for each second.
    sites = [replace(site("a.test"), rate=Rate(1, 2)), site("b.test")]
    asked = [
        *[client("198.51.100.1")] * 15,
        *[client("198.51.100.2")] * 2,
        *[client("2001:db8:0:1::1"), client("2001:db8:0:1:ffff::2"), client("2001:db8:0:1::3")] * 5,
        client("2001:db8:0:2::1"),
        *[client("198.51.100.1", "b.test")] * 6,
        *[Asked("a.test")] * 6,
    ]
    with serving(place, sites, EDGES):
        told = [one.status for one in ask(place, asked)]
    flood, other, subscriber, neighbour, rest = told[:15], told[15:17], told[17:32], told[32:33], told[33:]
    for hurried in (flood, subscriber):
        assert hurried[:3] == [502] * 3
        assert set(hurried[3:]) >= {429}
    assert (other, neighbour) == ([502] * 2, [502])
    assert rest == [502] * 12, "another site, and this machine's own look, are not counted"


ORIGIN = """
import http.server, os, socketserver, sys
HEADERS = {
    "/plain": {},
    "/public": {"Cache-Control": "public, max-age=600"},
    "/private": {"Cache-Control": "private, max-age=600"},
    "/no-store": {"Cache-Control": "no-store"},
    "/cookie": {"Cache-Control": "public, max-age=600", "Set-Cookie": "session=1"},
    "/accel": {"Cache-Control": "private", "X-Accel-Expires": "600"},
    "/vary": {"Cache-Control": "public, max-age=600", "Vary": "Accept-Language"},
}
count = 0
class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
class Origin(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global count
        count += 1
        said = f"{count} {self.headers['X-Forwarded-Proto']} {self.headers['X-Real-IP']} {self.headers['Host']}"
        self.send_response(200)
        for name, value in HEADERS.get(self.path.partition("?")[0], {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said.encode())
    do_POST = do_GET
    def log_message(self, *_):
        pass
    def address_string(self):
        return "nginx"
server = Server(sys.argv[1], Origin)
os.chmod(sys.argv[1], 0o666)
server.serve_forever()
"""


@contextmanager
def origin(place: Debian, host: str) -> Iterator[None]:
    """Something that answers for a site; its first word counts the requests that came to it."""
    socket = f"/run/hdinfra-origins/{waf.site_key(host)}.sock"
    place.put({"/tmp/origin.py": ORIGIN})
    place.run("rm", "-f", socket)
    place.run("sh", "-c", f"python3 /tmp/origin.py {socket} >/tmp/origin.log 2>&1 & echo $! >/tmp/origin.pid")
    try:
        eventually(lambda: place.run("test", "-S", socket)[0] == 0, 20, lambda: place.run("cat", "/tmp/origin.log")[1])
        yield
    finally:
        place.run("sh", "-c", f"kill $(cat /tmp/origin.pid); rm -f {socket}")


CACHED = replace(site("a.test"), cache=Cache(8))


@pytest.fixture
def cached(place: Debian) -> Iterator[Debian]:
    """A site with a cache and an origin."""
    with origin(place, "a.test"), serving(place, [CACHED, replace(CACHED, host="b.test")], EDGES):
        yield place


def visit(path: str, host: str = "a.test", **headers: str) -> Asked:
    """A visitor's request, as the edge passes it on."""
    return Asked(host, path, headers={"X-Forwarded-For": "198.51.100.1", **headers})


def seen(place: Debian, *asked: Asked) -> list[str]:
    """What the cache says of each."""
    return [told.headers["x-cache-status"] for told in ask(place, asked)]


def kept(place: Debian, *asked: Asked) -> None:
    """Ask until the cache has all of them: nginx answers a visitor before it has put the answer away."""
    eventually(lambda: set(seen(place, *asked)) == {"HIT"}, 10, lambda: str(seen(place, *asked)))


def test_what_the_origin_allows_is_kept_and_nothing_else(cached: Debian) -> None:
    others = [visit(path) for path in ("/plain", "/private", "/no-store", "/cookie", "/accel")]
    assert seen(cached, *others, visit("/public")) == ["MISS"] * 6
    kept(cached, visit("/public"))
    assert seen(cached, *others) == ["MISS"] * 5


def test_what_is_one_users_is_neither_kept_nor_given(cached: Debian) -> None:
    mine, anybodys = visit("/public", Authorization="Basic YTpi"), visit("/public")
    assert seen(cached, mine, visit("/public?other")) == ["BYPASS", "MISS"]
    kept(cached, visit("/public?other"))
    assert seen(cached, anybodys) == ["MISS"]
    kept(cached, anybodys)
    assert seen(cached, mine) == ["BYPASS"]


def _words(told: Told) -> list[str]:
    return told.body.split()


def test_the_key_is_scheme_host_and_uri(cached: Debian) -> None:
    asked = [visit("/public"), visit("/public", **{"X-Forwarded-Proto": "https"}), visit("/public?x=1")]
    assert seen(cached, asked[0]) == ["MISS"]
    kept(cached, asked[0])
    assert seen(cached, *asked) == ["HIT", "MISS", "MISS"]
    kept(cached, *asked)
    assert [_words(one)[1] for one in ask(cached, asked)] == ["http", "https", "http"]
    assert ask(cached, [visit("/public", "b.test")])[0].status == 502, "another site's is not given"


def test_answers_that_vary_are_not_mixed(cached: Debian) -> None:
    english, hindi = visit("/vary"), visit("/vary", **{"Accept-Language": "hi"})
    kept(cached, english)
    assert seen(cached, hindi) == ["MISS"]


def test_rules_are_asked_before_the_cache(cached: Debian) -> None:
    kept(cached, visit("/public"))
    assert ask(cached, [visit("/public", **{"User-Agent": "sqlmap/1.8"})])[0].status == 403


def test_this_machines_own_look_reaches_the_origin(cached: Debian) -> None:
    told = ask(cached, [Asked("a.test", "/public")] * 2)
    assert [one.headers["x-cache-status"] for one in told] == ["BYPASS"] * 2
    assert _words(told[0])[0] != _words(told[1])[0]


def test_a_cache_that_no_site_keeps_is_thrown_away(tmp_path: Path) -> None:
    files = waf.render(WafPolicy((CACHED, site("plain.test")), ()))
    written = [tmp_path / path.lstrip("/") for path in files]
    for path, text in zip(written, files.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    caches = tmp_path / "caches"
    mine, others = (caches / key_of("acme") / f"cache-{waf.site_key(host)}" for host in ("a.test", "plain.test"))
    foreign = caches / key_of("beta") / mine.name
    for folder in (mine, others, foreign, caches / key_of("acme") / "body"):
        (folder / "a/bc").mkdir(parents=True)
    drop_caches(map(str, written), caches)
    assert (mine.exists(), others.exists(), foreign.exists()) == (True, False, False)
    assert (caches / key_of("acme") / "body").exists()
    drop_caches((), caches)
    assert not mine.exists()


def test_a_post_goes_to_the_origin(cached: Debian) -> None:
    post = Asked("a.test", "/public", "POST", {"X-Forwarded-For": "198.51.100.1"})
    first, second = ask(cached, [post, post])
    assert _words(first)[0] != _words(second)[0]


def test_only_an_edge_says_how_a_client_came(place: Debian) -> None:
    claimed = {"X-Forwarded-For": "198.51.100.1", "X-Forwarded-Proto": "https", "X-Real-IP": "203.0.113.1"}
    edge = Asked("a.test", "/plain", headers=claimed)
    asked = [edge, replace(edge, source="127.0.0.9"), replace(edge, headers=claimed | {"X-Forwarded-Proto": "a;b"})]
    with origin(place, "a.test"), serving(place, [site("a.test")], EDGES):
        told = [_words(one)[1:] for one in ask(place, asked)]
    assert told == [
        ["https", "198.51.100.1", "a.test"],
        ["http", "127.0.0.9", "a.test"],
        ["http", "198.51.100.1", "a.test"],
    ]
