#!/bin/sh
# The soft limit comes from the control group: soft_limit in a group with a limit of
# memory (v2 memory.high, or v1 memory.limit_in_bytes), where root may make one.
set -eu

: "${PCM_BUILD:=$PWD/build}" "${PCM_SO:=$PCM_BUILD/libpcmalloc.so}"
limit=201326592 # 192 MiB
group=

cleanup() {
	[ -z "$group" ] || rmdir "$group" 2>/dev/null || :
}
trap cleanup EXIT

skip() {
	echo "$1"
	exit 77
}

# make ROOT FILE: a group below ours with the limit in FILE.
make_group() {
	group=$1/pcmalloc-test-$$
	mkdir "$group" 2>/dev/null || {
		group=
		return 1
	}
	echo $limit 2>/dev/null >"$group/$2"
}

[ "$(id -u)" = 0 ] || skip "only root makes control groups"
v1=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
v2=$(sed -n 's/^0:://p' /proc/self/cgroup)
if [ -n "$v1" ] && make_group "/sys/fs/cgroup/memory$v1" \
	memory.limit_in_bytes; then
	:
elif [ -z "$v1" ] && [ -n "$v2" ] &&
	make_group "/sys/fs/cgroup$v2" memory.high; then
	:
else
	skip "no control group can be made here"
fi
# shellcheck disable=SC2016 # for the inner shell
sh -c 'echo $$ >"$1/cgroup.procs"; shift; exec env LD_PRELOAD="$1" "$2"' sh \
	"$group" "$PCM_SO" "$PCM_BUILD/test/memory/soft_limit"
