"""The edge: HAProxy that takes a site's requests to whichever WAF machine of its Instance is alive."""

from collections.abc import Mapping

from .firewall import elements
from .haproxy import Haproxy
from .paths import HEALTH_HOST, POLICY, SITE_CERTIFICATES, SITES_WITH_CERTIFICATE
from .policy import EdgeInstance, LoadBalancerPolicy
from .services import FIREWALL, HAPROXY, Service
from .shop_window import prepare

__all__ = ["DRAINED", "SERVICES", "prepare", "render"]
SERVICES: tuple[Service, ...] = (FIREWALL, HAPROXY)
_ILL = f"{POLICY}/haproxy/ill.lst"
DRAINED: Mapping[str, str] = {_ILL: "/healthz\n"}
_HOST = "req.hdr(host),field(1,:),lower"
_HOSTS = f"{POLICY}/haproxy/hosts.map"
_TIMEOUTS = f"{POLICY}/haproxy/timeouts.map"
_SITE_TIMEOUT = f"{_HOST},map_str_int({_TIMEOUTS},2000)"
_REDIRECTS = f"{POLICY}/haproxy/redirects.lst"
_HSTS = f"{POLICY}/haproxy/hsts.map"
_DOORS = f"{POLICY}/haproxy/doors.map"
# Mozilla's intermediate configuration (guidelines 5.7) without DHE, which wants parameters and serves nobody that
# cannot speak ECDHE; the suites of TLS 1.3 are OpenSSL's own three.
_CIPHERS = ":".join(
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for key in ("ECDSA", "RSA")
)
# A strict SNI lets the edge start before it has any certificate; who names no site of ours is turned away.
_TLS = f"ssl crt {SITE_CERTIFICATES} strict-sni alpn h2,http/1.1 ssl-min-ver TLSv1.2 no-tls-tickets ciphers {_CIPHERS}"
_CHALLENGE = "/.well-known/acme-challenge/"
_REPEATABLE = "acl repeatable method GET HEAD OPTIONS"
# 500 is left out: it is the site's own answer, and would be the same elsewhere.
_RETRIES = "retry-on conn-failure empty-response junk-response response-timeout 502 503 504"


def render(policy: LoadBalancerPolicy) -> Mapping[str, str]:
    """Every policy file by path. A new site changes maps and lists alone."""
    backends = [backend for instance in policy.instances for backend in instance.backends]
    upstreams = [(address, 80) for backend in backends for address in (backend.ipv4, backend.ipv6)]
    sites = sorted(policy.sites, key=lambda site: site.host)
    return {
        f"{POLICY}/haproxy/edge.cfg": _configuration(policy),
        _ILL: "",
        _HOSTS: "".join(f"{site.host} {site.instance}\n" for site in sites),
        _TIMEOUTS: "".join(f"{site.host} {site.response_timeout_seconds * 1000}\n" for site in sites),
        _REDIRECTS: "".join(f"{site.host}\n" for site in sites if site.redirect),
        _HSTS: "".join(f"{site.host} {site.hsts_seconds}\n" for site in sites if site.hsts_seconds),
        _DOORS: "".join(f"{door.http} :{door.https}\n" for door in sorted(policy.doors, key=lambda door: door.http)),
        f"{POLICY}/firewall/upstreams.nft": elements("upstreams", upstreams),
    }


def _configuration(policy: LoadBalancerPolicy) -> str:
    haproxy = Haproxy()
    instances = sorted(policy.instances, key=lambda instance: instance.name)
    _frontend(haproxy, instances, policy.acme)
    for instance in instances:
        _reading(haproxy, instance)
        _writing(haproxy, instance)
        _blind(haproxy, instance)
    return haproxy.text()


def _frontend(haproxy: Haproxy, instances: list[EdgeInstance], acme: str) -> None:
    haproxy.section("frontend", "edge")
    haproxy.put("bind 0.0.0.0:80")
    haproxy.put("bind [::]:80 v6only")
    haproxy.put(f"bind 0.0.0.0:443 {_TLS}")
    haproxy.put(f"bind [::]:443 v6only {_TLS}")
    haproxy.put(f"http-request set-var(txn.host) {_HOST}")
    haproxy.put(f"http-request set-var(txn.instance) var(txn.host),map_str({_HOSTS})")
    haproxy.put("acl known var(txn.instance) -m found")
    haproxy.put("acl tls ssl_fc")
    _health(haproxy, instances)
    haproxy.put("http-request return status 421 content-type text/plain string misdirected if !known")
    _security(haproxy, acme)
    # Nobody but this edge may say who the client is; what came with the request is dropped.
    for name in ("Forwarded", "X-Real-IP", "X-Forwarded-Host", "X-Forwarded-Port"):
        haproxy.put(f"http-request del-header {name}")
    haproxy.put("http-request set-header X-Forwarded-For %[src]")
    haproxy.put("http-request set-header X-Forwarded-Proto https if tls")
    haproxy.put("http-request set-header X-Forwarded-Proto http if !tls")
    haproxy.put(_REPEATABLE)
    # When no machine passes its checks, the checks may be what is wrong (a starved host): asking beats refusing.
    haproxy.put("acl blind var(txn.instance),concat(-read),nbsrv lt 1")
    haproxy.put("use_backend %[var(txn.instance)]-blind if blind")
    haproxy.put("use_backend %[var(txn.instance)]-read if repeatable")
    haproxy.put("use_backend %[var(txn.instance)]-write if !repeatable")


def _health(haproxy: Haproxy, instances: list[EdgeInstance]) -> None:
    haproxy.put("acl health path /healthz")
    haproxy.put(f"acl drained path -f {_ILL}")
    haproxy.put("http-request return status 503 if health drained !known")
    for instance in instances:
        haproxy.put(f"http-request return status 503 if health !known {{ nbsrv({instance.name}-read) lt 1 }}")
    haproxy.put("http-request return status 200 content-type text/plain string ok if health !known")


def _security(haproxy: Haproxy, acme: str) -> None:
    """The way from HTTP to HTTPS. It is shown once this machine has the site's certificate, and never to an authority
    that looks for the proof of a host: that is due over plain HTTP (RFC 8555, section 8.3)."""
    if acme:
        # Whatever token is asked for, the answer is our account's: nothing has to be told to any edge for an order.
        token = f"path_reg ^{_CHALLENGE}[A-Za-z0-9_-]{{16,128}}$"
        answer = f"content-type application/octet-stream lf-string %[path,field(4,/)].{acme}"
        haproxy.put(f"http-request return status 200 {answer} if !tls {{ {token} }}")
    haproxy.put(f"acl secured var(txn.host) -m str -f {SITES_WITH_CERTIFICATE}")
    haproxy.put(f"acl redirected var(txn.host) -m str -f {_REDIRECTS}")
    haproxy.put(f"http-request set-var(txn.door) req.hdr(host),field(2,:),map_str({_DOORS}) if !tls secured redirected")
    target = "https://%[var(txn.host)]%[var(txn.door)]%[pathq]"
    haproxy.put(f"http-request redirect code 308 location {target} if !tls secured redirected")
    haproxy.put(f"http-request set-var(txn.hsts) var(txn.host),map_str({_HSTS}) if tls")
    # On our own refusals as well, and never over plain HTTP, whatever the origin says there (RFC 6797, section 7.2).
    haproxy.put("http-after-response del-header Strict-Transport-Security if !tls")
    told = "http-after-response set-header Strict-Transport-Security max-age=%[var(txn.hsts)]"
    haproxy.put(f"{told} if tls {{ var(txn.hsts) -m found }}")


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
