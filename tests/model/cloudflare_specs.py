"""Legal edges at Cloudflare as plain data: two sites, one on machines and one on Kubernetes, and a pair."""

import copy

from hdinfra.model.failover.cloudflare_spec import CloudflareSpec, PairSpec
from hdinfra.model.typed import validated
from tests.model.legal import Change, Data

IMAGE = f"docker.io/cloudflare/cloudflared@sha256:{'c' * 64}"
CLOUDFLARE = {"account_id": "a" * 32, "zone_id": "b" * 32, "notify": {"emails": ["ops@example.com"]}}
PARIS = {
    "name": "paris",
    "service": "http://127.0.0.1:80",
    "direct": "paris.example.com",
    "connectors": [{"machine": "iron-1", "uplink": "north"}, {"machine": "iron-2", "uplink": "south"}],
}
HELSINKI = {
    "name": "helsinki",
    "service": "https://shop.web.svc.cluster.local:443",
    "kubernetes": {"account": "k8s-hel", "namespace": "edge", "image": IMAGE, "uplink_label": "example.com/uplink"},
}

EDGE: Data = {
    "edge": "shop",
    "failover": {
        "host": "shop.example.com",
        "pools": [
            {"name": "paris", "endpoints": [{"name": "paris", "tunnel": "paris"}]},
            {"name": "helsinki", "endpoints": [{"name": "helsinki", "tunnel": "helsinki"}]},
        ],
        "fallback": "paris",
        "rto_seconds": 300,
    },
    "cloudflare": CLOUDFLARE,
    "tunnels": [PARIS, HELSINKI],
}

PAIR: Data = {
    "edge": "shop",
    "host": "shop.example.com",
    "primary": PARIS,
    "failover": HELSINKI,
    "fallback": "primary",
    "rto_seconds": 300,
    "cloudflare": CLOUDFLARE,
}


def edge(*changes: Change) -> CloudflareSpec:
    """The legal edge with these changes."""
    return validated(CloudflareSpec, _changed(EDGE, changes))


def pair(*changes: Change) -> PairSpec:
    """The legal pair with these changes."""
    return validated(PairSpec, _changed(PAIR, changes))


def _changed(data: Data, changes: tuple[Change, ...]) -> Data:
    found = copy.deepcopy(data)
    for change in changes:
        change(found)
    return found
