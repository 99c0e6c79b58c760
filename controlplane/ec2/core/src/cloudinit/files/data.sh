#!/bin/sh
# Makes one striped volume of the {{slices}} data slices, once, and mounts it; after a reboot it is only
# mounted. LVM, so that the slices can grow under it.
set -eu
mount=/mnt/data volume=/dev/fleetlog/data wanted={{slices}}

# EBS disks without partitions, children or signatures: neither the root nor an instance store.
slices() {
  for disk in $(lsblk -dnpo NAME,TYPE | awk '$2 == "disk" { print $1 }'); do
    case $disk in
      /dev/nvme*) grep -q 'Elastic Block Store' "/sys/block/${disk#/dev/}/device/model" || continue ;;
      /dev/xvd[b-z]) ;;
      *) continue ;;
    esac
    [ "$(lsblk -nro NAME "$disk" | wc -l)" -eq 1 ] || continue
    [ -z "$(blkid -p -o value -s TYPE "$disk" || true)" ] || continue
    echo "$disk"
  done
}

vgchange -ay fleetlog 2>/dev/null || true
if [ ! -e "$volume" ]; then
  tries=60
  until disks=$(slices) && [ "$(echo $disks | wc -w)" -eq "$wanted" ]; do
    tries=$((tries - 1))
    if [ "$tries" -le 0 ]; then
      echo "data: $wanted slices wanted, there are: $disks" >&2
      exit 1
    fi
    sleep 1
  done
  # shellcheck disable=SC2086
  vgcreate -y fleetlog $disks
  lvcreate -y --wipesignatures y --name data --extents 100%FREE \
    --stripes "$wanted" --stripesize 256k fleetlog
fi
if [ -z "$(blkid -p -o value -s TYPE "$volume" || true)" ]; then
  mkfs.ext4 -q -L fleetlog-data "$volume"
fi
mkdir -p "$mount"
mountpoint -q "$mount" || mount -t ext4 "$volume" "$mount"
mkdir -p "$mount/fleetlog"
