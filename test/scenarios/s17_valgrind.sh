#!/bin/sh
# Scenario 17, valgrind: it answers ENOSYS to rseq, runs one thread at a time,
# and may put its own malloc in the place of pcmalloc's. Programs run through,
# on the fallback, and memcheck finds no error in pcmalloc.
# `make check-matrix` does more of this.
set -eu

: "${PCM_BUILD:?}" "${PCM_SO:?}"

if ! command -v valgrind >/dev/null; then
	echo "no valgrind"
	exit 77
fi
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT

# run TOOL PROGRAM: its output is in $scratch/out and $scratch/err.
run() {
	# shellcheck disable=SC2086 # a tool and its options
	LD_PRELOAD=$PCM_SO PCMALLOC_CONF=stats:exit PCM_STRESS_SECONDS=0.2 \
		valgrind -q --trace-children=yes --error-exitcode=99 --tool=$1 \
		"$PCM_BUILD/test/$2" >"$scratch/out" 2>"$scratch/err" && return
	echo "$1, $2: exit status $?"
	cat "$scratch/out" "$scratch/err"
	exit 1
}

# expect TOOL PROGRAM: pcmalloc serves it, without rseq.
expect() {
	run "$@"
	mode=$(sed -n 's/^pcmalloc: mode: //p' "$scratch/err" | sort -u)
	echo "$1, $2: $mode"
	[ "$mode" = "fallback, no rseq in the kernel" ]
}

expect none process/small_work
expect none stress/stress_fork
expect "memcheck --soname-synonyms=somalloc=NONE" stress/stress_signal
# Here memcheck's malloc serves.
run memcheck process/small_work
