"""What all Machines have in common."""

from hdinfra.machine.machine import File, Health, Identity, Unit
from hdinfra.machine.sources import asset
from hdinfra.model.plan import MachinePlan

PACKAGES = ("ca-certificates", "logrotate", "nftables", "procps", "python3", "python3-cryptography")

HEALTH = Health(booted=("/usr/sbin/hdctl", "booted"), serving=("/usr/sbin/hdctl", "status", "--check"))

SYSCTLS = {
    "net.ipv4.conf.all.accept_redirects": "0",
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.all.rp_filter": "2",  # loose: machines have two networks (RFC 3704)
    "net.ipv4.tcp_syncookies": "1",
    "net.ipv6.conf.all.accept_redirects": "0",
}

FILES = (
    File("/usr/lib/hdinfra/droplet", asset("droplet"), 0o755),
    File("/usr/lib/hdinfra/fetch", asset("fetch"), 0o755),
    File("/usr/lib/hdinfra/linode", asset("linode"), 0o755),
    File("/usr/lib/hdinfra/previous", asset("previous"), 0o755),
    File("/usr/sbin/hdctl", asset("hdctl"), 0o755),
    File("/usr/sbin/hdsync", asset("hdsync"), 0o755),
)
"""What starts the agent, which itself comes as a bundle; and what only a Droplet of DigitalOcean, or a Linode, runs."""

FIREWALL_UNIT = Unit("hdinfra-firewall.service", content=asset("hdinfra-firewall.service"))

UNITS = (
    Unit("hdinfra-policy.service", content=asset("hdinfra-policy.service")),
    FIREWALL_UNIT,
    Unit("hdinfra-droplet.service", content=asset("hdinfra-droplet.service"), enabled=False),
    Unit("hdinfra-droplet.timer", content=asset("hdinfra-droplet.timer")),
    Unit("hdinfra-linode.service", content=asset("hdinfra-linode.service"), enabled=False),
    Unit("hdinfra-linode.timer", content=asset("hdinfra-linode.timer")),
    Unit("hdsync.service", content=asset("hdsync.service")),
    Unit("hdsync-previous.service", content=asset("hdsync-previous.service"), enabled=False),
)


def identity(zone: str, plan: MachinePlan) -> Identity:
    """Who this Machine is."""
    return Identity(name=plan.name, zone=zone, place=plan.place, role=plan.role, tenant=plan.tenant)
