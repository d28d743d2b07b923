#!/bin/sh
# Makes a fresh Debian 13 the machine that this folder describes. Run it again as often as you like: it takes what has
# changed in the folder since. Everything is checked before anything is written, and nobody but Debian's mirrors is
# called, and these only for packages that are missing.
set -eu
umask 022
export LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

refuse() {
    printf 'install.sh: %s Nothing was changed.\n  fix: %s\n' "$1" "$2" >&2
    exit 1
}

over_ssh() {
    pid=$$
    while [ "$pid" -gt 1 ]; do
        case $(cat "/proc/$pid/comm") in sshd*) return 0 ;; esac
        pid=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$pid/status")
    done
    return 1
}

cd "$(dirname "$0")"
for file in install.sh files.tar policy.json; do
    grep -q "^[0-9a-f]\{64\}  $file\$" SHA256SUMS 2>/dev/null ||
        refuse "SHA256SUMS does not name $file: this folder is not whole." "copy the folder again"
done
sha256sum --check --strict --quiet SHA256SUMS >&2 ||
    refuse "This folder is not as it was written." "copy the folder again, and compare the sum that \`hdinfra byol bundle\` showed with \`sha256sum SHA256SUMS\`"
found=$(. /etc/os-release && echo "${ID-} ${VERSION_ID-}")
[ "$found" = "debian 13" ] || refuse "This system is \`$found\`; the machine needs Debian 13." "install Debian 13 on it first"
[ "$(id -u)" = 0 ] || refuse "Only root may install." "sudo $0"
[ -d /run/systemd/system ] || refuse "Systemd does not run here." "boot the machine with systemd"
[ ! -e /etc/hdinfra/first-boot.json ] || refuse "This machine belongs to a Zone." "take another machine"
! over_ssh || refuse "This machine will take nothing but port 80 from its edges, so this SSH session would be cut." \
    "run it at the console, or: systemd-run --unit hdinfra-install $(pwd)/install.sh"

packages=$(tar --extract --to-stdout --file files.tar etc/hdinfra/packages)
missing=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $packages 2>&1 | grep -v '^installed ' || true)
if [ -n "$missing" ]; then
    { apt-get -q update && apt-get -q --simulate --no-install-recommends install $packages; } >/dev/null ||
        refuse "Debian's mirrors do not give the packages that are missing." "install these first: $(echo $packages)"
fi

[ -e /var/lib/hdinfra/policy.json ] && again=yes || again=
if [ -z "$again" ]; then
    # Programs that Debian has started already: they start anew with the files of this machine.
    for unit in $(tar --list --file files.tar | sed -n 's|^etc/systemd/system/\(.*\)\.d/50-hdinfra\.conf$|\1|p'); do
        systemctl --quiet stop "$unit" 2>/dev/null || true
    done
fi
tar --extract --file files.tar --directory / --preserve-permissions --no-overwrite-dir
install -m 0644 policy.json /etc/hdinfra/first-policy.json
/usr/lib/hdinfra/boot.sh || {
    journalctl --no-pager --quiet --output cat --lines 20 --unit hdinfra-first-policy.service >&2 || true
    printf 'install.sh: It stopped midway.\n  fix: mend what is said above, then run it again\n' >&2
    exit 1
}
hdctl apply policy.json
[ -z "$again" ] || hdctl reload
hdctl status
