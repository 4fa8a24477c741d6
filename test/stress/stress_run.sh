#!/bin/sh
# Runs stress programs on pcmalloc: stress_run.sh CONF PROGRAM...
# CONF is PCMALLOC_CONF's value, PROGRAM the name without "stress_".
# Without arguments: every program under every configuration.
# A program that has not ended by itself after LIMIT more seconds is killed.
set -u

: "${PCM_BUILD:=$PWD/build}" "${PCM_SO:=$PCM_BUILD/libpcmalloc.so}"
: "${PCM_STRESS_SECONDS:=2}"
: "${PCM_STRESS_CONFS:=index:mm_cid index:cpu_id rseq:off}"
export PCM_STRESS_SECONDS
programs="pattern migrate twice signal churn fork trim"
limit=50

# timeout leads a process group: nothing in it may outlive the run.
group=
end_group() {
	[ -z "$group" ] || kill -KILL -- -"$group" 2>/dev/null
	group=
}
trap end_group EXIT
trap 'exit 1' HUP INT TERM

failed=0
skipped=0
ran=0

run() {
	conf=$1
	program=$2
	ran=$((ran + 1))
	timeout -k 5 $((${PCM_STRESS_SECONDS%.*} + limit)) \
		env LD_PRELOAD="$PCM_SO" PCMALLOC_CONF="$conf" \
		"$PCM_BUILD/test/stress/stress_$program" &
	group=$!
	wait $group
	rc=$?
	end_group
	if [ $rc -eq 77 ]; then
		skipped=$((skipped + 1))
	elif [ $rc -ne 0 ]; then
		failed=$((failed + 1))
		echo "stress_$program: failed with $rc under $conf"
	fi
}

if [ $# -gt 0 ]; then
	conf=$1
	shift
	for program in "$@"; do
		run "$conf" "$program"
	done
else
	for conf in $PCM_STRESS_CONFS; do
		for program in $programs; do
			run "$conf" "$program"
		done
	done
	echo "stress: $ran runs, $failed failed, $skipped skipped"
fi
[ $failed -eq 0 ] || exit 1
[ $skipped -lt $ran ] || exit 77
