#!/bin/bash
# In Hetzner's rescue system: Debian 13 onto this server, with its disks as mirrors. No secret is in it.
set -euo pipefail
umask 077
folder=$(mktemp --directory)
[ -d /sys/firmware/efi ] || { echo 'This rescue system was not started by UEFI; have that switched on.' >&2; exit 1; }
drives=0
for serial in @serials@; do
    device=$(lsblk --nodeps --noheadings --paths --output NAME,SERIAL | awk -v serial="$serial" '$2 == serial { print $1 }')
    [ -n "$device" ] || { echo "No disk says that it is $serial. Nothing was changed." >&2; exit 1; }
    [ -z "$(wipefs --noheadings "$device")" ] ||
        { echo "$device ($serial) holds something; wipe it first: wipefs --all $device. Nothing was changed." >&2; exit 1; }
    drives=$((drives + 1))
    echo "DRIVE$drives $device" >>"$folder/config"
done
cat >>"$folder/config" <<'END-OF-CONFIG'
@config@END-OF-CONFIG
cat >"$folder/post-install" <<'END-OF-POST-INSTALL'
@finish@END-OF-POST-INSTALL
chmod 0700 "$folder/post-install"
installimage=$(command -v installimage || echo /root/.oldroot/nfs/install/installimage)
"$installimage" -a -c "$folder/config" -x "$folder/post-install"
