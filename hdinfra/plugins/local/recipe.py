"""What our machine images hold, layer by layer; the tag of a layer is the hash of all that leads to it."""

import hashlib
import json
from collections.abc import Sequence

RELEASE = "trixie"
PULLED_BASE = ("docker.io/library/debian", "13-slim")
CACHE_LABEL = "hdinfra.cache"
_REPOSITORY = "hdinfra/machine"
_REVISION = 1  # raise it to have images built anew with the Debian of that day

SYSTEM_PACKAGES = (
    "ca-certificates",
    "cloud-init",
    "curl",
    "dbus",
    "iproute2",
    "nftables",
    "procps",
    "python3",
    "systemd",
    "systemd-sysv",
)

# Units without work in a container, or that would fight with the engine for its network.
MASKED = (
    "systemd-networkd.service",
    "systemd-networkd.socket",
    "systemd-networkd-wait-online.service",
    "systemd-resolved.service",
    "systemd-udevd.service",
    "systemd-logind.service",
    "systemd-firstboot.service",
    "getty.target",
    "console-getty.service",
)

_CLOUD_CONFIG = """\
network: {config: disabled}
datasource_list: [NoCloud]
locale: false
"""

# The engine gives the journal a tmpfs, so what it keeps is taken from the machine's own memory.
_JOURNAL = """\
[Journal]
SystemMaxUse=16M
RuntimeMaxUse=16M
"""

_INSTALL = """\
set -eu
export DEBIAN_FRONTEND=noninteractive
printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
apt-get -q -o Acquire::Retries=2 -o Acquire::http::Timeout=20 update
apt-get -q -y -o Acquire::Retries=2 -o Acquire::http::Timeout=20 --no-install-recommends install {packages}
rm -rf /usr/sbin/policy-rc.d /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb
"""

_PREPARE = """\
for unit in {masks}; do ln -sf /dev/null "/etc/systemd/system/$unit"; done
mkdir -p /etc/cloud/cloud.cfg.d /var/lib/cloud/seed/nocloud /etc/systemd/journald.conf.d
cat > /etc/cloud/cloud.cfg.d/90-hdinfra.cfg <<'END'
{cloud}END
cat > /etc/systemd/journald.conf.d/90-hdinfra.conf <<'END'
{journal}END
: > /etc/machine-id
rm -f /var/lib/dbus/machine-id
"""


def system_script() -> str:
    """Shell text that turns a bare Debian into a machine that systemd and cloud-init boot."""
    prepare = _PREPARE.format(masks=" ".join(MASKED), cloud=_CLOUD_CONFIG, journal=_JOURNAL)
    return _INSTALL.format(packages=" ".join(SYSTEM_PACKAGES)) + prepare


def role_script(packages: Sequence[str]) -> str:
    """Shell text that adds a role's packages."""
    return _INSTALL.format(packages=" ".join(sorted(set(packages))))


def system_tag() -> str:
    """The image that all roles share."""
    return _tag("system", [system_script()])


def role_tag(packages: Sequence[str]) -> str:
    """The image of one role; the shared one if it needs nothing more."""
    wanted = sorted(set(packages) - set(SYSTEM_PACKAGES))
    return _tag("role", [system_script(), role_script(wanted)]) if wanted else system_tag()


def _tag(layer: str, recipe: list[str]) -> str:
    text = json.dumps([_REVISION, RELEASE, PULLED_BASE, layer, recipe])
    return f"{_REPOSITORY}:{layer}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
