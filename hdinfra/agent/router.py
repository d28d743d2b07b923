"""HAProxy before the tenants: who may speak here, for whom, and to whose nginx a host goes."""

from collections.abc import Mapping, Sequence

from .fields import Address
from .haproxy import Haproxy
from .paths import HEALTH_HOST, POLICY
from .policy import WafSite
from .tenant_names import key_of
from .well_map import answer

_HOST = "req.hdr(host),field(1,:),lower"
_HOSTS = f"{POLICY}/haproxy/tenants.map"
_EDGES = f"{POLICY}/haproxy/edges.lst"
_ILL = f"{POLICY}/haproxy/ill.lst"
DRAINED: Mapping[str, str] = {_ILL: "/healthz\n"}


def router(sites: Sequence[WafSite], edges: Sequence[Address], *, health: bool) -> Mapping[str, str]:
    """Files of the router. Without sites nobody listens on port 80 (row A17). `health`: whether somebody looks after
    the machine, so that it can answer for itself."""
    listed = {
        _HOSTS: "".join(f"{site.host} tenant-{key_of(site.tenant)}\n" for site in sites),
        _EDGES: "".join(f"{edge}\n" for edge in sorted({str(edge) for edge in edges})),
        _ILL: "",
    }
    return {**listed, f"{POLICY}/haproxy/router.cfg": _frontend(health=health)} if sites else listed


def _frontend(*, health: bool) -> str:
    haproxy = Haproxy()
    haproxy.section("frontend", "router")
    # A request comes through HAProxy twice: the way in must not take what the way to the origins needs.
    haproxy.put("maxconn 900")
    haproxy.put("bind 0.0.0.0:80")
    haproxy.put("bind [::]:80 v6only")
    haproxy.put(f"acl from_edge src -f {_EDGES}")
    haproxy.put("acl from_here src 127.0.0.1 ::1")
    if health:
        answer(haproxy)
    haproxy.put(f"acl of_machine {_HOST} {HEALTH_HOST}")
    haproxy.put("acl health path /healthz")
    haproxy.put(f"acl drained path -f {_ILL}")
    haproxy.put("http-request return status 403 if of_machine health !from_edge !from_here")
    haproxy.put("http-request return status 503 if of_machine health drained")
    haproxy.put("http-request return status 200 content-type text/plain string ok if of_machine health")
    haproxy.put("http-request return status 404 if of_machine")
    haproxy.put(f"http-request set-var(txn.tenant) {_HOST},map_str({_HOSTS})")
    haproxy.put("acl known var(txn.tenant) -m found")
    haproxy.put("http-request return status 421 content-type text/plain string misdirected if !known")
    # The client's address is what an edge says of it, and nobody else's word counts.
    haproxy.put("acl client_named req.hdr(X-Forwarded-For) -m found")
    haproxy.put("http-request set-header X-Forwarded-For %[src] if !from_edge or !client_named")
    haproxy.put("http-request set-header X-Forwarded-Proto http if !from_edge")
    haproxy.put("use_backend %[var(txn.tenant)]")
    return haproxy.text()
