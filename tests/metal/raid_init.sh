#!/bin/sh
# The first process of a guest that plays a server of one's own: udev, arrays, the boot partition, a line to the tests,
# and none of what makes a boot slow, drivers of other devices among them. Arrays are assembled as Debian does it: one
# disk after the other by udev, and at last without those that are missing.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
modprobe --all loop raid1 vfat nls_ascii virtio_console virtio_rng
/usr/lib/systemd/systemd-udevd --daemon
udevadm trigger --action=add --subsystem-match=block --subsystem-match=virtio-ports --subsystem-match=mem
udevadm settle
mdadm --incremental --run --scan
udevadm settle
[ ! -e /dev/disk/by-label/swapped ] || swapon LABEL=swapped
[ ! -e /etc/fstab.server ] || mount --all --fstab /etc/fstab.server
exec /usr/bin/python3 -IB /usr/local/lib/hdinfra-shell.py
