#!/bin/sh
# Makes the fresh Debian 13 that another installer laid onto this server's mirrors the machine that its order describes:
# arrays and partitions are called as on every other server, each disk gets an ESP of its own, cloud-init does the rest.
set -eu
umask 022
export LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
url='@URL@' sha256='@SHA256@'
order=$(mktemp)
trap 'rm -f "$order"' EXIT

curl --fail --silent --show-error --proto '=https' --retry 5 --output "$order" "$url"
echo "$sha256  $order" | sha256sum --check --strict --quiet
# Its fstab is for our own installer; this Debian has one already.
tar --extract --file "$order" --directory / --strip-components 1 --exclude root/etc/fstab \
    --no-overwrite-dir --no-same-owner --preserve-permissions root
install -d -m 0700 /var/lib/cloud/seed /var/lib/cloud/seed/nocloud
tar --extract --file "$order" --directory /var/lib/cloud --no-same-owner --transform 's|^seed/|seed/nocloud/|' seed
apt-get -q update
apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confold install cloud-init python3 $(cat /etc/hdinfra/packages)

wanted=$(python3 -c 'import json; print(*(d["serial"] for d in json.load(open("/etc/hdinfra/server.json"))["disks"]))')
disks=$(for serial in $wanted; do
    lsblk --nodeps --noheadings --paths --output NAME,SERIAL | awk -v serial="$serial" '$2 == serial { print $1 }'
done)
[ "$(echo "$disks" | wc -w)" = "$(echo "$wanted" | wc -w)" ] || {
    echo "hdinfra: of the disks $wanted only these are here:" $disks >&2
    exit 1
}
partition() {
    case $1 in *[0-9]) echo "$1p$2" ;; *) echo "$1$2" ;; esac
}
array() {
    uuid=$(mdadm --detail --export "$2" | sed -n 's/^MD_UUID=//p')
    [ -n "$uuid" ] || { echo "hdinfra: $2 is no array, so $1 has no mirror" >&2; exit 1; }
    echo "ARRAY /dev/md/$1 metadata=1.2 UUID=$uuid"
}
install -d /etc/mdadm/mdadm.conf.d
{
    array boot "$(findmnt --noheadings --output SOURCE /boot)"
    array swap "$(blkid --match-token TYPE=swap --output device | grep '^/dev/md' | head -n 1)"
    array root "$(findmnt --noheadings --output SOURCE /)"
} >/etc/mdadm/mdadm.conf.d/arrays.conf

sed -i '\|[[:space:]]/boot/efi[[:space:]]|d' /etc/fstab
echo 'LABEL=ESP /boot/efi vfat umask=0077,nofail 0 2' >>/etc/fstab
mkdir -p /boot/efi
umount /boot/efi 2>/dev/null || true
for disk in $disks; do
    sgdisk --typecode=1:ef00 --change-name=1:esp --change-name=2:boot --change-name=3:swap --change-name=4:root "$disk"
    esp=$(partition "$disk" 1)
    # Firmware writes to one half of a mirror, so an ESP is none.
    mirror=$(lsblk --noheadings --list --paths --output NAME,TYPE "$esp" | awk '$2 == "raid1" { print $1; exit }')
    [ -z "$mirror" ] || mdadm --stop "$mirror"
    wipefs --all --quiet "$esp"
    mkfs.vfat -F 32 -n ESP "$esp" >/dev/null
    mount "$esp" /boot/efi
    grub-install --target=x86_64-efi --efi-directory=/boot/efi --removable --no-nvram --no-floppy
    umount /boot/efi
done
set -- $disks
mount "$(partition "$1" 1)" /boot/efi
update-initramfs -u -k all
update-grub
# Debian's own way to the network, and its way in, have no work here.
apt-get -q -y purge ifupdown isc-dhcp-client dhcpcd-base openssh-server 2>/dev/null || true
systemctl --quiet enable systemd-networkd.service
echo 'hdinfra: this server is ready for its first boot'
