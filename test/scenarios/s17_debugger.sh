#!/bin/sh
# Scenario 17: gdb steps through malloc and through free until they return, and
# records ("record full") what a program does in them. Each step stops inside of
# sections and aborts them; the number of steps is bounded all the same.

set -u
cd "${PCM_ROOT:-.}" || exit 1
: "${PCM_BUILD:=$PWD/build}"
: "${PCM_SO:=$PCM_BUILD/libpcmalloc.so}"
program=$PCM_BUILD/test/scenarios/s17_debugged

sh test/install.sh gdb:gdb || {
	echo "no gdb"
	exit 77
}
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
trap 'exit 1' HUP INT TERM

# gdb can record no AVX: libc is to use none.
plain=glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-ERMS

# debug SCRIPT: gdb's output in $out.
debug() {
	timeout 100 gdb -nx -q -batch \
		-ex 'set debuginfod enabled off' \
		-ex "set environment LD_PRELOAD=$PCM_SO" \
		-ex "set environment GLIBC_TUNABLES=$plain" \
		-ex 'set environment LD_BIND_NOW=1' \
		-x "test/scenarios/$1" "$program" >"$out" 2>&1 </dev/null
}

fail() {
	tail -n 20 "$out"
	echo "$*"
	exit 1
}

# expect PATTERN: in one line of $out.
expect() {
	[ "$(grep -cE "$1" "$out")" -eq 1 ] || fail "not once: $1"
}

"$program" </dev/null >"$out" 2>&1 && fail "it runs without pcmalloc, too"
debug s17_debugger.gdb
grep -qE 'ptrace: Operation not permitted|Cannot create process' "$out" && {
	echo "gdb may not run programs here"
	exit 77
}
expect '^stepped through malloc in [0-9]+ steps$'
expect '^stepped through free in [0-9]+ steps$'
expect '^went on$'
expect '^done$'
expect 'exited normally'
grep '^stepped' "$out"

debug s17_record.gdb
expect '^Log contains [0-9]+ instructions'
expect '^done$'
expect 'exited normally'
grep -E '^Log contains|does not support' "$out" | sed 's/^/record full: /'
