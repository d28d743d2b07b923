"""The edge: HAProxy that takes a site's requests to whichever WAF machine of its Instance is alive."""

from collections.abc import Mapping

from .firewall import elements
from .haproxy import Haproxy
from .paths import HEALTH_HOST, POLICY
from .policy import EdgeInstance, LoadBalancerPolicy
from .services import FIREWALL, HAPROXY, Service

SERVICES: tuple[Service, ...] = (FIREWALL, HAPROXY)
_ILL = f"{POLICY}/haproxy/ill.lst"
DRAINED: Mapping[str, str] = {_ILL: "/healthz\n"}
_HOST = "req.hdr(host),field(1,:),lower"
_HOSTS = f"{POLICY}/haproxy/hosts.map"
_TIMEOUTS = f"{POLICY}/haproxy/timeouts.map"
_SITE_TIMEOUT = f"{_HOST},map_str_int({_TIMEOUTS},2000)"
_REPEATABLE = "acl repeatable method GET HEAD OPTIONS"
# 500 is left out: it is the site's own answer, and would be the same elsewhere.
_RETRIES = "retry-on conn-failure empty-response junk-response response-timeout 502 503 504"


def render(policy: LoadBalancerPolicy) -> Mapping[str, str]:
    """Every policy file by path. A new site changes the two maps alone."""
    backends = [backend for instance in policy.instances for backend in instance.backends]
    upstreams = [(address, 80) for backend in backends for address in (backend.ipv4, backend.ipv6)]
    sites = sorted(policy.sites, key=lambda site: site.host)
    return {
        f"{POLICY}/haproxy/edge.cfg": _configuration(policy),
        _ILL: "",
        _HOSTS: "".join(f"{site.host} {site.instance}\n" for site in sites),
        _TIMEOUTS: "".join(f"{site.host} {site.response_timeout_seconds * 1000}\n" for site in sites),
        f"{POLICY}/firewall/upstreams.nft": elements("upstreams", upstreams),
    }


def _configuration(policy: LoadBalancerPolicy) -> str:
    haproxy = Haproxy()
    instances = sorted(policy.instances, key=lambda instance: instance.name)
    _frontend(haproxy, instances)
    for instance in instances:
        _reading(haproxy, instance)
        _writing(haproxy, instance)
        _blind(haproxy, instance)
    return haproxy.text()


def _frontend(haproxy: Haproxy, instances: list[EdgeInstance]) -> None:
    haproxy.section("frontend", "edge")
    haproxy.put("bind 0.0.0.0:80")
    haproxy.put("bind [::]:80 v6only")
    haproxy.put(f"http-request set-var(txn.instance) {_HOST},map_str({_HOSTS})")
    haproxy.put("acl known var(txn.instance) -m found")
    haproxy.put("acl health path /healthz")
    haproxy.put(f"acl drained path -f {_ILL}")
    haproxy.put("http-request return status 503 if health drained !known")
    for instance in instances:
        haproxy.put(f"http-request return status 503 if health !known {{ nbsrv({instance.name}-read) lt 1 }}")
    haproxy.put("http-request return status 200 content-type text/plain string ok if health !known")
    haproxy.put("http-request return status 421 content-type text/plain string misdirected if !known")
    # Nobody but this edge may say who the client is; what came with the request is dropped.
    for name in ("Forwarded", "X-Real-IP", "X-Forwarded-Host", "X-Forwarded-Port"):
        haproxy.put(f"http-request del-header {name}")
    haproxy.put("http-request set-header X-Forwarded-For %[src]")
    haproxy.put("http-request set-header X-Forwarded-Proto http")
    haproxy.put(_REPEATABLE)
    # When no machine passes its checks, the checks may be what is wrong (a starved host): asking beats refusing.
    haproxy.put("acl blind var(txn.instance),concat(-read),nbsrv lt 1")
    haproxy.put("use_backend %[var(txn.instance)]-blind if blind")
    haproxy.put("use_backend %[var(txn.instance)]-read if repeatable")
    haproxy.put("use_backend %[var(txn.instance)]-write if !repeatable")


def _reading(haproxy: Haproxy, instance: EdgeInstance) -> None:
    haproxy.section("backend", f"{instance.name}-read")
    haproxy.put(_RETRIES)
    haproxy.put(f"http-request set-timeout server {_SITE_TIMEOUT}")
    haproxy.put("timeout server 2s")
    haproxy.put("option httpchk")
    haproxy.put(f"http-check send meth GET uri /healthz ver HTTP/1.1 hdr Host {HEALTH_HOST}")
    haproxy.put("http-check expect status 200")
    # fastinter: a frozen machine must be down before the first request gives up on it after 2 s.
    check = "check inter 500ms fastinter 200ms fall 2 rise 2 observe layer4 error-limit 2 on-error mark-down"
    for name, target in _servers(instance):
        haproxy.put(f"server {name} {target} {check}")


def _writing(haproxy: Haproxy, instance: EdgeInstance) -> None:
    haproxy.section("backend", f"{instance.name}-write")
    haproxy.put("retry-on conn-failure")
    # A kept connection may be closing while the request is on its way; that one could not be repeated.
    haproxy.put("http-reuse never")
    for name, target in _servers(instance):
        haproxy.put(f"server {name} {target} track {instance.name}-read/{name} on-marked-down shutdown-sessions")


def _blind(haproxy: Haproxy, instance: EdgeInstance) -> None:
    haproxy.section("backend", f"{instance.name}-blind")
    haproxy.put(_RETRIES)
    haproxy.put(_REPEATABLE)
    haproxy.put("http-request disable-l7-retry if !repeatable")
    haproxy.put(f"http-request set-timeout server {_SITE_TIMEOUT} if repeatable")
    haproxy.put("http-reuse never")
    for name, target in _servers(instance):
        haproxy.put(f"server {name} {target}")


def _servers(instance: EdgeInstance) -> list[tuple[str, str]]:
    """Both families of every machine, machines alternating, so that the next try meets another machine."""
    ordered = sorted(instance.backends, key=lambda backend: backend.name)
    return [(f"{backend.name}.ipv4", f"ipv4@{backend.ipv4}:80") for backend in ordered] + [
        (f"{backend.name}.ipv6", f"ipv6@[{backend.ipv6}]:80") for backend in ordered
    ]
