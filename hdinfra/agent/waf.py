"""The web application firewall: HAProxy routes to a tenant's own nginx with libmodsecurity, and from it to the origins.

Decisions 4 and 13. What a tenant has (user, socket, unit, folders) goes by its key.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from .fields import Address
from .firewall import elements
from .haproxy import Haproxy, quoted
from .nginx import Nginx
from .paths import ORIGIN_SOCKETS, POLICY, TENANT_LOGS, TENANT_SOCKETS, TENANTS
from .policy import TenantLimits, WafPolicy, WafSite
from .router import DRAINED, LENT, at_once, refuse_beyond, router
from .services import FIREWALL, HAPROXY, Service
from .tenant_names import key_of, user_of
from .tenants import DISK, LIMITS, SERVERS, USERS
from .waf_site import ENGINE, exceptions, inspected, keep_answers, limit_rate, site_zones
from .well_map import prepare

# HAProxy's check asks for the users, and it has to listen for a tenant's nginx before that is told to go through it.
SERVICES: tuple[Service, ...] = (FIREWALL, USERS, HAPROXY, SERVERS)
__all__ = ["DRAINED", "SERVICES", "prepare", "render"]


def render(policy: WafPolicy) -> Mapping[str, str]:
    """Every policy file by path. A tenant's files are its own; beside them it stands in the router's map alone."""
    ordered = sorted(policy.sites, key=lambda site: (site.tenant, site.host))
    limits = {tenant.name: tenant for tenant in policy.tenants}
    files = {
        f"{POLICY}/firewall/edges.nft": elements("edges", policy.edges),
        **router(ordered, policy.edges, health=policy.health is not None),
    }
    if policy.mesh:
        files[f"{POLICY}/firewall/mesh.nft"] = elements("edge_hosts", policy.mesh.outside())
    for tenant, sites in groupby(ordered, key=lambda site: site.tenant):
        files |= _tenant(tenant, tuple(sites), at_once(limits.get(tenant)))
        files[f"{TENANTS}/{key_of(tenant)}/{LIMITS}"] = _limits(limits.get(tenant))
        if (limited := limits.get(tenant)) and limited.disk_mib:
            files[f"{TENANTS}/{key_of(tenant)}/{DISK}"] = f"{limited.disk_mib}\n"
    return files


def _tenant(tenant: str, sites: Sequence[WafSite], most: int) -> Mapping[str, str]:
    key = key_of(tenant)
    folder = f"{TENANTS}/{key}"
    endpoints = [(origin.address, origin.port) for site in sites for origin in site.origins]
    files = {
        f"{POLICY}/haproxy/tenant-{key}.cfg": _between(tenant, sites, most),
        f"{POLICY}/firewall/tenant-{key}.nft": elements("upstreams", endpoints),
        f"{folder}/main.conf": _main(tenant),
        f"{folder}/default.nginx.conf": _default(tenant),
        f"{folder}/logrotate.conf": _logrotate(tenant),
    }
    for site in sites:
        rules = f"{folder}/{file_stem(site.host)}.modsecurity.conf"
        files[f"{folder}/{file_stem(site.host)}.nginx.conf"] = _server(site, rules)
        if inspected(site):
            files[rules] = _rules(site)
    return files


def _main(tenant: str) -> str:
    """What the tenant's nginx is started with; the base has all that is the same for everybody."""
    nginx = Nginx()
    nginx.put("include", "/etc/hdinfra/nginx-main.conf")
    nginx.put("error_log", f"{TENANT_LOGS}/{key_of(tenant)}/error.log", "warn")
    nginx.open("http")
    nginx.put("include", "/etc/hdinfra/nginx-http.conf")
    nginx.put("include", f"{TENANTS}/{key_of(tenant)}/*.nginx.conf")
    nginx.close()
    return nginx.text()


def _default(tenant: str) -> str:
    nginx = Nginx()
    nginx.open("server")
    nginx.put("listen", _socket(tenant), "default_server")
    nginx.put("server_name", "_")
    nginx.put("modsecurity", "off")
    nginx.put("return", "421")
    nginx.close()
    return nginx.text()


def _socket(tenant: str) -> str:
    # As systemd binds it: nginx knows the socket that it inherits by this name.
    return f"unix:{TENANT_SOCKETS}/{key_of(tenant)}.sock"


def _limits(limits: TenantLimits | None) -> str:
    """Properties of the tenant's slice; none in a document from before there were plans."""
    if limits is None:
        return ""
    return (
        f"CPUWeight={limits.cpu_weight}\n"
        f"IOWeight={limits.io_weight}\n"
        f"MemoryLow={limits.memory_low_mib}M\n"
        f"MemoryHigh={limits.memory_high_mib}M\n"
        f"MemoryMax={limits.memory_max_mib}M\n"
        f"TasksMax={limits.tasks_max}\n"
    )


def _logrotate(tenant: str) -> str:
    """Looked at every minute: what one tenant's logs take is five times 20 MiB and what a minute writes."""
    user = user_of(tenant)
    return (
        f"{TENANT_LOGS}/{key_of(tenant)}/*.json {TENANT_LOGS}/{key_of(tenant)}/*.log {{\n"
        # As the tenant: what it puts in a log's place leads nowhere but to its own files.
        f"    su {user} {user}\n"
        "    size 20M\n    rotate 4\n    copytruncate\n    missingok\n    notifempty\n}\n"
    )


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
    nginx.put("listen", _socket(site.tenant))
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
        f"SecAuditLog {TENANT_LOGS}/{key_of(site.tenant)}/{file_stem(site.host)}.audit.json\n"
        f'SecAction "id:890001,phase:1,pass,nolog,t:none,setvar:tx.paranoia_level={site.paranoia}"\n'
    )
    return settings + exceptions(site)


def _between(tenant: str, sites: Sequence[WafSite], most: int) -> str:
    """HAProxy on both sides of the tenant's nginx: the way to it, and from it to the origins. `most`: requests that may
    be under way at once while others want theirs."""
    haproxy, name = Haproxy(), f"tenant-{key_of(tenant)}"
    haproxy.section("backend", name)
    haproxy.put("stick-table type integer size 16 store conn_cur")
    refuse_beyond(haproxy, most)
    # A connection a request: one that is kept might be closing, as nginx reloads or goes to sleep, when it is used.
    haproxy.put("option", "http-server-close")
    _let_go(haproxy)
    haproxy.put(f"server nginx unix@/tenants/{key_of(tenant)}.sock")
    for site in sites:
        _origin(haproxy, site, name, 2 * LENT)
    return haproxy.text()


def _origin(haproxy: Haproxy, site: WafSite, counted: str, most: int) -> None:
    key = site_key(site.host)
    haproxy.section("frontend", key)
    haproxy.put("bind", f"unix@{ORIGIN_SOCKETS}/{key}.sock", "mode", "600", "user", user_of(site.tenant))
    haproxy.put(f"backlog {2 * LENT}")  # a burst of a tenant's requests arrives here at one stroke
    # More than the router lets through, twice over for those that are closing: nobody asks so but a tenant that was
    # broken into, over all its sites.
    haproxy.put(f"tcp-request connection track-sc0 int(1) table {counted}")
    haproxy.put(f"tcp-request connection reject if {{ sc0_conn_cur gt {most} }}")
    haproxy.put(f"use_backend {key}-read if METH_GET or METH_HEAD or METH_OPTIONS")
    haproxy.put(f"default_backend {key}-write")
    haproxy.section("backend", f"{key}-read")
    _let_go(haproxy)
    haproxy.put(f"timeout server {site.response_timeout_seconds}s")
    # A slow origin is asked again by the edge alone: two places that repeat would multiply its load.
    haproxy.put("retry-on", "conn-failure", "empty-response", "junk-response")
    haproxy.put("option", "httpchk")
    path, host = quoted(site.health_path), quoted(site.host)
    haproxy.put(f"http-check send meth GET uri {path} ver HTTP/1.1 hdr Host {host}")
    _servers(haproxy, site, lambda _: "check inter 2s fall 2 rise 2 observe layer4 error-limit 5 on-error mark-down")
    haproxy.section("backend", f"{key}-write")
    _let_go(haproxy)
    haproxy.put("retry-on", "conn-failure")
    haproxy.put("http-reuse", "never")
    _servers(haproxy, site, lambda server: f"track {key}-read/{server}")


def _let_go(haproxy: Haproxy) -> None:
    """Of a request whose asker is gone: its place is the next one's, were the origin silent for minutes."""
    haproxy.put("option", "abortonclose")


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
