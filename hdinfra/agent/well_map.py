"""How HAProxy answers `/edge-health`: from a map that says until when the machine counts as well."""

from pathlib import Path

from .durable import write_whole
from .haproxy import Haproxy
from .paths import HEALTH_MAP, HEALTH_PATH


def answer(haproxy: Haproxy) -> None:
    """Rules of a frontend, whatever the host. When somebody asked last is kept: whoever is asked is not cut off, were
    it by a tunnel's end on the machine itself. The answer is one word, reasons are for `hdctl health` alone."""
    haproxy.put(f"acl edge_health path {HEALTH_PATH}")
    haproxy.put("http-request set-var(proc.asked_at) date if edge_health")
    haproxy.put(f"http-request set-var(txn.until) str(until),map_str_int({HEALTH_MAP},0) if edge_health")
    haproxy.put("acl stale date,sub(txn.until) ge 0")
    haproxy.put("http-request return status 503 content-type text/plain string ill if edge_health stale")
    haproxy.put("http-request return status 200 content-type text/plain string ok if edge_health")


def prepare(root: Path) -> None:
    """HAProxy does not start without the file. Until somebody has looked, the machine is not well."""
    path = root / HEALTH_MAP.lstrip("/")
    if not path.exists():
        write_whole(path, b"until 0\n", 0o644)
