"""The web application firewall: HAProxy, and for every tenant an nginx with libmodsecurity and the OWASP CRS."""

from hdinfra.machine.apps import base
from hdinfra.machine.machine import File, Firewall, Machine, Unit
from hdinfra.machine.sources import asset
from hdinfra.model.plan import MachinePlan

_ON_DEMAND = (
    "hdinfra-tenant-user@.service",
    "hdinfra-tenant@.service",
    "hdinfra-tenant@.socket",
    "hdinfra-tenants-disk.service",
    "hdinfra-tenants-rest.service",
    "hdinfra-volume-grow.service",
)


def waf_machine(zone: str, plan: MachinePlan) -> Machine:
    """One machine of a WAF Instance. Port 80 is for the edges alone, and only while there is a site."""
    return Machine(
        identity=base.identity(zone, plan),
        packages=(*base.PACKAGES, "haproxy", "libnginx-mod-http-modsecurity", "modsecurity-crs", "nginx"),
        files=(
            *base.FILES,
            File("/etc/hdinfra/nginx.conf", asset("waf-nginx.conf")),
            File("/etc/hdinfra/nginx-main.conf", asset("waf-nginx-main.conf")),
            File("/etc/hdinfra/nginx-http.conf", asset("waf-nginx-http.conf")),
            File("/etc/hdinfra/modsecurity.conf", asset("waf-modsecurity.conf")),
            File("/etc/hdinfra/haproxy.cfg", _roomy("haproxy.cfg")),
            File("/etc/udev/rules.d/70-hdinfra-disks.rules", asset("hdinfra-disks.rules")),
            File("/usr/lib/hdinfra/disks", asset("disks"), 0o755),
            File("/usr/lib/hdinfra/tenants", asset("tenants"), 0o755),
            File("/usr/lib/hdinfra/volume", asset("volume"), 0o755),
        ),
        units=(
            *(Unit(name, content=asset(name)) for name in ("hdinfra-disks.service", "hdinfra-volume.service")),
            *base.UNITS,
            Unit("haproxy.service", drop_in=_roomy("haproxy.service.conf")),
            Unit("nginx.service", drop_in=asset("nginx.service.conf"), enabled=False),
            *(Unit(name, content=asset(name)) for name in ("hdinfra-tenants.service", "hdinfra-tenants-rest.timer")),
            *(Unit(name, content=asset(name), enabled=False) for name in _ON_DEMAND),
        ),
        firewall=Firewall(restricted_tcp={80: "edges"}, outbound_sets=("upstreams",)),
        health=base.HEALTH,
        sysctls=base.SYSCTLS,
    )


def _roomy(name: str) -> str:
    """With descriptors for what the router lets through (hdinfra/agent/router.py), and for each site a socket and its
    origins' checks, of which a machine may have some thousands."""
    return asset(name).replace("4096", "16384")
