#!/bin/sh
# Scenario 15: a table of caches that is smaller than the CPU ids that can
# appear. Built with room for one id, the library says so and works on the
# fallback; with room for all that the kernel has it is per-CPU.

set -u
: "${PCM_BUILD:?}"

: "${PCM_STRESS_SECONDS:=0.3}"
export PCM_STRESS_SECONDS
small="fallback, more CPU ids than the table has"
failures=0

# check TABLE PATTERN ARGUMENTS: stress with that library; the arguments are
# in_conf.sh's.
check() {
	table=$1 pattern=$2
	shift 2
	so=$PCM_BUILD/table_$table/libpcmalloc.so
	for program in stress_twice stress_fork; do
		out=$(PCM_SO=$so sh test/interface/in_conf.sh -p "$@" \
			"$PCM_BUILD/test/stress/$program" 2>&1)
		rc=$?
		mode=$(echo "$out" | sed -n 's/^pcmalloc: mode: //p' | sort -u)
		echo "$table ids, $program: $mode"
		# shellcheck disable=SC2254 # it is a pattern
		case $rc/$mode in
		0/$pattern) continue ;;
		esac
		echo "$out" | grep -v '^pcmalloc: class'
		echo "exit $rc; wanted: $pattern"
		failures=$((failures + 1))
	done
}

check 1 "$small" stats:exit
check 1 "$small" -o stats:exit
check 1 "fallback, rseq switched off" rseq:off,stats:exit
nids=$("$PCM_BUILD/test/scenarios/cpu_ids") || exit 1
echo "the kernel has $nids ids"
if [ "$nids" -le 1024 ]; then
	check 1024 "per-CPU, *" stats:exit
	check 1024 "per-CPU, own *" -o stats:exit
else
	check 1024 "$small" stats:exit
fi
[ $failures -eq 0 ]
