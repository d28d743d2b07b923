#!/bin/sh
# Google's agent runs this at every boot. Its Debian images have no cloud-init: here it is installed once, told what a
# Machine is, and run; it never runs by itself.
set -eu
export DEBIAN_FRONTEND=noninteractive
seed=/var/lib/cloud/seed/nocloud

[ ! -e /var/lib/cloud/instance/boot-finished ] || exit 0
# An image that brings cloud-init along runs it before this, and hears of the same user data by itself.
[ ! -e /run/cloud-init/enabled ] || exit 0

install -d /etc/cloud/cloud.cfg.d "$seed"
: >/etc/cloud/cloud-init.disabled
printf 'datasource_list: [NoCloud]\nnetwork: {config: disabled}\n' >/etc/cloud/cloud.cfg.d/95-hdinfra.cfg
if ! command -v cloud-init >/dev/null; then
    apt-get -q -o DPkg::Lock::Timeout=300 update
    apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends -o Dpkg::Options::=--force-confold install cloud-init
fi
umask 077
python3 -IB - "$seed" <<'END'
import base64, pathlib, sys, urllib.request

seed = pathlib.Path(sys.argv[1])
HOME = "http://metadata.google.internal/computeMetadata/v1/instance/"


def told(what):
    asked = urllib.request.Request(HOME + what, headers={"Metadata-Flavor": "Google"})
    return urllib.request.urlopen(asked, timeout=30).read()


(seed / "user-data").write_bytes(base64.b64decode(told("attributes/user-data")))
(seed / "meta-data").write_bytes(told("attributes/hdinfra-meta-data"))
END
umask 022
cloud-init init --local
cloud-init init
cloud-init modules --mode config
cloud-init modules --mode final
