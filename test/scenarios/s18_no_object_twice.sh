#!/bin/sh
# Scenario 18: no object is ever handed out twice. The stress of test/stress
# that looks for it moves its threads between CPUs for the first half of its
# time and binds all of them to one CPU for the second; here it runs on libc's
# registration, on pcmalloc's own and on none.

set -u
: "${PCM_BUILD:?}"

: "${PCM_STRESS_SECONDS:=1.2}"
export PCM_STRESS_SECONDS
failures=0

# run MODE ARGUMENTS: the arguments are in_conf.sh's.
run() {
	mode=$1
	shift
	out=$(sh test/interface/in_conf.sh -p "$@" \
		"$PCM_BUILD/test/stress/stress_twice" 2>&1)
	rc=$?
	echo "$out"
	if [ $rc -eq 77 ]; then
		return
	fi
	case $out in
	*", $mode"*"stress_twice: ok, "*) [ $rc -eq 0 ] && return ;;
	esac
	echo "exit $rc; wanted: '$mode', and ok"
	failures=$((failures + 1))
}

for index in mm_cid cpu_id; do
	run "per-CPU, glibc's registration, $index" "index:$index"
	run "per-CPU, own registration, $index" -o "index:$index"
done
run "fallback" rseq:off
[ $failures -eq 0 ]
