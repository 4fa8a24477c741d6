#!/bin/busybox sh
# shellcheck shell=dash
#
# The first process of the virtual machine: makes the system that programs
# expect, has the tests run, and switches the machine off. The console is the
# serial line that the host listens to.

/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mkdir -p /dev/shm /sys/fs/cgroup
mount -t tmpfs none /dev/shm
mount -t tmpfs none /sys/fs/cgroup
# The first cpuset that there is makes the kernel change its own code, and the last one to go
# does. So one is there before there is work to do, and stays: see check_vm.sh.
mkdir /sys/fs/cgroup/cpuset
if mount -t cgroup -o cpuset none /sys/fs/cgroup/cpuset 2>/dev/null; then
	mkdir /sys/fs/cgroup/cpuset/stays
else
	# Linux 6.12 is often built without the first version of cpusets.
	mount -t cgroup2 none /sys/fs/cgroup
	echo +cpuset >/sys/fs/cgroup/cgroup.subtree_control
	mkdir /sys/fs/cgroup/stays
fi
ln -s /proc/self/fd /dev/fd
ulimit -c 0
echo 1 >/proc/sys/kernel/printk
cd /pcm || poweroff -f
sh /pcm/tests </dev/null >/dev/console 2>&1
poweroff -f
