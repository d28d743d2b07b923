"""The web application firewall: nginx with libmodsecurity, and HAProxy between it and the origins."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from .fields import Address
from .firewall import elements
from .haproxy import Haproxy, quoted
from .nginx import Nginx
from .paths import AUDIT_LOGS, ORIGIN_SOCKETS, POLICY
from .policy import WafPolicy, WafSite
from .services import FIREWALL, HAPROXY, NGINX, WAF_DRAINED, Service
from .waf_site import ENGINE, exceptions, inspected, keep_answers, limit_rate, site_zones

SERVICES: tuple[Service, ...] = (FIREWALL, HAPROXY, NGINX)
DRAINED: Mapping[str, str] = {WAF_DRAINED: ""}


def render(policy: WafPolicy) -> Mapping[str, str]:
    """Every policy file by path. A site's files are its tenant's alone."""
    files = {
        f"{POLICY}/edges.nginx.conf": _edges(policy.edges),
        f"{POLICY}/firewall/edges.nft": elements("edges", policy.edges),
    }
    ordered = sorted(policy.sites, key=lambda site: (site.tenant, site.host))
    for tenant, sites in groupby(ordered, key=lambda site: site.tenant):
        files |= _tenant(tenant, tuple(sites))
    return files


def _tenant(tenant: str, sites: Sequence[WafSite]) -> Mapping[str, str]:
    folder = f"{POLICY}/tenants/{tenant}"
    endpoints = [(origin.address, origin.port) for site in sites for origin in site.origins]
    files = {
        f"{POLICY}/haproxy/tenant-{tenant}.cfg": _origins(sites),
        f"{POLICY}/firewall/tenant-{tenant}.nft": elements("upstreams", endpoints),
    }
    for site in sites:
        rules = f"{folder}/{file_stem(site.host)}.modsecurity.conf"
        files[f"{folder}/{file_stem(site.host)}.nginx.conf"] = _server(site, rules)
        if inspected(site):
            files[rules] = _rules(site)
    return files


def _edges(edges: Sequence[Address]) -> str:
    """Whose word on the client's address is taken, and who may ask for health."""
    nginx = Nginx()
    for edge in sorted(map(str, edges)):
        nginx.put("set_real_ip_from", values=[edge])
    nginx.open("geo", "$realip_remote_addr", "$from_edge")
    nginx.put("default", "0")
    for edge in sorted({"127.0.0.1", "::1", *map(str, edges)}):
        nginx.put(edge, "1")
    nginx.close()
    return nginx.text()


def site_key(host: str) -> str:
    """A short, safe name of a site: host names may be longer than a socket's path."""
    return "site-" + hashlib.sha256(host.encode()).hexdigest()[:16]


def file_stem(host: str) -> str:
    """A file's name for a host. Those too long for a name of 255 bytes with its suffix are cut and told apart."""
    return host if len(host) <= 200 else f"{host[:150]}-{site_key(host)}"


def _server(site: WafSite, rules: str) -> str:
    nginx, key = Nginx(), site_key(site.host)
    site_zones(nginx, site, key)
    nginx.open("upstream", key)
    nginx.put("server", f"unix:{ORIGIN_SOCKETS}/{key}.sock", "max_fails=0")
    nginx.close()
    nginx.open("server")
    nginx.put("listen", "0.0.0.0:80")
    nginx.put("listen", "[::]:80")
    nginx.put("server_name", values=[site.host])
    if inspected(site):
        nginx.put("modsecurity_rules_file", values=[rules])
    else:
        nginx.put("modsecurity", "off")
    limit_rate(nginx, site, key)
    nginx.open("location", "/")
    nginx.put("proxy_pass", f"http://{key}")
    keep_answers(nginx, site, key)
    nginx.close()
    nginx.close()
    return nginx.text()


def _rules(site: WafSite) -> str:
    """A site's own settings. They stand before the inherited CRS rules, whose defaults yield to what is set."""
    settings = (
        f"SecRuleEngine {ENGINE[site.mode]}\n"
        "SecAuditEngine RelevantOnly\n"
        'SecAuditLogRelevantStatus "^$"\n'
        "SecAuditLogParts ABFHIJZ\n"
        "SecAuditLogFormat JSON\n"
        "SecAuditLogType Serial\n"
        f"SecAuditLog {AUDIT_LOGS}/{file_stem(site.host)}.audit.json\n"
        f'SecAction "id:890001,phase:1,pass,nolog,t:none,setvar:tx.paranoia_level={site.paranoia}"\n'
    )
    return settings + exceptions(site)


def _origins(sites: Sequence[WafSite]) -> str:
    haproxy = Haproxy()
    for site in sites:
        _origin(haproxy, site)
    return haproxy.text()


def _origin(haproxy: Haproxy, site: WafSite) -> None:
    key = site_key(site.host)
    haproxy.section("frontend", key)
    haproxy.put("bind", f"unix@{ORIGIN_SOCKETS}/{key}.sock", "mode", "660", "user", "root", "group", "www-data")
    haproxy.put(f"use_backend {key}-read if METH_GET or METH_HEAD or METH_OPTIONS")
    haproxy.put(f"default_backend {key}-write")
    haproxy.section("backend", f"{key}-read")
    haproxy.put(f"timeout server {site.response_timeout_seconds}s")
    # A slow origin is asked again by the edge alone: two places that repeat would multiply its load.
    haproxy.put("retry-on", "conn-failure", "empty-response", "junk-response")
    haproxy.put("option", "httpchk")
    path, host = quoted(site.health_path), quoted(site.host)
    haproxy.put(f"http-check send meth GET uri {path} ver HTTP/1.1 hdr Host {host}")
    _servers(haproxy, site, lambda _: "check inter 2s fall 2 rise 2 observe layer4 error-limit 5 on-error mark-down")
    haproxy.section("backend", f"{key}-write")
    haproxy.put("retry-on", "conn-failure")
    haproxy.put("http-reuse", "never")
    _servers(haproxy, site, lambda server: f"track {key}-read/{server}")


def _servers(haproxy: Haproxy, site: WafSite, health: Callable[[str], str]) -> None:
    targets = [_endpoint(origin.address, origin.port) for origin in site.origins]
    for number, target in enumerate(targets):
        haproxy.put(f"server origin{number} {target} {health(f'origin{number}')}")
    # Unchecked and used only when no origin passes its checks: then the checks may be what is wrong.
    haproxy.put("option", "allbackups")
    for number, target in enumerate(targets):
        haproxy.put(f"server blind{number} {target} backup")


def _endpoint(address: Address, port: int) -> str:
    host = f"[{address}]" if address.version == 6 else str(address)
    return f"ipv{address.version}@{host}:{port}"
