"""One site of the web application firewall: which rules hold for whom, how much one client may ask, what is kept.

Nothing here adds a line for a site that asks for nothing beyond its mode and paranoia.
"""

from .caches import cache_folder
from .fields import Network
from .nginx import Nginx
from .policy import WafSite
from .waf_profiles import MACHINERY, NONE, removed_rules

ENGINE = {"RECORD": "DetectionOnly", "MITIGATION": "On"}
_LOOPBACK = ("127.0.0.1", "::1")
_OFF = "phase:1,pass,nolog,t:none,ctl:ruleEngine=Off"
_PLAIN_REST = r"(?:/(?!\.{1,2}(?:[/?]|$))[A-Za-z0-9._~-]+)*/?(?:\?|$)"
"""What may follow an excluded path: origins may read `/open/../shut` or `/open/%2e%2e/shut` as `/shut`, so neither is
taken for a part of `/open`."""


def inspected(site: WafSite) -> bool:
    """Whether any rule is asked. `BYPASS` is a switch that the API or an operator may turn back within the ceilings;
    the profile `none` is the stack's, and no switch brings rules to it."""
    return site.mode in ENGINE and site.profile != NONE


def exceptions(site: WafSite) -> str:
    """Rules before the inherited ones: who and what is not inspected, and which rules do not apply."""
    lines = []
    if site.excluded_networks:
        networks = ",".join(sorted(map(_for_match, site.excluded_networks)))
        lines.append(f'SecRule REMOTE_ADDR "@ipMatch {networks}" "id:890002,{_OFF}"')
    for number, path in enumerate(sorted(set(site.excluded_paths))):
        plain = path.rstrip("/").replace(".", r"\.")
        lines.append(f'SecRule REQUEST_URI_RAW "@rx ^{plain}{_PLAIN_REST}" "id:{890100 + number},{_OFF}"')
    lines += [f"SecRuleRemoveById {rules}" for rules in removed_rules(site.profile)]
    # Documents from before that was refused may name some of these; they are in force nevertheless.
    excluded = {rule for rule in site.exclusions if rule // 1_000 not in MACHINERY}
    lines += [f"SecRuleRemoveById {rule}" for rule in sorted(excluded)]
    return "".join(line + "\n" for line in lines)


def site_zones(nginx: Nginx, site: WafSite, key: str) -> None:
    """What a site needs outside its server: memory for counting clients, and a place for its cache."""
    if site.rate:
        _client_map(nginx, key)
        # A zone of 1 MiB remembers some 8,000 clients and forgets those first that it has not seen for longest.
        nginx.put("limit_req_zone", f"${_name('client', key)}", f"zone={key}:1m", f"rate={site.rate.per_second}r/s")
    if site.cache:
        _loopback_map(nginx, key)
        # The site's share, and never the disk's last 256 MiB; what nobody asked for in an hour goes first.
        limits = (f"max_size={site.cache.size_mib}m", "min_free=256m", "inactive=1h", "use_temp_path=off")
        place = (cache_folder(site.tenant, key), "levels=1:2", f"keys_zone=cache-{key}:1m")
        nginx.put("proxy_cache_path", *place, *limits)


def limit_rate(nginx: Nginx, site: WafSite, key: str) -> None:
    """In the server: 429 for what comes above the rate. It is counted on each machine by itself, in every mode."""
    if not site.rate:
        return
    burst = (f"burst={site.rate.burst}", "nodelay") if site.rate.burst else ()
    nginx.put("limit_req", f"zone={key}", *burst)
    nginx.put("limit_req_status", "429")
    nginx.put("limit_req_log_level", "info")  # below what is logged: a flood must not become one of the journal


def keep_answers(nginx: Nginx, site: WafSite, key: str) -> None:
    """In the location: keep what the origin's headers permit (RFC 9111), and never what is one user's.

    nginx keeps no answer without Cache-Control or Expires, none that sets a cookie, and heeds private, no-store and
    Vary; that a request with credentials is nobody else's has to be said. Rules are asked before the cache.
    """
    if not site.cache:
        return
    nginx.put("proxy_cache", f"cache-{key}")
    nginx.put("proxy_cache_key", "$client_scheme://$host$request_uri")
    personal = ("$http_authorization", f"${_name('loopback', key)}")
    nginx.put("proxy_cache_bypass", *personal)
    nginx.put("proxy_no_cache", *personal)
    nginx.put("proxy_ignore_headers", "X-Accel-Expires")  # no HTTP, and stronger than `private`
    nginx.put("proxy_cache_revalidate", "on")
    nginx.put("add_header", "X-Cache-Status", "$upstream_cache_status", "always")


def _for_match(network: Network) -> str:
    # libmodsecurity's @ipMatch refuses a /128.
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _client_map(nginx: Nginx, key: str) -> None:
    """A client is an IPv4 address or a /64, which is what one IPv6 subscriber has at least (RFC 6177)."""
    network, client = _name("network", key), _name("client", key)
    nginx.open("map", "$binary_remote_addr", f"${network}")
    nginx.put("default", "$binary_remote_addr")
    nginx.put(r'"~(?s)^(.{8}).{8}\z"', "$1")
    nginx.close()
    nginx.open("map", "$remote_addr", f"${client}")
    nginx.put("default", f"${network}")
    for address in _LOOPBACK:  # this machine's own look at its sites counts for nobody
        nginx.put(address, '""')
    nginx.close()


def _loopback_map(nginx: Nginx, key: str) -> None:
    """This machine's own look at its sites must reach the origin."""
    nginx.open("map", "$remote_addr", f"${_name('loopback', key)}")
    nginx.put("default", '""')
    for address in _LOOPBACK:
        nginx.put(address, "1")
    nginx.close()


def _name(what: str, key: str) -> str:
    return f"{what}_{key.replace('-', '_')}"
