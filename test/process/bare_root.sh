#!/bin/sh
# A root directory without /proc, /sys and /dev: pcmalloc starts and works in
# every mode without them.

set -u
: "${PCM_BUILD:?}" "${PCM_SO:?}"

program=$PCM_BUILD/test/process/small_work

skip() {
	echo "$*"
	exit 77
}

command -v chroot >/dev/null || skip "no chroot"
command -v readelf >/dev/null || skip "no readelf"
if [ "$(id -u)" = 0 ]; then
	enter=chroot
elif unshare -Ur true 2>/dev/null; then
	enter="unshare -Ur chroot"
else
	skip "needs root or user namespaces to change the root directory"
fi

root=$(mktemp -d) || exit 1
trap 'rm -rf "$root"' EXIT
cp "$program" "$root/program" || exit 1
cp -L "$PCM_SO" "$root/libpcmalloc.so" || exit 1
for library in $(ldd "$program" | grep -o '/[^ ]*'); do
	mkdir -p "$root/$(dirname "$library")"
	cp -L "$library" "$root/$library" || exit 1
done
loader=$(readelf -lW "$program" | sed -n 's/.*interpreter: \(.*\)\]/\1/p')
[ ! -e "$root/proc" ] && [ ! -e "$root/sys" ] && [ ! -e "$root/dev" ] ||
	exit 1

status=0
for conf in index:mm_cid index:cpu_id rseq:off thp:always fence:off; do
	if ! PCMALLOC_CONF=$conf,stats:exit $enter "$root" "$loader" \
		--preload /libpcmalloc.so /program >"$root/out" 2>&1; then
		echo "$conf: failed"
		cat "$root/out"
		status=1
	elif ! grep -q '^pcmalloc: mode: ' "$root/out"; then
		echo "$conf: did not run on pcmalloc"
		cat "$root/out"
		status=1
	fi
done
exit $status
