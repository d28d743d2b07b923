# Inside Debian's installer, before it partitions: the disks by their serials, and nothing on them. Each line goes on.
found= ; for serial in @serials@ ; do
    device= ; for disk in $(list-devices disk) ; do
        if udevadm info --query=property --name="$disk" | grep -q -x -e "ID_SERIAL_SHORT=$serial" -e "ID_SERIAL=$serial" ;
        then device="$disk" ; fi ;
    done ;
    if [ -z "$device" ] ; then logger -t hdinfra "no disk says that it is $serial" ; exit 1 ; fi ;
    for part in "$device"* ; do
        if [ -n "$(blkid "$part")" ] ;
        then logger -t hdinfra "$part of $serial holds something; wipe the disk first" ; exit 1 ; fi ;
    done ;
    found="$found $device" ;
done ;
debconf-set partman-auto/disk "${found# }"
