"""Security updates within a day and nothing else: Debian-Security's packages of the release that is installed."""

from hdinfra.machine.machine import File, Unit
from hdinfra.machine.sources import asset

PACKAGES = ("debian-archive-keyring", "needrestart", "unattended-upgrades")

UNITS = (
    Unit("apt-daily.timer", drop_in=asset("metal-apt-daily.timer.conf")),
    Unit("apt-daily-upgrade.timer", drop_in=asset("metal-apt-daily-upgrade.timer.conf")),
)
"""Each comes every six hours, spread over two so that Machines of one Instance do not restart services at once: what
is published is in force after 11 hours, and after 17 if Debian's mirror was out of reach once."""

FILES = (
    File("/etc/apt/apt.conf.d/52hdinfra-updates", asset("metal-updates.conf")),
    File("/etc/apt/sources.list", "# See sources.list.d.\n"),
    File("/etc/apt/sources.list.d/debian.sources", asset("metal-debian.sources")),
    File("/etc/needrestart/conf.d/hdinfra.conf", asset("metal-needrestart.conf")),
)
