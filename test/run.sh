#!/bin/sh
# Runs tests one after the other from the root of the repository.
#
#   test/run.sh TEST...
#
# A test is an executable without arguments: exit 0 = passed, 77 = skipped (its
# last line of output says why), anything else = failed. Each gets
# PCM_TEST_TIMEOUT seconds (120) and finds in its environment PCM_ROOT,
# PCM_BUILD, PCM_SO and PCM_A. PCM_BUILD may be given, the rest follows from it.
#
# Prints a line for each test, the end of the output of those that failed, the
# sum of libcheck's own counts, and last of all
#   N passed, N failed, N skipped
# Exit status 0 only if at least one test ran and none failed.

set -u

PCM_ROOT=$(cd "$(dirname "$0")/.." && pwd) || exit 1
cd "$PCM_ROOT" || exit 1
PCM_BUILD=$(cd "${PCM_BUILD:-build}" && pwd) || exit 1
PCM_SO=$PCM_BUILD/libpcmalloc.so
PCM_A=$PCM_BUILD/libpcmalloc.a
export PCM_ROOT PCM_BUILD PCM_SO PCM_A
unset LD_PRELOAD PCMALLOC_CONF GLIBC_TUNABLES

limit=${PCM_TEST_TIMEOUT:-120}
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'end_group; exit 1' HUP INT TERM

passed=0 failed=0 skipped=0 group=
: >"$scratch/all"
: >"$scratch/failures"

# name PATH: how a test is called in the report.
name() {
	path=${1#"$PCM_ROOT"/}
	path=${path#"${PCM_BUILD#"$PCM_ROOT"/}"/}
	printf '%s\n' "${path#test/}"
}

# seconds START END: both in nanoseconds.
seconds() {
	awk -v ns="$(($2 - $1))" 'BEGIN { printf "%.1f", ns / 1e9 }'
}

# end_group: ends what is left of a test. timeout(1) is the leader of a process
# group of its own, and everything that a test starts is in it.
end_group() {
	[ -z "$group" ] || kill -s KILL -- "-$group" 2>/dev/null
	group=
}

# run TEST: fills $scratch/out, sets $status and $took. In the background, so
# that a signal need not wait for the test; which makes the shell ignore SIGINT
# and SIGQUIT for it, hence env.
run() {
	case $1 in
	/*) command=$1 ;;
	*) command=./$1 ;;
	esac
	start=$(date +%s%N)
	timeout -k 5 "$limit" env --default-signal=INT,QUIT "$command" \
		</dev/null >"$scratch/out" 2>&1 &
	group=$!
	wait "$group" 2>/dev/null
	status=$?
	end_group
	took=$(seconds "$start" "$(date +%s%N)")
}

# cause STATUS: why a test failed.
cause() {
	case $1 in
	124) echo "timed out after $limit s" ;;
	126) echo "cannot be executed" ;;
	127) echo "not found" ;;
	137) echo "killed (or timed out and did not end)" ;;
	1[3-9][0-9]) echo "signal $(($1 - 128))" ;;
	*) echo "exit status $1" ;;
	esac
}

for test in "$@"; do
	run "$test"
	title=$(name "$test")
	cat "$scratch/out" >>"$scratch/all"
	case $status in
	0)
		passed=$((passed + 1))
		printf 'ok    %-48s %6s s\n' "$title" "$took"
		;;
	77)
		skipped=$((skipped + 1))
		reason=$(grep . "$scratch/out" | tail -n 1)
		printf 'skip  %-48s %6s s  %s\n' "$title" "$took" \
			"${reason:-no reason given}"
		;;
	*)
		failed=$((failed + 1))
		printf 'FAIL  %-48s %6s s  %s\n' "$title" "$took" \
			"$(cause "$status")"
		tail -n 40 "$scratch/out" | sed 's/^/        /'
		printf '  %s\n' "$title" >>"$scratch/failures"
		;;
	esac
done

if [ -s "$scratch/failures" ]; then
	echo "failed:"
	cat "$scratch/failures"
fi
awk '/^[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+$/ {
	gsub(",", ""); checks += $3; failures += $5; errors += $7
}
END {
	if (checks)
		printf "libcheck: %d checks, %d failures, %d errors\n",
			checks, failures, errors
}' "$scratch/all"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
