#!/bin/sh
# Every pattern program, in every mode, does a fiftieth of its work on pcmalloc
# and prints what it must; the work does not depend on the allocator; and a
# program that gets bad blocks says so. Nothing is timed here.
set -u

build=${PCM_BUILD:-build}
patterns=$build/bench/patterns
so=${PCM_SO:-$build/libpcmalloc.so}
broken=$build/test/stress/libbroken.so
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
failed=0

complain() {
	echo "$*"
	sed 's/^/    /' "$work/out"
	failed=$((failed + 1))
}

# run PRELOADED PROGRAM KEYS...: its output in $work/out.
run() {
	preloaded=$1 program=$2
	shift 2
	timeout -k 5 30 env LD_PRELOAD="$preloaded" "$patterns/$program" \
		settle_ms=5 "$@" >"$work/out" 2>&1
}

# Lines of a known key and a number; the four keys that all have, once each.
check_output() {
	awk '
	NF != 2 || $1 !~ /^[a-z_]+$/ || $2 !~ /^[0-9]+(\.[0-9]+)?$/ {
		print "not a key and a number: " $0
		bad = 1
	}
	{ seen[$1]++; value[$1] = $2 }
	END {
		n = split("seconds operations settled_kib", keys)
		for (i = 1; i <= n; i++)
			if (seen[keys[i]] != 1 || value[keys[i]] <= 0) {
				print "wrong or missing: " keys[i]
				bad = 1
			}
		exit bad || seen["peak_live_kib"] != 1
	}' "$work/out"
}

operations() {
	awk '$1 == "operations" { print $2 }' "$work/out"
}

# check PROGRAM KEYS...
check() {
	run "$so" "$@" scale=0.02 || {
		complain "$*: failed"
		return
	}
	check_output || complain "$*: wrong output"
	echo "$* $(operations)" >>"$work/operations"
}

# modes PROGRAM: as its source lists them.
modes() {
	sed -n 's/.* modes\[\] = { \(.*\), NULL };/\1/p' \
		"bench/patterns/$1.c" | tr -d '",'
}

# The programs are what patterns.mk has built.
n=0
for program in "$patterns"/*; do
	program=${program##*/}
	case $program in
	*.* | short_program) continue ;;
	esac
	n=$((n + 1))
	list=$(modes "$program")
	[ -n "$list" ] || check "$program"
	for mode in $list; do
		check "$program" "mode=$mode"
	done
done
[ "$n" -ge 15 ] || complain "only $n programs"

# The same work with libc's malloc, for some.
for program in strings eviction runs; do
	run '' "$program" scale=0.02 || complain "$program on libc: failed"
	grep -qx "$program $(operations)" "$work/operations" ||
		complain "$program: other work on libc than on pcmalloc"
done

# Another seed is other work.
run "$so" strings scale=0.02 seed=2
grep -qx "strings $(operations)" "$work/operations" &&
	complain "strings: the seed does not matter"

# Keys that are wrong are refused; a series has three columns.
for key in nonsense scale=-1 threads=0 mode=none scale=1x; do
	run "$so" numbers "$key" && complain "numbers accepts $key"
done
run "$so" phases scale=0.01 series="$work/series"
awk 'NF != 3 || $2 <= 0 || $1 < before { exit 1 } { before = $1 }
END { if (NR < 2) exit 1 }' "$work/series" || complain "phases: no series"

# What drift says of its end agrees with itself and with the account.
run "$so" drift scale=0.02 threads=1
awk '{ value[$1] = $2 }
END {
	live = value["end_live_kib"]
	rss = value["end_rss_kib"]
	ratio = value["end_ratio"]
	exit !(live > 0 && live <= value["peak_live_kib"] && rss > live &&
		ratio > rss / live - 0.01 && ratio < rss / live + 0.01 &&
		value["worst_ratio"] >= value["mean_ratio"] &&
		value["mean_ratio"] > 1)
}' "$work/out" || complain "drift: its figures do not agree"

# Faults of the allocator are seen.
# must_fail FAULT PROGRAM KEYS...
must_fail() {
	fault=$1
	shift
	BROKEN=none run "$broken" "$@" || complain "$*: failed with no fault"
	BROKEN=$fault run "$broken" "$@" &&
		complain "$*: passed with the fault '$fault'"
	# Where blocks are full of pointers, a crash is a report too.
	grep -q 'has lost its content\|is wrong\|Segmentation' "$work/out" ||
		complain "$*: did not report the fault '$fault'"
}
BROKEN=none
export BROKEN
for program in server phases runs drift scan slots; do
	must_fail corrupt "$program" scale=0.02
	must_fail twice "$program" scale=0.02
done
# Before its budget is full, which takes a fiftieth, it frees hardly anything.
must_fail corrupt eviction scale=0.1
must_fail twice eviction scale=0.1
must_fail corrupt pipeline mode=1:1 scale=0.02
must_fail corrupt runs_mixed scale=0.02
must_fail corrupt trees scale=0.02
must_fail corrupt numbers mode=rationals scale=0.02
must_fail corrupt numbers mode=symbols scale=0.02

[ "$failed" -eq 0 ]
