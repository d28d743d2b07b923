#!/bin/sh
# First boot: packages that are missing, then everything that this machine starts.
set -eu
export DEBIAN_FRONTEND=noninteractive
missing=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $(cat /etc/hdinfra/packages) 2>&1 | grep -v '^installed ' || true)
if [ -n "$missing" ]; then
    apt-get -q update
    apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confold install $(cat /etc/hdinfra/packages)
fi
systemd-sysusers
[ ! -e /etc/hdinfra/first-boot.json ] || /usr/lib/hdinfra/fetch
install -d -m 0700 /var/lib/hdinfra /var/lib/hdinfra/inbox
install -d -m 0755 /etc/hdinfra/policy
install -d -m 0700 /etc/hdinfra/policy/haproxy
install -d -m 0711 /var/log/hdinfra-tenants /var/cache/hdinfra-tenants
# What a container's kernel denies is listed by `hdctl status`; it is no reason not to boot.
sysctl -q -p /etc/sysctl.d/60-hdinfra.conf || true
systemctl daemon-reload
systemctl -q enable $(cat /etc/hdinfra/units)
systemctl start $(cat /etc/hdinfra/units)
