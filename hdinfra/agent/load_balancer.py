"""The edge: HAProxy that takes a site's requests to whichever WAF machine of its Instance is alive."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import shop_window, well_map
from .durable import write_whole
from .failover_policy import FailoverPolicy, group_of
from .firewall import elements
from .haproxy import Haproxy
from .paths import HEALTH_HOST, POLICY, POOLS_MAP, SITE_CERTIFICATES, SITES_WITH_CERTIFICATE
from .policy import Backend, LoadBalancerPolicy
from .services import FIREWALL, HAPROXY, Service

__all__ = ["DRAINED", "SERVICES", "prepare", "render"]
SERVICES: tuple[Service, ...] = (FIREWALL, HAPROXY)
Groups = Mapping[str, Sequence[Backend]]
"""Of one Instance: the groups of backends by name."""
_ILL = f"{POLICY}/haproxy/ill.lst"
DRAINED: Mapping[str, str] = {_ILL: "/healthz\n"}
_HOST = "req.hdr(host),field(1,:),lower"
_HOSTS = f"{POLICY}/haproxy/hosts.map"
_TIMEOUTS = f"{POLICY}/haproxy/timeouts.map"
_SITE_TIMEOUT = f"{_HOST},map_str_int({_TIMEOUTS},2000)"
_REDIRECTS = f"{POLICY}/haproxy/redirects.lst"
_HSTS = f"{POLICY}/haproxy/hsts.map"
_POOLS = f"{POLICY}/haproxy/pools.map"
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
_PLAIN, _HEADER = 8405, 8406
"""Where the door for health checks hands them on, as they come without and with a PROXY header."""
_PROXY_V2 = "0d0a0d0a000d0a515549540a"  # proxy-protocol.txt, section 2.2
_CHALLENGE = "/.well-known/acme-challenge/"
_REPEATABLE = "acl repeatable method GET HEAD OPTIONS"
# 500 is left out: it is the site's own answer, and would be the same elsewhere.
_RETRIES = "retry-on conn-failure empty-response junk-response response-timeout 502 503 504"
_BUSY = "{ be_conn gt 128 }"
"""So many wait when machines are overloaded, not when one of them died: `leastconn` sends hardly anything to who does
not answer. To ask again then would be four times the load, which goes on when what began it is long over."""


def prepare(root: Path) -> None:
    """What HAProxy wants to find before there is any certificate, and before anybody has looked around."""
    shop_window.prepare(root)
    well_map.prepare(root)
    pools = root / POOLS_MAP.lstrip("/")
    if not pools.exists():
        write_whole(pools, b"", 0o644)


def render(policy: LoadBalancerPolicy) -> Mapping[str, str]:
    """Every policy file by path. A new site changes maps and lists alone."""
    backends = [backend for instance in policy.instances for backend in instance.backends]
    upstreams = [(address, 80) for backend in backends for address in backend.addresses]
    sites = sorted(policy.sites, key=lambda site: site.host)
    mesh = {f"{POLICY}/firewall/mesh.nft": elements("waf_hosts", policy.mesh.outside())} if policy.mesh else {}
    return {
        **mesh,
        **(_first_pools(policy, policy.failover) if policy.failover else {}),
        f"{POLICY}/haproxy/edge.cfg": _configuration(policy),
        _ILL: "",
        _HOSTS: "".join(f"{site.host} {site.instance}\n" for site in sites),
        _TIMEOUTS: "".join(f"{site.host} {site.response_timeout_seconds * 1000}\n" for site in sites),
        _REDIRECTS: "".join(f"{site.host}\n" for site in sites if site.redirect),
        _HSTS: "".join(f"{site.host} {site.hsts_seconds}\n" for site in sites if site.hsts_seconds),
        _DOORS: "".join(f"{door.http} :{door.https}\n" for door in sorted(policy.doors, key=lambda door: door.http)),
        f"{POLICY}/firewall/upstreams.nft": elements("upstreams", upstreams),
    }


def _first_pools(policy: LoadBalancerPolicy, failover: FailoverPolicy) -> Mapping[str, str]:
    """Where users of each Instance go until somebody has looked."""
    names = sorted(instance.name for instance in policy.instances)
    return {_POOLS: "".join(f"{name} {group_of(name, failover.first())}\n" for name in names)}


def _configuration(policy: LoadBalancerPolicy) -> str:
    haproxy = Haproxy()
    instances = sorted(policy.instances, key=lambda instance: instance.name)
    groups = [instance.groups(policy.failover) for instance in instances]
    _frontend(haproxy, groups, policy)
    _health_door(haproxy, groups)
    for name, backends in ((name, backends) for group in groups for name, backends in group.items()):
        _reading(haproxy, name, backends, _check(policy, name))
        _writing(haproxy, name, backends)
        _blind(haproxy, name, backends)
    return haproxy.text()


def _frontend(haproxy: Haproxy, groups: Sequence[Groups], policy: LoadBalancerPolicy) -> None:
    haproxy.section("frontend", "edge")
    haproxy.put("bind 0.0.0.0:80")
    haproxy.put("bind [::]:80 v6only")
    haproxy.put(f"bind 0.0.0.0:443 {_TLS}")
    haproxy.put(f"bind [::]:443 v6only {_TLS}")
    _behind_a_balancer(haproxy)
    haproxy.put(f"http-request set-var(txn.host) {_HOST}")
    haproxy.put(f"http-request set-var(txn.instance) var(txn.host),map_str({_HOSTS})")
    haproxy.put("acl known var(txn.instance) -m found")
    haproxy.put("acl tls ssl_fc")
    well_map.answer(haproxy)
    _health(haproxy, groups, "!known")
    haproxy.put("http-request return status 421 content-type text/plain string misdirected if !known")
    _security(haproxy, policy.acme)
    # Nobody but this edge may say who the client is; what came with the request is dropped.
    for name in ("Forwarded", "X-Real-IP", "X-Forwarded-Host", "X-Forwarded-Port"):
        haproxy.put(f"http-request del-header {name}")
    haproxy.put("http-request set-header X-Forwarded-For %[src]")
    haproxy.put("http-request set-header X-Forwarded-Proto https if tls")
    haproxy.put("http-request set-header X-Forwarded-Proto http if !tls")
    haproxy.put(_REPEATABLE)
    # When no machine passes its checks, the checks may be what is wrong (a starved host): asking beats refusing.
    group = _chosen(haproxy, policy.failover) if policy.failover else "var(txn.instance)"
    haproxy.put(f"acl blind {group},concat(-read),nbsrv lt 1")
    haproxy.put(f"use_backend %[{group}]-blind if blind")
    haproxy.put(f"use_backend %[{group}]-read if repeatable")
    haproxy.put(f"use_backend %[{group}]-write if !repeatable")


def _chosen(haproxy: Haproxy, failover: FailoverPolicy) -> str:
    """Where the group is found of the pool that takes users: in what hdsync chose, else in what policy says."""
    haproxy.put(f"http-request set-var(txn.group) var(txn.instance),map_str({_POOLS})")
    haproxy.put(f"http-request set-var(txn.chosen) var(txn.instance),concat(@{failover.key}),map_str({POOLS_MAP})")
    haproxy.put("http-request set-var(txn.group) var(txn.chosen) if { var(txn.chosen) -m found }")
    return "var(txn.group)"


def _behind_a_balancer(haproxy: Haproxy) -> None:
    """A provider's load balancer begins each connection with a header that names the visitor. Nobody else may: whoever
    else comes from outside is turned away, and what the machine asks itself needs no header.

    Whether there is such a balancer is the base's word (hdinfra/machine/apps/load_balancer.py), as is its firewall.
    """
    haproxy.put(".if defined(HDINFRA_BALANCER)")
    haproxy.put('acl balancer src "${HDINFRA_BALANCER[*]}"')
    haproxy.put("acl itself src 127.0.0.0/8 ::1")
    haproxy.put("tcp-request connection reject if !balancer !itself")
    haproxy.put("tcp-request connection expect-proxy layer4 if balancer")
    haproxy.put(".endif")


def _health_door(haproxy: Haproxy, groups: Sequence[Groups]) -> None:
    """For a balancer of which nobody says whether its health checks begin with the header: this door takes both.

    It is no visitor's (the firewall's word), so it does not matter that whoever comes may write a header.
    """
    haproxy.put(".if defined(HDINFRA_HEALTH_PORT)")
    haproxy.section("frontend", "health-door")
    haproxy.put("mode tcp")
    haproxy.put("no option idle-close-on-response")  # of HTTP alone
    haproxy.put('bind "0.0.0.0:${HDINFRA_HEALTH_PORT}"')
    haproxy.put('bind "[::]:${HDINFRA_HEALTH_PORT}" v6only')
    haproxy.put("tcp-request inspect-delay 2s")
    haproxy.put("tcp-request content accept if { req.len ge 12 }")
    haproxy.put("acl header req.payload(0,6) -m str 'PROXY '")
    haproxy.put(f"acl header req.payload(0,12) -m bin {_PROXY_V2}")
    haproxy.put("use_backend health-header if header")
    haproxy.put("default_backend health-plain")
    for kind, port in (("plain", _PLAIN), ("header", _HEADER)):
        haproxy.section("backend", f"health-{kind}")
        haproxy.put("mode tcp")
        haproxy.put(f"server itself 127.0.0.1:{port}")
    haproxy.section("frontend", "health")
    haproxy.put(f"bind 127.0.0.1:{_PLAIN}")
    haproxy.put(f"bind 127.0.0.1:{_HEADER} accept-proxy")
    _health(haproxy, groups)
    haproxy.put("http-request return status 404")
    haproxy.put(".endif")


def _health(haproxy: Haproxy, groups: Sequence[Groups], unless: str = "") -> None:
    asked = f"health {unless}".rstrip()
    haproxy.put("acl health path /healthz")
    haproxy.put(f"acl drained path -f {_ILL}")
    haproxy.put(f"http-request return status 503 if drained {asked}")
    for group in groups:
        nobody = " ".join(f"{{ nbsrv({name}-read) lt 1 }}" for name in group)
        haproxy.put(f"http-request return status 503 if {asked} {nobody}")
    haproxy.put(f"http-request return status 200 content-type text/plain string ok if {asked}")


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


@dataclass(frozen=True, slots=True)
class _Check:
    """What HAProxy's own checks of servers ask, and which answer is right."""

    path: str
    host: str
    status: int = 200
    body: str = ""


def _check(policy: LoadBalancerPolicy, group: str) -> _Check:
    """As pools are chosen, so are machines in one: whoever is latched gets nobody from beside either."""
    if policy.failover is None:
        return _Check("/healthz", HEALTH_HOST)
    monitor, instance = policy.failover.monitor, group.partition(".")[0]
    hosts = sorted(site.host for site in policy.sites if site.instance == instance)
    asked = monitor.host or next(iter(hosts), HEALTH_HOST)
    return _Check(monitor.path, asked, monitor.expected_status, monitor.expected_body)


def _reading(haproxy: Haproxy, name: str, backends: Sequence[Backend], check: _Check) -> None:
    haproxy.section("backend", f"{name}-read")
    haproxy.put(_RETRIES)
    haproxy.put(f"http-request disable-l7-retry if {_BUSY}")
    haproxy.put(f"http-request set-timeout server {_SITE_TIMEOUT}")
    haproxy.put("timeout server 2s")
    haproxy.put("option httpchk")
    haproxy.put(f"http-check send meth GET uri {check.path} ver HTTP/1.1 hdr Host {check.host}")
    haproxy.put(f"http-check expect status {check.status}")
    if check.body:
        haproxy.put("http-check expect rstring", values=[f"(?i){re.escape(check.body)}"])
    # fastinter: a frozen machine must be down before the first request gives up on it after 2 s.
    timing = "check inter 500ms fastinter 200ms fall 2 rise 2 observe layer4 error-limit 2 on-error mark-down"
    for server, target in _servers(backends):
        haproxy.put(f"server {server} {target} {timing}")


def _writing(haproxy: Haproxy, name: str, backends: Sequence[Backend]) -> None:
    haproxy.section("backend", f"{name}-write")
    haproxy.put("retry-on conn-failure")
    # A kept connection may be closing while the request is on its way; that one could not be repeated.
    haproxy.put("http-reuse never")
    for server, target in _servers(backends):
        haproxy.put(f"server {server} {target} track {name}-read/{server} on-marked-down shutdown-sessions")


def _blind(haproxy: Haproxy, name: str, backends: Sequence[Backend]) -> None:
    haproxy.section("backend", f"{name}-blind")
    haproxy.put(_RETRIES)
    haproxy.put(_REPEATABLE)
    haproxy.put(f"http-request disable-l7-retry if !repeatable || {_BUSY}")
    haproxy.put(f"http-request set-timeout server {_SITE_TIMEOUT} if repeatable")
    haproxy.put("http-reuse never")
    for server, target in _servers(backends):
        haproxy.put(f"server {server} {target}")


def _servers(backends: Sequence[Backend]) -> list[tuple[str, str]]:
    """All addresses of every machine, machines alternating, so that the next try meets another machine."""
    ordered = sorted(backends, key=lambda backend: backend.name)
    return [(f"{backend.name}.ipv4", f"ipv4@{backend.ipv4}:80") for backend in ordered] + [
        (f"{backend.name}.ipv6", f"ipv6@[{backend.ipv6}]:80") for backend in ordered if backend.ipv6
    ]
