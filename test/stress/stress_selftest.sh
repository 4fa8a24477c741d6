#!/bin/sh
# The stress programs must find faults: each line of the table runs one of
# them on broken.c with a fault and names the text that it must report.
# With BROKEN=none all of them must pass.
set -u

dir=${PCM_BUILD:-build}/test/stress
out=$(mktemp) || exit 1
group=
failed=0

# timeout leads a process group: nothing in it may outlive the run.
end_group() {
	[ -z "$group" ] || kill -KILL -- -"$group" 2>/dev/null
	group=
}
trap 'end_group; rm -f "$out"' EXIT
trap 'exit 1' HUP INT TERM

# run PROGRAM FAULT SECONDS
run() {
	timeout -k 5 30 env LD_PRELOAD="$dir/libbroken.so" BROKEN="$2" \
		PCM_STRESS_ANY=1 PCM_STRESS_SECONDS="$3" PCM_STRESS_LIMIT=15 \
		PCM_STRESS_CHILD=1 "$dir/stress_$1" >"$out" 2>&1 &
	group=$!
	wait $group 2>/dev/null
	status=$?
	end_group
	return $status
}

# A crash after the report would be one too many, hence the exact status.
must_fail() {
	run "$1" "$2" 4
	rc=$?
	if [ $rc -eq 134 ] && grep -q "stress_$1: FAULT: .*$3.*seed 0x" "$out"
	then
		return
	fi
	echo "stress_$1 did not report '$3' with fault $2 (exit $rc):"
	cat "$out"
	failed=$((failed + 1))
}

must_pass() {
	run "$1" none 0.4 && return
	echo "stress_$1 failed without a fault:"
	cat "$out"
	failed=$((failed + 1))
}

# shellcheck disable=SC3045 # dash and bash have it
ulimit -c 0
for program in pattern migrate twice signal churn fork trim; do
	must_pass $program
done
must_fail pattern twice 'byte .* is 0x'
must_fail pattern corrupt 'byte .* is 0x'
must_fail pattern dirty 'calloc of'
must_fail pattern short 'byte .* is 0x'
must_fail pattern usable 'byte .* is 0x'
must_fail pattern align 'not aligned'
must_fail migrate race '0x'
must_fail migrate corrupt '0x'
must_fail twice twice 'handed out twice'
must_fail twice race 'handed out twice'
must_fail twice corrupt 'holds the tag\|overwritten'
must_fail signal corrupt '0x'
must_fail signal race '0x'
must_fail churn corrupt '0x'
must_fail churn leak 'resident memory grew'
must_fail fork fork 'child .* hung\|hung'
must_fail fork corrupt '0x'
must_fail trim race '0x'
must_fail trim align 'not aligned'
[ $failed -eq 0 ]
