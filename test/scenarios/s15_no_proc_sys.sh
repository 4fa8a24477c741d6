#!/bin/sh
# Scenario 15: /sys and /proc that are not mounted, and that cannot be read. The
# library finds the CPUs' ids and the kernel's features without them: the mode
# is the same as with them, and affinity may change under load all the same.

set -u
: "${PCM_BUILD:?}" "${PCM_SO:?}"

program=$PCM_BUILD/test/scenarios/s15_affinity
failures=0

skip() {
	echo "$*"
	exit 77
}

if [ "$(id -u)" = 0 ]; then
	enter="unshare -m"
else
	enter="unshare -Urm"
fi
$enter true 2>/dev/null || skip "needs root or user namespaces for mounts"

# Where another user can read it.
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
cp "$program" "$scratch/program" || exit 1
cp -L "$PCM_SO" "$scratch/libpcmalloc.so" || exit 1
program=$scratch/program
unset PCM_SO
: "${PCM_STIR_SECONDS:=0.2}"
export PCM_STIR_SECONDS

# run CONF COMMAND...: the mode that the library reports is in $mode.
run() {
	conf=$1
	shift
	if "$@" env LD_PRELOAD="$scratch/libpcmalloc.so" \
		PCMALLOC_CONF="$conf,stats:exit" "$program" \
		>"$scratch/out" 2>&1; then
		mode=$(sed -n 's/^pcmalloc: mode: //p' "$scratch/out")
	else
		mode="failed with $?"
	fi
}

# compare WHAT CONF COMMAND...: with and without.
compare() {
	what=$1
	conf=$2
	shift 2
	run "$conf"
	expected=$mode
	run "$conf" "$@"
	echo "$conf, $what: $mode"
	case $expected in
	"$mode") ;;
	*)
		cat "$scratch/out"
		echo "with /proc and /sys: $expected"
		failures=$((failures + 1))
		;;
	esac
	case $mode in
	"failed with "*) failures=$((failures + 1)) ;;
	esac
}

# mounted OPTIONS COMMAND...: empty file systems over both; the script's end
# tells that they are there.
# shellcheck disable=SC2016 # expanded by the inner shell
mounted='
	options=$1
	shift
	for place in /proc /sys; do
		mount -t tmpfs -o "$options" none "$place" || exit 1
		ls "$place"/* >/dev/null 2>&1 && exit 1
	done
	exec "$@"'

for conf in index:mm_cid index:cpu_id rseq:off; do
	# shellcheck disable=SC2086 # a command and its options
	compare "not mounted" "$conf" $enter sh -c "$mounted" sh mode=755
done
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	# shellcheck disable=SC2086 # as above
	compare "unreadable" index:auto $enter sh -c "$mounted" sh mode=000 \
		setpriv --reuid 65534 --regid 65534 --clear-groups
fi
[ $failures -eq 0 ]
