"""What all Machines have in common."""

from hdinfra.machine.machine import Health, Identity, Unit
from hdinfra.machine.sources import asset
from hdinfra.model.plan import MachinePlan

PACKAGES = ("ca-certificates", "logrotate", "nftables", "procps", "python3")

HEALTH = Health(booted=("/usr/sbin/hdctl", "booted"), serving=("/usr/sbin/hdctl", "status", "--check"))

SYSCTLS = {
    "net.ipv4.conf.all.accept_redirects": "0",
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.all.rp_filter": "2",  # loose: machines have two networks (RFC 3704)
    "net.ipv4.tcp_syncookies": "1",
    "net.ipv6.conf.all.accept_redirects": "0",
}

UNITS = (
    Unit("hdinfra-policy.service", content=asset("hdinfra-policy.service")),
    Unit("hdinfra-firewall.service", content=asset("hdinfra-firewall.service")),
)


def identity(zone: str, plan: MachinePlan) -> Identity:
    """Who this Machine is."""
    return Identity(name=plan.name, zone=zone, place=plan.place, role=plan.role)
