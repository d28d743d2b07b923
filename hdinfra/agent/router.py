"""HAProxy before the tenants: who may speak here, for whom, to whose nginx a host goes, and how much one may hold.

Every request that waits holds four descriptors of HAProxy's. What all tenants together may hold leaves room for the
edges' health question, whatever their origins do; what one may hold leaves room for the others.
"""

from collections.abc import Mapping, Sequence

from .fields import Address
from .haproxy import Haproxy
from .paths import HEALTH_HOST, POLICY
from .policy import TenantLimits, WafSite
from .tenant_names import key_of
from .well_map import answer

_HOST = "req.hdr(host),field(1,:),lower"
_HOSTS = f"{POLICY}/haproxy/tenants.map"
_EDGES = f"{POLICY}/haproxy/edges.lst"
_ILL = f"{POLICY}/haproxy/ill.lst"
DRAINED: Mapping[str, str] = {_ILL: "/healthz\n"}
OF_ALL = 600
"""Requests of all tenants that may be under way at once."""
LENT = OF_ALL // 2
"""As long as there are no more, one tenant may hold others' shares too; one that is alone has these."""
CONNECTIONS = 1_300
"""To port 80: as many that are kept for a next request as are under way, and a hundred for the edges' questions."""
_MOST_OF_ONE, _LEAST_OF_ONE = 200, 32
_ALL = "requests"


def router(sites: Sequence[WafSite], edges: Sequence[Address], *, health: bool) -> Mapping[str, str]:
    """Files of the router. Without sites nobody listens on port 80 (row A17). `health`: whether somebody looks after
    the machine, so that it can answer for itself."""
    listed = {
        _HOSTS: "".join(f"{site.host} tenant-{key_of(site.tenant)}\n" for site in sites),
        _EDGES: "".join(f"{edge}\n" for edge in sorted({str(edge) for edge in edges})),
        _ILL: "",
    }
    return {**listed, f"{POLICY}/haproxy/router.cfg": _frontend(health=health)} if sites else listed


def at_once(limits: TenantLimits | None) -> int:
    """Requests of one tenant that may be under way together, by its plan's share of a core: 32 of a free one, a third
    of all from a medium one on, and of a tenant without limits."""
    return max(_LEAST_OF_ONE, min(_MOST_OF_ONE, limits.cpu_weight)) if limits else _MOST_OF_ONE


def refuse_beyond(haproxy: Haproxy, most: int) -> None:
    """In a tenant's backend: what is beyond its share, unless nobody wants the others' shares."""
    _refuse(haproxy, f"{{ be_conn gt {most} }} {{ sc1_conn_cur gt {LENT} }}")


def _refuse(haproxy: Haproxy, when: str) -> None:
    """At once: what waited here would be held by the edge too."""
    haproxy.put("http-request return status 503 content-type text/plain string busy hdr Retry-After 1", "if", when)


def _frontend(*, health: bool) -> str:
    haproxy = Haproxy()
    # Counts under one key whatever was let through and is not over.
    haproxy.section("backend", _ALL)
    haproxy.put("stick-table type integer size 16 store conn_cur")
    haproxy.section("frontend", "router")
    # A request comes through HAProxy twice: the way in must not take what the way to the origins needs.
    haproxy.put(f"maxconn {CONNECTIONS}")
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
    haproxy.put(f"http-request track-sc1 int(1) table {_ALL}")
    _refuse(haproxy, f"{{ sc1_conn_cur gt {OF_ALL} }}")
    # Edges keep connections for the next request; kept ones must not come to be all that there may be.
    haproxy.put(f"http-after-response set-header Connection close if {{ fe_conn gt {OF_ALL} }}")
    # The client's address is what an edge says of it, and nobody else's word counts.
    haproxy.put("acl client_named req.hdr(X-Forwarded-For) -m found")
    haproxy.put("http-request set-header X-Forwarded-For %[src] if !from_edge or !client_named")
    haproxy.put("http-request set-header X-Forwarded-Proto http if !from_edge")
    haproxy.put("use_backend %[var(txn.tenant)]")
    return haproxy.text()
