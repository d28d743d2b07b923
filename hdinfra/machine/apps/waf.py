"""The web application firewall: nginx, libmodsecurity, OWASP CRS, and HAProxy before the origins."""

from hdinfra.machine.apps import base
from hdinfra.machine.machine import File, Firewall, Machine, Unit
from hdinfra.machine.sources import asset
from hdinfra.model.plan import MachinePlan


def waf_machine(zone: str, plan: MachinePlan) -> Machine:
    """One machine of a WAF Instance. Port 80 is for the edges alone, and only while there is a site."""
    return Machine(
        identity=base.identity(zone, plan),
        packages=(*base.PACKAGES, "haproxy", "libnginx-mod-http-modsecurity", "modsecurity-crs", "nginx"),
        files=(
            *base.FILES,
            File("/etc/hdinfra/nginx.conf", asset("waf-nginx.conf")),
            File("/etc/hdinfra/modsecurity.conf", asset("waf-modsecurity.conf")),
            File("/etc/hdinfra/haproxy.cfg", asset("haproxy.cfg")),
            File("/etc/logrotate.d/hdinfra", asset("logrotate.conf")),
        ),
        units=(
            *base.UNITS,
            Unit("haproxy.service", drop_in=asset("haproxy.service.conf")),
            Unit("nginx.service", drop_in=asset("nginx.service.conf")),
        ),
        firewall=Firewall(restricted_tcp={80: "edges"}, outbound_sets=("upstreams",)),
        health=base.HEALTH,
        sysctls=base.SYSCTLS,
    )
