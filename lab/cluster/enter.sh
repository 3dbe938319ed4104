#!/bin/sh
# First steps of a box's PID 1: its own root, /proc, /sys, /dev and cgroups, then its supervisor.
# Runs in fresh mount, pid, uts, ipc, cgroup and network namespaces, so that nothing here is seen
# outside. Arguments: HOME LOWER BIN IMAGES MEMORY_KIB(0 = all). HOME/cgroups.sh is written by the lab.
set -e
home=$1 lower=$2 bin=$3 images=$4 memory=$5
box=$(basename "$home")
mount --make-rprivate /
mkdir -p "$home/root" "$home/fs"
mount -o loop "$home/fs.img" "$home/fs"
mkdir -p "$home/fs/upper" "$home/fs/work" "$home/fs/lib" "$home/fs/pods"
root=$home/root
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$home/fs/upper,workdir=$home/fs/work" "$root"
cp -a "$home/files/." "$root/"

mkdir -p "$root/opt/podferry-lab/bin" "$root/opt/podferry-lab/images" "$root/var/log/lab" \
  "$root/var/log/pods" "$root/var/lib/dpkg" "$home/fs/lib/dpkg" "$root/oldroot"
mount --bind "$bin" "$root/opt/podferry-lab/bin"
mount -o remount,bind,ro "$root/opt/podferry-lab/bin"
mount --bind "$images" "$root/opt/podferry-lab/images"
mount -o remount,bind,ro "$root/opt/podferry-lab/images"
mount --bind "$home/log" "$root/var/log/lab"
# kubelet's eviction manager wants a file system of the node's own below its folders
mount --bind "$home/fs/pods" "$root/var/log/pods"
mount --bind "$root/var/lib/dpkg" "$home/fs/lib/dpkg"
mount --rbind "$home/fs/lib" "$root/var/lib"
disk=$(findmnt -n -o SOURCE "$home/fs" || true)

cd "$root"
pivot_root . oldroot
cd /
mount -t proc proc /proc
mount -t sysfs sysfs /sys
. /etc/podferry-lab/cgroups.sh
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t tmpfs -o mode=755 tmpfs /dev
mknod -m 666 /dev/null c 1 3
mknod -m 666 /dev/zero c 1 5
mknod -m 666 /dev/full c 1 7
mknod -m 666 /dev/random c 1 8
mknod -m 666 /dev/urandom c 1 9
mknod -m 666 /dev/tty c 5 0
mknod -m 600 /dev/kmsg c 1 11
mknod -m 666 /dev/fuse c 10 229
mkdir /dev/net /dev/pts /dev/shm /dev/mqueue
mknod -m 666 /dev/net/tun c 10 200
case $disk in /dev/loop*) mknod -m 600 "$disk" b 7 "${disk#/dev/loop}" ;; esac
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts /dev/pts
ln -s pts/ptmx /dev/ptmx
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t mqueue mqueue /dev/mqueue
umount -l /oldroot
mount --make-rshared /
hostname "$box"
# a node that was rebooted must be told from one that was not
cat /proc/sys/kernel/random/uuid > /run/boot_id
mount --bind /run/boot_id /proc/sys/kernel/random/boot_id
if [ "$memory" -gt 0 ]; then
  awk -v t="$memory" '
    /^MemTotal/ { print "MemTotal: " t " kB"; next }
    /^MemFree|^MemAvailable/ { printf "%s %d kB\n", $1, t * 0.9; next }
    /^Swap/ { print $1 " 0 kB"; next }
    { print }' /proc/meminfo > /run/meminfo
  mount --bind /run/meminfo /proc/meminfo
fi
export PATH=/opt/podferry-lab/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C.UTF-8
unset OLDPWD
exec /usr/bin/python3 -I /etc/podferry-lab/supervisor.py /etc/podferry-lab/services.json
